"""Guests, seen from the inside: which VM an address on a node belongs to, and its hello."""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import MetadataSource, MetadataTokens, UserDataEncoding, VMId, VMState, Wanted
from cm.rules.imds import Imds
from cm.rules.network import Address, Network
from cm.store.guest import guest_at, nics_of
from cm.store.vm import find_vm, render_vm
from cm.store.vm_state import write_up

GREETING: Final = frozenset({VMState.STARTING, VMState.RUNNING, VMState.REBOOTING})


@dataclass(frozen=True)
class Nic:
    """
    ``index`` 0 is the VM's first.

    :ivar public: addresses that it is reached by from outside.
    :ivar network: its network's range of IPv4, as far as it is known here; ``network6`` of IPv6.
    :ivar groups: security groups that it is in, as uuid and name.
    """

    index: int
    mac: str
    addresses: tuple[Address, ...]
    network: Network | None
    bridge: str
    network_uuid: str
    uuid: str
    public: tuple[Address, ...] = ()
    network6: Network | None = None
    groups: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Guest:
    """
    A live VM on its node, with what its metadata is made of. ``nic`` is the one that the request came through.

    :ivar account_number: its account's, as the cloud manager whose it is counts it.
    :ivar tags: those of the VM, where it is to be told them.
    """

    vm_id: VMId
    uuid: str
    name: str
    node_id: int
    nic: Nic
    nics: tuple[Nic, ...]
    launches: int
    launched_at: datetime | None
    account_number: int
    image_uuid: str
    template_name: str
    reservation_id: str
    root_device: str
    data_devices: tuple[str, ...] = ()
    ssh_username: str = ""
    ssh_key: str = field(default="", repr=False)
    user_data: str = field(default="", repr=False)
    user_data_encoding: UserDataEncoding = UserDataEncoding.AUTO
    metadata: MetadataSource = MetadataSource.NOCLOUD
    imds: Imds = Imds()
    tags: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)

    def is_told(self, version: int) -> bool:
        """
        Whether it may read anything but by its hello.

        :param version: of IP, by which it asks.
        """
        return self.metadata is not MetadataSource.NONE and self.imds.answers(version)

    @property
    def instance_id(self) -> str:
        return ec2_id("i", self.uuid)


def ec2_id(prefix: str, uuid: str) -> str:
    """An object's id as EC2 clients know it: ``i-`` and 17 hexadecimal digits, the first ones of its uuid."""
    return f"{prefix}-{uuid_module.UUID(uuid).hex[:17]}"


def find_guest(session: Session, node_id: int, bridge: str, address: str) -> Guest | None:
    """
    The guest whose NIC has this address on this bridge of this node; None where there is none, or it is elsewhere.

    A live network has its bridge for itself, and one lease for an address.

    :param address: as a node wrote it: anything but a plain address is nobody's.
    """
    try:
        wanted = ip_address(address)
    except ValueError:
        return None
    if isinstance(wanted, IPv6Address) and wanted.scope_id is not None:
        return None
    found = guest_at(session, node_id, bridge, wanted)
    if found is None:
        return None
    nics = tuple(
        Nic(
            row.nic,
            row.mac,
            tuple(map(ip_address, row.addresses or ())),
            ip_network(row.network) if row.network else None,
            row.bridge,
            row.network_uuid,
            row.uuid,
            tuple(map(ip_address, row.public)),
            ip_network(row.network6) if row.network6 else None,
            tuple((uuid, name) for uuid, name in row.groups or ()),
        )
        for row in nics_of(session, found.id)
    )
    # The lease may be released between the two statements.
    nic = next((each for each in nics if each.index == found.asked_nic and wanted in each.addresses), None)
    if nic is None:
        return None
    return Guest(
        vm_id=VMId(found.id),
        uuid=found.uuid,
        name=found.name,
        node_id=found.node_id,
        nic=nic,
        nics=nics,
        launches=found.launches,
        launched_at=found.launched_at,
        account_number=int(found.account_number),
        image_uuid=found.image_uuid,
        template_name=found.template_name,
        reservation_id=found.reservation_id,
        root_device=found.root_device or "vda",
        data_devices=tuple(found.data_devices or ()),
        ssh_username=found.ssh_username,
        ssh_key=found.ssh_key,
        user_data=found.user_data,
        user_data_encoding=UserDataEncoding(found.user_data_encoding),
        metadata=MetadataSource(found.metadata_source),
        imds=Imds(
            MetadataTokens(found.imds_tokens),
            found.imds_hop_limit,
            found.imds_enabled,
            found.imds_ipv6,
            found.imds_tags,
        ),
        tags=found.tags or {},
        secret=found.secret,
    )


def hello(session: Session, guest: Guest) -> bool:
    """
    Record that the system inside a VM has come up: once per launch, and only of a VM that is running or starting.

    :return: False where it changed nothing: said before, the VM was launched anew meanwhile, or it is ending.
    """
    row = find_vm(session, guest.vm_id, lock=True)
    if row is None or row.closed_at is not None or row.wanted is Wanted.DESTROYED or row.state not in GREETING:
        return False
    if not row.node_claimed or row.node_id != guest.node_id or row.launches != guest.launches:
        return False
    said = row.contextualized_at
    if said is not None and (row.launched_at is None or said >= row.launched_at):
        return False
    write_up(session, row.id)
    render_vm(session, row.id)
    return True
