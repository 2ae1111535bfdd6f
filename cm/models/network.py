"""
Address pools, the networks that are cut from them, the NICs of VMs on these, and network leases: one row per address
that NICs may get, each for one at most.
"""

from __future__ import annotations

import uuid as uuid_module
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Uuid, text
from sqlalchemy.dialects.postgresql import CIDR, INET, MACADDR, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Yes, Zero

_KINDS = "kind IN ('nat', 'vxlan', 'bridge')"


class AddressPool(Base):
    """
    A range of an administrator's. Of kind ``nat`` and ``bridge`` it is one network for everybody, which is made with it
    and has its number; from one of kind ``vxlan`` users' networks are cut. Pools and networks share their numbers.
    """

    __tablename__ = "address_pool"
    __table_args__ = (
        ExcludeConstraint(
            ("network", "&&"),
            name="ex_address_pool_network",
            using="gist",
            where=text("deleted_at IS NULL AND NOT overlap"),
            ops={"network": "inet_ops"},
        ),
        Index("uq_address_pool_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        CheckConstraint(_KINDS, name="kind"),
        CheckConstraint("kind <> 'nat' OR NOT overlap", name="nat"),  # its MAC addresses follow from addresses
        CheckConstraint("prefix_min <= prefix_default AND prefix_default <= prefix_max", name="prefixes"),
        CheckConstraint("network IS NOT NULL OR kind = 'bridge'", name="network"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    description: Mapped[Empty]
    kind: Mapped[str] = mapped_column(server_default="nat")
    network: Mapped[str | None] = mapped_column(CIDR)  # NULL: guests have their addresses from elsewhere
    network6: Mapped[str | None] = mapped_column(CIDR)
    overlap: Mapped[No]  # its networks may share addresses with others
    prefix_default: Mapped[int] = mapped_column(SmallInteger, server_default="26")  # of users' networks, and its bounds
    prefix_min: Mapped[int] = mapped_column(SmallInteger, server_default="20")
    prefix_max: Mapped[int] = mapped_column(SmallInteger, server_default="30")
    locked: Mapped[No]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class Network(Base):
    """
    What a NIC is on.

    :ivar account_id: whose it is; NULL: everybody's.
    :ivar kind: its pool's.
    :ivar overlap: its pool's word when it was made.
    :ivar bridge: on the nodes.
    :ivar uplink: of kind ``bridge``: a bridge of the nodes, or an interface of theirs with ``vlan``.
    """

    __tablename__ = "network"
    __table_args__ = (
        *(
            ExcludeConstraint(
                (column, "&&"),
                name=f"ex_network_{column}",
                using="gist",
                where=text("deleted_at IS NULL AND NOT overlap"),
                ops={column: "inet_ops"},
            )
            for column in ("prefix", "prefix6")
        ),
        Index(
            "uq_network_name",
            text("coalesce(account_id, 0)"),
            "name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("uq_network_bridge", "bridge", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(
            "uq_network_vlan",
            "uplink",
            "vlan",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND vlan IS NOT NULL"),
        ),
        Index(
            "uq_network_only",
            "pool_id",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND kind <> 'vxlan'"),
        ),
        Index(
            "uq_network_default",
            "account_id",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND is_default"),
        ),
        Index("ix_network_pool_id", "pool_id"),
        Index("ix_network_account_id", "account_id"),
        CheckConstraint(_KINDS, name="kind"),
        CheckConstraint("family(prefix) = family(gateway)", name="gateway"),
        CheckConstraint("(prefix6 IS NULL) = (gateway6 IS NULL)", name="gateway6"),
        CheckConstraint(
            "(prefix IS NULL) = (gateway IS NULL) AND (prefix IS NOT NULL OR kind = 'bridge')", name="addressed"
        ),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    pool_id: Mapped[int] = mapped_column(ForeignKey("address_pool.id"))
    kind: Mapped[str]
    name: Mapped[str]
    description: Mapped[Empty]
    prefix: Mapped[str | None] = mapped_column(CIDR)  # NULL: guests have their addresses from elsewhere
    prefix6: Mapped[str | None] = mapped_column(CIDR)
    gateway: Mapped[str | None] = mapped_column(INET)
    gateway6: Mapped[str | None] = mapped_column(INET)
    overlap: Mapped[No]
    bridge: Mapped[str]
    uplink: Mapped[Empty]
    vlan: Mapped[int | None] = mapped_column(SmallInteger)
    mtu: Mapped[int | None] = mapped_column(SmallInteger)
    domain: Mapped[Empty]  # of its guests' names
    dns: Mapped[Empty]  # addresses, separated by blanks
    dhcp: Mapped[Yes]
    is_default: Mapped[No]  # of its owner's VMs that name none
    masquerade: Mapped[Yes]
    metadata_served: Mapped[Yes]
    locked: Mapped[No]  # gives no addresses
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class Nic(Base):
    """
    A network card of a VM, as long as the VM is. What the node and the guest see of it is written down when it is made:
    nobody works it out anew.
    """

    __tablename__ = "nic"
    __table_args__ = (
        Index("uq_nic_number", "vm_id", "number", unique=True),
        Index("uq_nic_mac", "mac", unique=True),
        Index("ix_nic_network_id", "network_id"),
        CheckConstraint("kbit_in > 0", name="kbit_in"),
        CheckConstraint("kbit_out > 0", name="kbit_out"),
    )
    id: Mapped[Key]
    uuid: Mapped[uuid_module.UUID] = mapped_column(Uuid, server_default=text("gen_random_uuid()"))
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    number: Mapped[int] = mapped_column(SmallInteger)  # 0: the VM's first
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"))
    mac: Mapped[str] = mapped_column(MACADDR)
    tap: Mapped[str]  # the interface's name on the node
    model: Mapped[str]  # virtio, e1000, ...
    spoofing: Mapped[No]  # it may send from addresses that are not its own
    kbit_in: Mapped[int | None]  # kbit/s that it gets at the most; NULL: as the cluster's settings say
    kbit_out: Mapped[int | None]  # that it sends
    leaving: Mapped[No]  # its guest was asked to let go of it


class NetworkLease(Base):
    __tablename__ = "network_lease"
    __table_args__ = (
        Index("uq_network_lease_address", "network_id", "address", unique=True),
        Index("ix_network_lease_free", "network_id", "address", postgresql_where=text("nic_id IS NULL")),
        Index("ix_network_lease_nic", "nic_id", postgresql_where=text("nic_id IS NOT NULL")),
    )
    id: Mapped[Key]
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"))
    address: Mapped[str] = mapped_column(INET)
    nic_id: Mapped[int | None] = mapped_column(ForeignKey("nic.id"))
