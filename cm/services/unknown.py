"""What a pass finds out about domains that are no VM's of ours: their definitions, so that what they hold is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.logger import Logger

from cm.interfaces.hypervisor import DomainDescription, DomainSeen
from cm.rpc.errors import CloudError, Unavailable
from cm.rules.network import nic_of_mac
from cm.services.context import Services
from cm.store.unknown import Held, UnknownSeen, described, our_addresses

log = Logger()
MOST: Final = 100  # definitions read in one pass; the next one reads on


def held_by(domain: DomainDescription) -> Held:
    paths = {disk.path for disk in domain.disks if disk.path}
    paths |= {base for disk in domain.disks for base in disk.bases}
    if domain.console_log is not None:
        paths.add(domain.console_log)
    return Held(
        tuple(our_addresses(nic.mac for nic in domain.nics)),
        tuple(sorted(set(domain.ports))),
        tuple(sorted(paths)),
        max((nic_of_mac(nic.mac) for nic in domain.nics), default=0),
    )


async def look_at_unknown(services: Services, node_id: int, domains: Sequence[DomainSeen]) -> list[UnknownSeen]:
    """
    Read the definitions of a node's unknown domains, as far as they are not on record. One that cannot be read is
    recorded by its name, and tried again in the next pass.
    """
    known = await services.database.read(described, node_id) if domains else {}
    found, left, answers = [], MOST, True
    for domain in domains:
        held = None
        if known.get(domain.uuid) != (domain.name, domain.state) and left and answers:
            left -= 1
            try:
                told = await services.fleet.node(node_id).hypervisor.describe(domain.uuid)
                held = None if told is None else held_by(told)
            except CloudError as error:
                answers = not isinstance(error, Unavailable)
                log.info("node {id}: domain {name}: {error}", id=node_id, name=domain.name, error=str(error))
        found.append(UnknownSeen(domain.uuid, domain.name, domain.state, held))
    return found
