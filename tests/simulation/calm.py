"""
What must hold where nothing is broken: nothing fails, and nothing takes longer than it has to. Times are simulated
seconds: calls to nodes take up to a quarter of a second each here, and a guest obeys its button at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cm.rules.operation import SPECS, OperationKind
from cm.rules.placement import CLOSED
from simulation.insiders import Insiders
from simulation.kernel import SITE_BRIDGE

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload

# From the call to the end of its work. The longest of 450 pieces of work in seven seeds of 2.5 minutes took 0.74 s, but
# for moves (0.97 s), evacuations, which wait for passes (18 s), and guests that ignore their button, which have their
# time for it. The bounds are at least six times that, three times for an evacuation; vm_start has the pause of a guest
# that ends after its launch. Of what is done to disks four seeds of 3 minutes took 4.6 s at the most, to merge a
# snapshot, and 3.7 s, for a move. Snapshots that were taken together are merged one after the other, each in its time.
TAKES_S: Final = {
    "vm_create": 5.0, "vm_start": 45.0, "vm_stop": 5.0, "vm_destroy": 5.0, "vm_reset": 2.0, "vm_pause": 2.0,
    "vm_suspend": 5.0, "vm_trash": 5.0, "vm_wake_up": 5.0, "vm_resize": 10.0,
    "vm_resume": 2.0, "vm_vnc": 2.0, "image_delete": 3.0, "image_import": 3.0, "storage_attach": 3.0,
    "image_cache": 5.0,
    "vm_save_and_shutdown": 150.0, "vm_shutdown": 150.0, "vm_move": 10.0, "vm_migrate": 60.0, "node_evacuate": 60.0,
    "farm_launch": 900.0,
    "disk_create": 3.0, "disk_grow": 5.0, "disk_copy": 5.0, "disk_move": 10.0, "disk_attach": 5.0, "disk_detach": 10.0,
    "nic_attach": 5.0, "nic_detach": 10.0,
    "vm_cd": 5.0, "volume_delete": 5.0, "attach_or_create": 5.0,
    "snapshot_create": 4.0, "snapshot_revert": 4.0, "snapshot_delete": 12.0,
    "vm_to_image": 12.0, "disk_flatten": 12.0,
}  # fmt: skip
# A farm's workers wait for their head's guest, which may be made to wait, or never say hello: then for ten minutes.
WAITS_S: Final = 700.0
ANSWERED_S: Final = 2.0  # what a call takes
ANSWER: Final = "answer"
# What asks a guest's agent: some are slow, some fall silent, and a guest may restart meanwhile. The longest that
# anything in a guest is waited for is a minute, to grow its file system; its caller gives up before, and asks again.
ASKS_AGENT: Final = frozenset(f"user.vm.{verb}" for verb in Insiders.ASKED)
AGENT_TELLS: Final = frozenset({"agent_silent", "agent_needed", "agent_refused", "domain_not_running"})
INSIDE_S: Final = 90.0
SHARE: Final = 4  # who has so many of these under way waits with what else they ask: it is their share of the cloud
# A guest that stands still lets go of nothing: such work lasts until it goes on, or until whoever asked gives it up. So
# the time in which somebody had it paused does not count.
ASKS_GUEST: Final = frozenset({"nic_detach", "disk_detach", "vm_resize"})
MAY_FAIL: Final = frozenset(
    {
        "guest_ignored", "guest_not_frozen", "migration_failed", "cannot_migrate", "suspension_failed",
        "farm_head_down", "farm_incomplete",  # somebody stops or suspends it, or one of the farm failed by these
        "size_kept",  # what came in modules goes in modules, and these are not what it was asked for
    }
)
# Of a storage that was taken from all nodes: what needs it is told to ask again until one has it back, within 90 s.
DETACHED: Final = "storage_unreached"
APART: Final = "storage not attached"  # why a node takes no VM whose disk is another's own
# Why a node takes no VM of a strict affinity group.
GROUPED: Final = frozenset({"one of its affinity group is there", "its affinity group is elsewhere"})
NO_BRIDGE: Final = f"no {SITE_BRIDGE}"  # which not all nodes have
# A call may meet a VM that is busy, or not as its caller thought; nothing else.
MAY_BE_TOLD: Final = frozenset(
    {
        "vm_wrong_state", "vm_busy", "object_not_found", "access_needed", "operation_wrong_state", "role_needed",
        "operation_not_abandonable", "image_wrong_state", "in_use", "quota_reached", "owner_stays", "account_blocked",
        "owner_blocked", "not_authenticated", "drift_not_applicable", "cannot_adopt", "storage_locked", "no_capacity",
        "storage_draining", "name_taken", "network_overlaps", "no_free_address", "pool_full", "not_reachable",
        "no_public_address", "cannot_migrate", "no_public_port", "token_refused", "invalid_parameter",
        "network_out_of_reach",  # a VM runs where the site has not its bridge
        "user_wrong_state", "group_wrong_membership", "group_leader_stays", "group_not_leader", "group_limit",
        "not_prepared", "job_under_way", "job_run_over", "no_expiry", "expiry_not_yours",
        "disk_held", "disk_wrong_state", "too_many_snapshots", "farm_wrong_state", "vm_guarded",
        # A storage that was taken from a node is back within 90 s; till then no VM that runs there is given a disk of
        # it, or has one moved there, and a disk on the node's own storage is copied and saved nowhere.
        "disk_out_of_reach", "storage_out_of_reach", "storages_apart", "storage_not_on_node",
        "no_storage",  # so it is where a disk is to be had of any, and where a VM's own node is locked
        "storage_of_node",  # what is copied goes where it lies, and images lie on no node's own storage
    }
)  # fmt: skip


def _worked(simulation: Simulation, workload: Workload) -> list[tuple[Any, float | None]]:
    """Operations, and how long each took, of one that failed and was tried again since that: it has a new deadline."""
    retries = [ask for ask in workload.asks if ask.accepted and ask.method.endswith(".operation.retry")]
    again = {ask.params["operation_id"] for ask in retries}
    rows = simulation.sql(
        "SELECT o.id, o.kind, o.state, o.error, o.admin_text, v.uuid::text AS uuid,"
        " jsonb_array_length(coalesce(o.objects->'snapshot', '[]')) AS snapshots,"
        " (o.arguments ? 'farm_id')::int AS waits,"
        " extract(epoch FROM o.created_at)::float8 AS begun, extract(epoch FROM o.finished_at)::float8 AS ended,"
        " extract(epoch FROM o.finished_at - o.created_at)::float8 AS took,"
        " extract(epoch FROM o.finished_at - o.deadline)::float8 AS late,"
        " EXISTS (SELECT 1 FROM audit a WHERE a.method IN ('user.vm.set_affinity_group', 'user.vm.create') AND"
        " a.arguments->>'affinity_group_id' IS NOT NULL AND a.at <= o.finished_at"
        " AND (a.at = v.created_at OR (a.arguments->>'vm_id')::bigint = v.id)) AS grouped"
        " FROM operation o LEFT JOIN vm v ON v.id = o.vm_id ORDER BY o.id"
    )
    found = []
    for row in rows:
        begun_again = row.id in again and row.took is not None
        found.append((row, row.late + SPECS[OperationKind(row.kind)].seconds if begun_again else row.took))
    return found


def _stood(simulation: Simulation, row: Any) -> float:
    return simulation.effects.stood_still(row.uuid, row.begun, row.ended) if row.uuid is not None else 0.0


def times(simulation: Simulation, workload: Workload) -> dict[str, list[float]]:
    """How long each piece of work and each call took, by its kind."""
    found: dict[str, list[float]] = {ANSWER: [ask.ended_at - ask.asked_at for ask in workload.asks]}
    for row, took in _worked(simulation, workload):
        if took is not None:
            found.setdefault(row.kind, []).append(took)
    return found


def _beside(workload: Workload, ask: Any) -> int:
    """How many calls to guests of the same person were under way meanwhile."""
    others = (other for other in workload.asks if other.login == ask.login and other.method in ASKS_AGENT)
    return sum(1 for other in others if other.asked_at < ask.ended_at and other.ended_at > ask.asked_at)


def stays_off(row: Any, taken: bool) -> bool:
    """
    Whether work failed since its VM, whose disk is a node's own, starts at that node alone, which takes none just then:
    all nodes say why, and none says anything else. :param taken: storages were taken from nodes.
    """
    if row.error != "no_capacity" or "storage own " not in row.admin_text:
        return False
    reasons = _reasons(row)
    closed = reasons & frozenset(CLOSED.values())
    return APART in reasons and reasons - {NO_BRIDGE} == closed | {APART} and bool(closed or taken)


def kept_off(row: Any) -> bool:
    """
    Whether work failed since its VM's affinity group, which is strict, has it on no node that takes any. A disk that is
    a node's own may keep it from others.
    """
    if row.error != "no_capacity" or not row.grouped:
        return False
    reasons = _reasons(row)
    return bool(reasons & GROUPED) and reasons <= GROUPED | frozenset(CLOSED.values()) | {APART, NO_BRIDGE}


def _reasons(row: Any) -> set[str]:
    """What the nodes said, each once."""
    told = row.admin_text.partition(" now: ")[2].removesuffix(".")
    return {each.partition(": ")[2] for each in told.split("; ")}


def too_long(kind: str, took: float, stood: float, snapshots: int = 0, waits: int = 0) -> bool:
    """:param stood: for how long of that its guest was paused. ``waits``: whether it waited for a farm's head."""
    asked = took - stood if kind in ASKS_GUEST else took
    return asked > TAKES_S[kind] * max(1, snapshots) + WAITS_S * waits


