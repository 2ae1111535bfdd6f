"""Which networks NICs may be on, and with which addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from sqlalchemy.orm import Session

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import NetworkKind
from cm.rules.access import NEEDS, Action, Shared
from cm.services.access import level_on, person_of, require
from cm.services.context import ClusterCall
from cm.services.network import DEFAULT, AddressTaken, request
from cm.store.network import NetworkRow, get_network, lease_used


def check_free(session: Session, network_id: int | None, address: str, parameter: str = "addresses") -> None:
    """
    :param parameter: that the caller gave it as.
    :raises InvalidParameter: it is no address that guests of this network get.
    :raises AddressTaken: a NIC has it.
    """
    try:
        wanted = str(IPv4Address(address))
    except ValueError:
        raise InvalidParameter(parameter, "give IPv4 addresses") from None
    used = None if network_id is None else lease_used(session, network_id, wanted)
    if used is None:
        raise InvalidParameter(parameter, f"{wanted} is no address that guests of network {network_id} get")
    if used:
        raise AddressTaken(wanted)


def usable(caller: ClusterCall, network_id: int) -> NetworkRow:
    """
    A network that the caller may put NICs on. Those that are there stay, should it be shared with them no more.

    :raises ObjectNotFound: it is neither the caller's nor everybody's, nor shared with them.
    """
    row = get_network(caller.session, network_id)
    if row.account_id is not None:
        level = level_on(
            caller.session, person_of(caller.identity), Shared.NETWORK, network_id, row.account_id, live=True
        )
        require(level, Shared.NETWORK, network_id, NEEDS[Shared.NETWORK, Action.USE])
    return row


class Place(NamedTuple):
    """
    What a new NIC is on.

    :ivar network_id: None: any that is everybody's.
    :ivar links: whether nodes' agents make it. :ivar uplink: of the nodes' own that it is on; "": none.
    """

    network_id: int | None
    links: bool = True
    uplink: str = ""


def networks_for(
    caller: ClusterCall, asked: Sequence[int], default_id: int | None, has_pools: bool
) -> Sequence[Place]:
    """
    The networks of a new VM's NICs.

    :param asked: by the caller; none: their default network, which is made now if it is not there. Where no pool gives
        networks to users it is any that is everybody's (None).
    :raises ObjectNotFound: as ``usable``.
    """
    if not asked:
        if default_id is None and has_pools:
            default_id = request(caller, DEFAULT, is_default=True)["network_id"]
        return [Place(default_id, default_id is not None)]
    rows = [usable(caller, network_id) for network_id in asked]
    return [Place(row.id, row.kind != NetworkKind.NAT, row.uplink) for row in rows]
