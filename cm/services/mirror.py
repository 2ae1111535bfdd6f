"""
Looks at what libvirt has on a node, for the managed-node model. What a look does not answer leaves the node's objects
as they were, and marked as stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.managed import ManagedDomain
from cm.rpc.errors import CloudError, NodeBusy, ObjectNotFound, Overloaded
from cm.services.context import Services
from cm.store.managed import (
    DOMAINS,
    STORAGE,
    Found,
    digest_of,
    figures_of,
    found_domain,
    found_node,
    found_pool,
    found_volume,
    known,
    mark_stale,
    record_look,
    write_figures,
)

log = Logger()
VOLUMES_MAX: Final = 10_000  # of a node's foreign pools, that are followed


async def look_at(services: Services, node_id: int) -> None:
    """All that a node has."""
    await look_at_domains(services, node_id)
    await look_at_storage(services, node_id)


async def look_at_domains(services: Services, node_id: int) -> None:
    """The node's facts and its domains."""
    before = await services.database.read(known, node_id, DOMAINS)
    if before is None:
        return
    managed = services.fleet.node(node_id).managed
    try:
        host, domains = await managed.host(), await managed.all_domains()
    except CloudError as error:
        await _failed(services, node_id, DOMAINS, error)
        return
    found = [found_node(host), *map(found_domain, domains)]
    new = None if digest_of(found) == before.digest else found
    await services.database.transact(_record_domains, node_id, new, domains, before.now)


def _record_domains(
    session: Session, node_id: int, found: Sequence[Found] | None, domains: Sequence[ManagedDomain], began: datetime
) -> None:
    if found is not None:
        record_look(session, node_id, DOMAINS, found, began)
    write_figures(session, node_id, figures_of(domains))


async def look_at_storage(services: Services, node_id: int) -> None:
    """Its pools, and the volumes of those that are none of our storages: these are on record by other ways."""
    before = await services.database.read(known, node_id, STORAGE)
    if before is None:
        return
    try:
        seen = await services.fleet.node(node_id).managed.storage()
    except CloudError as error:
        await _failed(services, node_id, STORAGE, error)
        return
    if len(seen.volumes) > VOLUMES_MAX:
        log.warn("node {id}: of {many} foreign volumes {most} are followed", id=node_id, many=len(seen.volumes),
                 most=VOLUMES_MAX)  # fmt: skip
    found = [*map(found_pool, seen.pools), *map(found_volume, seen.volumes[:VOLUMES_MAX])]
    if digest_of(found) != before.digest:
        await services.database.transact(record_look, node_id, STORAGE, found, before.now)


async def _failed(services: Services, node_id: int, kinds: tuple[str, ...], error: CloudError) -> None:
    if isinstance(error, (NodeBusy, Overloaded, ObjectNotFound)):
        return  # it was never asked: that says nothing of it
    log.debug("node {id}: its {kinds} are not known: {error}", id=node_id, kinds=kinds, error=str(error))
    await services.database.transact(mark_stale, node_id, kinds)
