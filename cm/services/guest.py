"""Guests, seen from the inside: which VM an address on a node belongs to, and its hello."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import MetadataSource, MetadataTokens, UserDataEncoding, VMId, VMState, Wanted
from cm.rules.farm import HEAD
from cm.rules.guest import Guest, GuestsFarm, Nic
from cm.rules.imds import Imds
from cm.rules.metadata import SEEDED
from cm.rules.names import is_link
from cm.rules.network import default_mtu
from cm.rules.operation import ObjectKind
from cm.store.guest import farm_of, guest_at, guest_of_vm, nics_of
from cm.store.seed import note_read
from cm.store.vm import find_vm, render_vm
from cm.store.vm_state import write_up
from cm.store.waking import wake

GREETING: Final = frozenset({VMState.STARTING, VMState.RUNNING, VMState.REBOOTING})


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
    nics = _nics(session, found.id)
    # The lease may be released between the two statements.
    nic = next((each for each in nics if each.index == found.asked_nic and wanted in each.addresses), None)
    return None if nic is None else _guest(session, found, nic, nics)


def guest_of(session: Session, vm_id: int) -> Guest:
    """
    A live VM's guest, as it is told of itself when nobody asks.

    :raises ObjectNotFound: it is closed, or has no network card.
    """
    found, nics = guest_of_vm(session, vm_id), _nics(session, vm_id)
    if found is None or not nics:
        raise ObjectNotFound("guest of vm", vm_id)
    return _guest(session, found, nics[0], nics)


def _nics(session: Session, vm_id: int) -> tuple[Nic, ...]:
    return tuple(
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
            ip_address(row.gateway) if row.gateway else None,
            ip_address(row.gateway6) if row.gateway6 else None,
            (row.mtu or default_mtu(row.kind)) if is_link(row.bridge) else 0,
        )
        for row in nics_of(session, vm_id)
    )


def _guest(session: Session, found: Any, nic: Nic, nics: tuple[Nic, ...]) -> Guest:
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
        farm=None if found.farm_id is None else _farm(session, found),
        dns=tuple(map(ip_address, found.dns.split())),
    )


def _farm(session: Session, found: Any) -> GuestsFarm:
    farm = farm_of(session, found.farm_id)
    hosts = tuple((VMId(vm_id), name, ip_address(address)) for vm_id, name, address in farm.hosts or ())
    has_key = farm.shared_key or found.farm_number == HEAD
    return GuestsFarm(farm.id, farm.uuid, farm.host, found.farm_number, farm.public_key, has_key, hosts)


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
    if guest.metadata in SEEDED:
        note_read(session, row.id)
    render_vm(session, row.id)
    if guest.farm is not None and guest.farm.is_head:
        wake(session, ObjectKind.FARM, guest.farm.farm_id)  # its workers wait for this
    return True
