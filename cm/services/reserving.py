"""A place for a VM that is to go to another node, claimed before anything is done to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy.orm import Session

from cm.rpc.errors import NoCapacity, NoFreePort
from cm.rules.placement import NodeLoad
from cm.services.context import ClusterPolicy
from cm.services.placement import Placing
from cm.store.affinity_group import peers_of
from cm.store.claim import claim_target
from cm.store.link import links_changed
from cm.store.node_load import node_loads
from cm.store.placement import needs_of, record_placement
from cm.store.vm import VMRow


def reserve_place(
    session: Session,
    row: VMRow,
    policy: ClusterPolicy,
    *,
    without: int,
    loads: Iterable[NodeLoad] | None = None,
    only: Collection[int] | None = None,
    emptying: bool = False,
) -> Iterable[NodeLoad]:
    """
    Choose the node that a VM is to move to, and claim its share and a port of it. The VM's row is locked.

    :param without: the node that it leaves.
    :param loads: a snapshot of this transaction to begin with.
    :param only: nodes that it may go to; None: any.
    :param emptying: the others of its affinity group leave that node, too.
    :return: the snapshot with the claim in it.
    :raises NoCapacity: no other node takes it; nothing is claimed then.
    """
    needs = needs_of(session, row.id)
    peers = peers_of(session, row.id, leaving=without if emptying else None)
    request = needs.request(row.cpu, row.memory_mib, peers)
    every = list(node_loads(session) if loads is None else loads)
    left = [node for node in every if node.id != without and (only is None or node.id in only)]
    while True:
        try:
            with session.begin_nested():
                placing = Placing(session, policy.placement, left, without=without, only=only)
                decision = placing.choose(request)
                claim_target(session, row.id, decision.node_id)
        except NoFreePort as error:
            left = [node for node in left if node.id != error.node_id]
            if not left:
                raise NoCapacity(str(error)) from error
            continue
        record_placement(session, row.id, decision.node_id, decision)
        if needs.links:
            links_changed(session, row.id)
        claimed = {node.id: node for node in placing.loads()}
        return [claimed.get(node.id, node) for node in every]
