"""
Whether VMs of strict affinity groups run where their group has them. A group says where its VMs start and move to, and
moves none that runs: whoever is put into one as it runs, or is in one when that becomes strict, stays until it is
placed anew. So two that are not as their group says are wrong where the later of both was placed when they were two of
a strict group already. What nobody chose, as where a VM was seen and adopted, says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from simulation.simulation import Simulation

# Of VMs that hold a share of a node, by groups; as a column of another statement, for most looks find nothing new.
MEMBERS: Final = (
    "ARRAY(SELECT json_build_array(g.id, g.affinity, v.id, v.uuid, v.node_id) FROM affinity_group g"
    " JOIN vm v ON v.affinity_group_id = g.id WHERE g.strict AND g.deleted_at IS NULL AND v.closed_at IS NULL"
    " AND v.node_claimed ORDER BY g.id, v.id)"
)
BEFORE_S: Final = 0.001  # a VM that is made in a group is in it before it is placed, in the same transaction


class Member(NamedTuple):
    group_id: int
    affinity: str
    vm_id: int
    uuid: str
    node_id: int


class Placed(NamedTuple):
    at: float
    node_id: int
    chosen: bool


class Beside:
    """Of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._known: set[tuple[Member, Member]] = set()  # that are not as their group says, and may be so

    def starts(self, uuid: str, node_id: int) -> None:
        """A domain is about to run."""
        self._known = {pair for pair in self._known if uuid not in (pair[0].uuid, pair[1].uuid)}
        self.look(self._simulation.sql(f"SELECT {MEMBERS} AS members")[0].members, {uuid: node_id})

    def look(self, members: Iterable[Any], starting: Mapping[str, int] | None = None) -> None:
        """:param members: as ``MEMBERS`` gives them. ``starting``: what will run in a moment, and where."""
        found = [Member(*each) for each in members]
        if not found:
            self._known.clear()
            return
        runs = {uuid: node.node_id for node in self._simulation.members() for uuid in node.running()}
        runs |= starting or {}
        there = [each for each in found if runs.get(each.uuid) == each.node_id]
        off = set()
        for one, other in combinations(there, 2):
            if one.group_id != other.group_id:
                continue
            if (one.node_id == other.node_id) is (one.affinity == "apart"):
                off.add((one, other))
            else:
                self._simulation.effects.counted[f"strictly {one.affinity}"] += 1
        for pair in sorted(off - self._known):
            self._judge(*pair)
        self._known = off

    def _judge(self, one: Member, other: Member) -> None:
        simulation = self._simulation
        placed = [self._placed(each) for each in (one, other)]
        if not all(each is not None and each.chosen for each in placed):
            return
        (earlier, before), (later, at) = sorted(
            ((member, each.at) for member, each in zip((one, other), placed, strict=True) if each is not None),
            key=lambda each: each[1],
        )
        since = max(self._in_it(one), self._in_it(other), self._strict(one.group_id))
        if since >= at:
            return
        who = f"VMs {one.vm_id} and {other.vm_id}, of the strict affinity group {one.group_id} ({one.affinity})"
        where = f"run on nodes {one.node_id} and {other.node_id}"
        if one.affinity == "together":
            if self._others(later, earlier, at):
                return  # it is with others of theirs, whom nobody has moved
            if self._was_emptied(later, earlier):
                simulation.excuses.use("left behind", (one.group_id, earlier.vm_id))
                return
        simulation.break_invariant(f"{who}, {where}, and VM {later.vm_id} was placed {at - since:.1f} s after that")

    def _placed(self, member: Member) -> Placed | None:
        """Since when it is where it runs; None where that is not its last placement: another was given up."""
        row = self._simulation.sql(
            "SELECT extract(epoch FROM at)::float8 AS at, node_id, verdicts <> '[]' AS chosen FROM placement"
            " WHERE vm_id = :v ORDER BY id DESC LIMIT 1",
            v=member.vm_id,
        )[0]
        return Placed(*row) if row.node_id == member.node_id else None

    def _in_it(self, member: Member) -> float:
        """Since when it is in its group, by what people asked for."""
        made = self._simulation.sql(
            "SELECT extract(epoch FROM v.created_at)::float8 AS at, (SELECT (a.arguments->>'affinity_group_id')::bigint"
            " FROM audit a WHERE a.method = 'user.vm.create' AND a.at = v.created_at LIMIT 1) AS group_id FROM vm v"
            " WHERE v.id = :v",
            v=member.vm_id,
        )[0]
        since, group_id = float(made.at) - BEFORE_S, made.group_id
        for row in self._simulation.sql(
            "SELECT extract(epoch FROM at)::float8 AS at, (arguments->>'affinity_group_id')::bigint AS group_id"
            " FROM audit WHERE method = 'user.vm.set_affinity_group' AND (arguments->>'vm_id')::bigint = :v"
            " ORDER BY id",
            v=member.vm_id,
        ):
            if row.group_id != group_id:
                since, group_id = row.at, row.group_id
        return since

    def _strict(self, group_id: int) -> float:
        """Since when the group is strict."""
        made = self._simulation.sql(
            "SELECT extract(epoch FROM g.created_at)::float8 AS at, a.arguments->>'strict' = 'true' AS strict"
            " FROM affinity_group g LEFT JOIN audit a ON a.method = 'user.affinity_group.create'"
            " AND a.at = g.created_at WHERE g.id = :g",
            g=group_id,
        )[0]
        since, strict = float(made.at), bool(made.strict)
        for row in self._simulation.sql(
            "SELECT extract(epoch FROM at)::float8 AS at, (arguments->>'strict')::boolean AS strict FROM audit WHERE"
            " method LIKE '%.affinity_group.edit' AND (arguments->>'affinity_group_id')::bigint = :g"
            " AND arguments->>'strict' IS NOT NULL ORDER BY id",
            g=group_id,
        ):
            if row.strict != strict:
                since, strict = row.at, row.strict
        return since

    def _others(self, later: Member, earlier: Member, at: float) -> bool:
        """Whether a third of theirs may have been where the later one was placed, as it was."""
        return bool(
            self._simulation.sql(
                "SELECT 1 FROM placement p JOIN vm v ON v.id = p.vm_id WHERE p.node_id = :n AND p.vm_id <> ALL(:vms)"
                " AND p.at < to_timestamp(:at) AND (v.affinity_group_id = :g OR EXISTS (SELECT 1 FROM audit a WHERE"
                " a.method = 'user.vm.set_affinity_group' AND (a.arguments->>'vm_id')::bigint = v.id"
                " AND (a.arguments->>'affinity_group_id')::bigint = :g)) LIMIT 1",
                n=later.node_id, vms=[later.vm_id, earlier.vm_id], at=at, g=later.group_id,
            )  # fmt: skip
        )

    def _was_emptied(self, later: Member, earlier: Member) -> bool:
        """Whether the later one left the node of the other as that was emptied, which this one could not leave."""
        return bool(
            self._simulation.sql(
                "SELECT 1 FROM operation o JOIN operation p ON p.id = o.parent_id WHERE o.vm_id = :v"
                " AND p.kind = 'node_evacuate' AND p.node_id = :n LIMIT 1",
                v=later.vm_id, n=earlier.node_id,
            )  # fmt: skip
        )