def at_rest(simulation: Simulation, workload: Workload) -> list[str]:
    """Of a run without faults."""
    wrong = []
    away = [ask.ended_at for ask in workload.asks if ask.accepted and ask.method == "admin.storage.detach"]
    for row, took in _worked(simulation, workload):
        what = f"operation {row.id} ({row.kind})"
        # Whoever gives up the move of a VM is told that its node is not empty.
        given_up = row.error == "node_not_emptied" and "abandoned" in row.admin_text
        placed = not stays_off(row, bool(away)) and not kept_off(row)
        if row.state == "failed" and row.error not in MAY_FAIL and not given_up and placed:
            wrong.append(f"{what} failed, though nothing was broken: {row.error} {row.admin_text}")
        elif took is not None and too_long(row.kind, took, _stood(simulation, row), row.snapshots, row.waits):
            wrong.append(f"{what} took {took:.1f} s")
    for ask in workload.asks:
        who = f"call {ask.number} of {ask.login} ({ask.method} {ask.params})"
        inside = ask.method in ASKS_AGENT
        if not ask.accepted and ask.error not in (MAY_BE_TOLD | AGENT_TELLS if inside else MAY_BE_TOLD):
            wrong.append(f"{who} was refused with {ask.error}, though nothing was broken")
        elif ask.put_off == {DETACHED} and away and away[0] < ask.ended_at:
            continue
        elif (inside or _beside(workload, ask) >= SHARE) and ask.ended_at - ask.asked_at <= INSIDE_S:
            continue
        elif ask.tries > 1 or ask.ended_at - ask.asked_at > ANSWERED_S:
            wrong.append(f"{who} took {ask.ended_at - ask.asked_at:.1f} s, in {ask.tries} tries")
    if rows := simulation.sql("SELECT kind, subject FROM drift WHERE kind NOT LIKE '%volume' ORDER BY id"):
        wrong.append(f"there were findings: {[tuple(row) for row in rows]}")
    return wrong
