"""
What must hold when all has come to rest after the faults have ended, and when everything has then been destroyed. What
must hold at every moment is in ``watch``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from clm.rules.sync import QUOTAS
from clm.store.sync import wanted_accounts
from cm.rules.names import console_of
from cm.store.leak import leaks
from simulation import judge, netwatch, probes
from simulation.asking import OPEN
from simulation.guarding import told_of_groups
from simulation.inside import DOES
from simulation.keepers import BROUGHT
from simulation.link import ASYNC

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Ask, Workload

FORBIDDEN = frozenset({"not_authenticated", "account_blocked", "account_inactive", "permission_needed"})


def at_rest(simulation: Simulation, workload: Workload) -> list[str]:
    """When faults have ended and time has run on: everything that is not as it must be."""
    return [
        *_operations(simulation),
        *_books(simulation),
        *_intent(simulation),
        *_rests(simulation),
        *told_of_groups(simulation),
        *netwatch.at_rest(simulation),
        *probes.at_rest(simulation),
        *_volumes(simulation),
        *_copies(simulation),
        *_hooks(simulation),
        *simulation.runs.at_rest(),
        *_answers(simulation, workload),
        *_trail(simulation, workload),
        *_rights(simulation, workload),
        *_secrets(simulation),
        *(_people(simulation) if simulation.cloud is not None else ()),
        *(_told(simulation) if simulation.cloud is not None else ()),
        *(f"an incident: {incident}" for incident in simulation.incidents),
    ]


def in_the_end(simulation: Simulation) -> list[str]:
    """When all VMs were destroyed: nothing is left of them."""
    wrong = _operations(simulation) + _books(simulation)
    for row in simulation.sql("SELECT id, wanted, seen, error FROM vm WHERE closed_at IS NULL ORDER BY id"):
        wrong.append(f"VM {row.id} was not destroyed: wanted {row.wanted}, seen {row.seen}: {row.error}")
    ours = {str(row.uuid) for row in simulation.sql("SELECT uuid FROM vm")}
    for node in simulation.members():
        for uuid in sorted(set(node.memory.world.domains) & ours):
            wrong.append(f"a domain of a destroyed VM is left on {node.name}: {uuid}")
    for name in ("nic", "vnc_port"):
        for row in simulation.sql(f"SELECT vm_id FROM {name} WHERE vm_id IS NOT NULL"):
            wrong.append(f"{name} is held by VM {row.vm_id}")
    for row in simulation.sql("SELECT host(address) AS address FROM network_lease WHERE nic_id IS NOT NULL"):
        wrong.append(f"{row.address} is leased")
    for row in simulation.sql("SELECT login FROM account WHERE used_cpu + used_memory_mib + used_vms > 0"):
        wrong.append(f"{row.login} is still charged")
    for row in simulation.sql("SELECT id, vm_id FROM reservation ORDER BY id"):
        wrong.append(f"a disk is still reserved for VM {row.vm_id}")
    wrong += _volumes(simulation) + _copies(simulation) + netwatch.at_rest(simulation)
    return wrong + [f"an incident: {incident}" for incident in simulation.incidents]


def _operations(simulation: Simulation) -> list[str]:
    """Nothing accepted is lost, and nothing is stuck: every operation has ended, with a reason where not well."""
    wrong = [
        f"operation {row.id} ({row.kind}) of VM {row.vm_id} is still {row.state}: {row.admin_text}"
        for row in simulation.sql(
            f"SELECT id, kind, vm_id, state, admin_text FROM operation WHERE state IN {OPEN} ORDER BY id"
        )
    ]
    for row in simulation.sql(
        "SELECT id, kind FROM operation WHERE state = 'failed' AND (error = '' OR user_text = '') ORDER BY id"
    ):
        wrong.append(f"operation {row.id} ({row.kind}) failed without a reason")
    for row in simulation.sql(
        "SELECT id FROM operation WHERE state IN ('done', 'failed', 'abandoned') AND finished_at > deadline"
        " + interval '2 hours' ORDER BY id"
    ):
        wrong.append(f"operation {row.id} ended long after its deadline")
    return wrong


def _books(simulation: Simulation) -> list[str]:
    """Capacity, quotas, ports, addresses, disks are exactly those of live objects."""
    with Session(simulation.own) as session:
        return [f"{leak['subject']}: {leak['finding']}" for leak in leaks(session)]


def _intent(simulation: Simulation) -> list[str]:
    """Intent equals evidence, and evidence is true; what differs is in the drift ledger or is the VM's error."""
    wrong = []
    drift = {row.vm_id for row in simulation.sql("SELECT vm_id FROM drift WHERE closed_at IS NULL")}
    for row in simulation.sql(
        "SELECT id, uuid::text AS uuid, wanted, seen, node_id, error, closed_at, node_claimed FROM vm ORDER BY id"
    ):
        there = [node for node in simulation.nodes if row.uuid in node.running()]
        who = f"VM {row.id} ({row.uuid}, wanted {row.wanted}, seen {row.seen}, error {row.error!r})"
        if len(there) > 1:
            wrong.append(f"{who} runs on {[node.name for node in there]}")
        if row.closed_at is not None:
            if there:
                wrong.append(f"{who} is closed and runs on {there[0].name}")
            continue
        differs = []
        if there and there[0].node_id != row.node_id:
            differs.append(f"{who} runs on {there[0].name}, and is placed on node {row.node_id}")
        running = bool(there)
        if running != (row.seen in ("running", "paused")):
            differs.append(f"{who} is seen wrongly: running is {running}")
        if row.wanted in ("running", "paused") and not running and not row.error:
            differs.append(f"{who} does not run, and nothing says why")
        if row.wanted in ("stopped", "suspended", "saved", "trashed", "destroyed") and running:
            differs.append(f"{who} runs")
        if row.wanted in ("saved", "destroyed") and not row.error:
            failed = simulation.sql("SELECT 1 FROM operation WHERE vm_id = :v AND state = 'failed'", v=row.id)
            if not failed:
                differs.append(f"{who} was accepted to end and lives")
        if differs and row.id in drift:
            simulation.excuses.use("in the ledger", row.id)
        elif differs and not simulation.excuses.holds("tampered", row.uuid):
            wrong += differs
    return wrong


def _rests(simulation: Simulation) -> list[str]:
    """No operation is open, so nothing is in a state that one should lead out of, or holds what it needs no longer."""
    wrong = []
    for row in simulation.sql("SELECT id, name FROM image WHERE state = 'adding' AND deleted_at IS NULL ORDER BY id"):
        wrong.append(f"image {row.id} ({row.name}) is being added by nobody")
    for row in simulation.sql(
        "SELECT storage_id, node_id, state FROM storage_attachment WHERE state LIKE '%ing' ORDER BY 1, 2"
    ):
        wrong.append(f"storage {row.storage_id} is {row.state} at node {row.node_id}, by nobody")
    for row in simulation.sql(
        "SELECT id, wanted, seen, error FROM vm WHERE closed_at IS NULL AND node_claimed AND wanted = 'stopped'"
        " AND seen IN ('off', 'absent', 'crashed') AND NOT EXISTS (SELECT 1 FROM drift d WHERE d.vm_id = vm.id AND"
        " d.closed_at IS NULL) ORDER BY id"
    ):
        wrong.append(f"VM {row.id} is stopped ({row.seen}, {row.error!r}) and holds its node's share")
    for row in simulation.sql(
        "SELECT id, agent_silent_since, unhooked_since FROM node WHERE deleted_at IS NULL"
        " AND (agent_silent_since IS NOT NULL OR unhooked_since IS NOT NULL) ORDER BY id"
    ):
        wrong.append(f"node {row.id} speaks, and is said not to: {row.agent_silent_since}, {row.unhooked_since}")
    lacking = {node.node_id: sorted(node.agent.lacks) for node in simulation.members()}
    for row in simulation.sql("SELECT id, troubles, agent_protocol FROM node WHERE deleted_at IS NULL ORDER BY id"):
        told = sorted(each["code"] for each in row.troubles if each["code"] != "document_behind")
        if told != lacking.get(row.id, []):
            wrong.append(f"node {row.id} lacks {lacking.get(row.id)}, and is said to lack {told}")
    for row in simulation.sql(
        "SELECT id, seen, doubt FROM vm WHERE closed_at IS NULL AND doubt <> '' AND seen IN ('running', 'paused')"
        " AND NOT EXISTS (SELECT 1 FROM drift d WHERE d.vm_id = vm.id AND d.closed_at IS NULL) ORDER BY id"
    ):
        wrong.append(f"VM {row.id} is {row.seen}, and doubted: {row.doubt}")
    return wrong


def _volumes(simulation: Simulation) -> list[str]:
    """On the storage are the volumes of live images and disks, and no others; on nodes the logs of live VMs."""
    wrong = []
    images = simulation.sql("SELECT u.name AS volume, i.state FROM image i JOIN volume u ON u.id = i.volume_id")
    names = {row.volume for row in images if row.state == "ok"}
    disks = simulation.sql(
        "SELECT u.name AS volume, u.size_bytes, u.claimed_bytes, v.launches FROM attachment a"
        " JOIN vm v ON v.id = a.vm_id JOIN disk k ON k.id = a.disk_id"
        " JOIN volume u ON u.id = k.volume_id WHERE a.delete_with_vm"
    )
    free = {
        row.volume
        for row in simulation.sql("SELECT u.name AS volume FROM free_volume f JOIN volume u ON u.id = f.volume_id")
    }
    wrong += [f"the volume {name}, which is free, is missing" for name in sorted(free - set(simulation.volumes))
              if not simulation.excuses.holds("volume deleted", name)]  # fmt: skip
    may = free | {row.volume for row in disks}
    may |= {row.volume for row in images if row.state in ("adding", "trashed")}
    for row in simulation.sql(
        "SELECT u.name AS volume, u.made, p.name AS spare FROM snapshot s JOIN volume u ON u.id = s.volume_id"
        " LEFT JOIN volume p ON p.id = s.spare_id"
    ):
        names |= {row.volume} if row.made and not simulation.excuses.holds("volume deleted", row.volume) else set()
        may |= {row.volume, row.spare}
    memories = simulation.sql("SELECT u.name AS volume, u.made FROM suspension m JOIN volume u ON u.id = m.volume_id")
    may |= {row.volume for row in memories}
    seeds = simulation.sql("SELECT u.name AS volume, u.made FROM seed e JOIN volume u ON u.id = e.volume_id")
    may |= {row.volume for row in seeds}
    ledger = {
        row.subject.rpartition("/")[2]
        for row in simulation.sql("SELECT subject FROM drift WHERE closed_at IS NULL AND kind LIKE '%volume'")
    }
    there = simulation.volumes
    for name in sorted(names - set(there)):
        wrong.append(f"the volume {name} of an image is missing")
    for name in sorted({row.volume for row in memories if row.made} - set(there)):
        wrong.append(f"the volume {name} of a VM's memory is missing")
    for name in sorted({row.volume for row in seeds if row.made} - set(there)):
        if not simulation.excuses.holds("volume deleted", name):
            wrong.append(f"the volume {name} of a VM's seed is missing")
    for name in sorted({row.volume for row in disks if row.launches} - set(there)):
        if not simulation.excuses.holds("volume deleted", name):
            wrong.append(f"the volume {name} of a disk is missing")
    for row in disks:
        seen = there.get(row.volume)
        # One whose growth was given up when its node had been asked may have grown: that stays claimed.
        sizes = (row.size_bytes, row.claimed_bytes)
        if row.launches and seen is not None and not seen.missing and seen.capacity_bytes not in sizes:
            wrong.append(f"the volume {row.volume} has {seen.capacity_bytes} bytes, its row says {row.size_bytes}")
    # Whatever the ledger says: an end that is done has deleted what there was.
    for row in simulation.sql(
        "SELECT DISTINCT 'vm-' || v.uuid || '-root.qcow2' AS volume, v.id AS vm_id FROM vm v"
        " JOIN operation o ON o.vm_id = v.id WHERE o.kind = 'vm_destroy' AND o.state = 'done' ORDER BY 1"
    ):
        if row.volume in there and row.volume not in may:
            wrong.append(f"the volume {row.volume} is left of VM {row.vm_id}, whose end is done")
    for name in sorted(set(there) - names - may - ledger):
        if not name.endswith(".part") and not name.startswith(BROUGHT):
            wrong.append(f"the volume {name} belongs to nothing")
    return wrong + _logs(simulation)


def _logs(simulation: Simulation) -> list[str]:
    """What runs is logged where its record says; the logs of what has ended are gone, once they were swept."""
    wrong = []
    rows = simulation.sql(
        "SELECT uuid::text AS uuid, console_node_id, closed_at < now() - interval '25 minutes' AS ended FROM vm"
    )
    live = {row.uuid: row for row in rows if row.ended is None}
    ended = {row.uuid for row in rows if row.ended}
    for node in simulation.members():
        logs = {uuid for name in node.logs() if (uuid := console_of(name)) is not None}
        for uuid in sorted(set(node.running()) & live.keys() - logs):
            if live[uuid].console_node_id == node.node_id:
                wrong.append(f"node {node.node_id} has no log of what it runs, {uuid}")
        wrong += [f"node {node.node_id} has the log of {uuid}, which ended long ago" for uuid in sorted(logs & ended)]
    return wrong


def _copies(simulation: Simulation) -> list[str]:
    """On nodes' own storages are the copies of images that are on record, each where it is said to be whole."""
    wrong = []
    for storage_id, there in simulation.own_volumes():
        rows = simulation.sql(
            "SELECT u.name, u.size_bytes, c.state FROM cached_image c JOIN volume u ON u.id = c.volume_id"
            " WHERE u.storage_id = :s ORDER BY 1",
            s=storage_id,
        )
        for row in rows:
            seen = there.get(row.name)
            if row.state not in ("ok", "failed"):
                wrong.append(f"the copy {row.name} on storage {storage_id} is {row.state}, by nobody")
            if row.state == "ok" and (seen is None or seen.half_made or seen.capacity_bytes != row.size_bytes):
                wrong.append(f"the copy {row.name} on storage {storage_id} is not there as a whole")
        for name in sorted({name for name in there if "-cached." in name} - {row.name for row in rows}):
            wrong.append(f"the copy {name} on storage {storage_id} belongs to nothing")
    return wrong


def _hooks(simulation: Simulation) -> list[str]:
    """Every record that a hook wrote was taken once."""
    wrong = []
    rows = simulation.sql("SELECT node_id, boot_id, sequence, count(*) AS n FROM hook_event GROUP BY 1, 2, 3")
    taken = Counter(row.node_id for row in rows)
    wrong += [f"event {row.sequence} of {row.boot_id} was taken {row.n} times" for row in rows if row.n > 1]
    for node in simulation.members():
        if node.agent.spool:
            wrong.append(f"{len(node.agent.spool)} records are left in the spool of {node.name}")
        if taken[node.node_id] != node.agent.delivered:
            wrong.append(
                f"{node.name} had {node.agent.delivered} records acknowledged, {taken[node.node_id]} are stored"
            )
    return wrong


def _answers(simulation: Simulation, workload: Workload) -> list[str]:
    """One row of the audit for each accepted call; none for a refused one."""
    query = "SELECT request_id, count(*) AS n FROM audit WHERE request_id IS NOT NULL GROUP BY 1"
    counted = {row.request_id: row.n for row in simulation.sql(query)}
    own = {row.request_id: row.n for row in simulation.cloud.sql(query)} if simulation.cloud is not None else {}
    doubtful = simulation.cloud.doubtful if simulation.cloud is not None else set()
    wrong = []
    for ask in workload.asks:
        if ask.reading:
            continue
        # What is passed on is the cluster's to account for; what is the cloud's own, the cloud's.
        n = (own if ask.method in workload.own else counted).get(ask.request_id, 0)
        if not ask.ended:
            wrong.append(f"call {ask.number} ({ask.method}) was never answered")
        elif ask.accepted and n != 1 and not (ask.method in ASYNC and n > 1):
            wrong.append(f"call {ask.number} ({ask.method}) was accepted, and the audit has it {n} times")
        elif ask.error == "gave up":
            wrong.append(f"call {ask.number} ({ask.method}) was not answered in {ask.tries} tries")
        elif not ask.accepted and (n == 1 or n and ask.method in DOES) and (
            (ask.unsure and ask.error in FORBIDDEN) or ask.request_id in doubtful or ask.twice or _own_doing(ask)
            or (ask.tries > 1 and ask.method in DOES)
        ):
            # It was done, and its caller lost the right to hear so, or heard of its double, which was refused before.
            simulation.excuses.use("answer lost", ask.number)
        elif not ask.accepted and n:
            wrong.append(f"call {ask.number} ({ask.method}) was refused ({ask.error}), and the audit has it")
    return wrong


def _own_doing(ask: Ask) -> bool:
    """Of what asks a node first no answer is kept: a call whose answer was lost is refused for what came of it."""
    if ask.method in DOES:
        return (ask.unsure or ask.twice) and ask.error in ("agent_silent", "agent_refused", "agent_needed")
    return ask.method in ASYNC and ask.unsure and ask.error == "in_use"


def _trail(simulation: Simulation, workload: Workload) -> list[str]:
    """The cloud's audit has each call that it passed on and answered, unless it was killed before it wrote that down;
    and no call more often than it was asked."""
    cloud = simulation.cloud
    if cloud is None:
        return []
    query = "SELECT request_id, count(*) AS n FROM audit WHERE request_id IS NOT NULL GROUP BY 1"
    counted = {row.request_id: row.n for row in cloud.sql(query)}
    wrong = []
    for ask in workload.asks:
        if ask.method in workload.own or ask.reading:
            continue
        n, process = counted.get(ask.request_id, 0), cloud.answered.get(ask.request_id)
        if n == 0 and process is not None and process.alive:
            wrong.append(f"call {ask.number} ({ask.method}) was passed on by {process.name}, and its audit lacks it")
        elif n > (asked := cloud.asked[ask.request_id]):
            wrong.append(f"call {ask.number} ({ask.method}) was asked {asked} times, and the cloud's audit has it {n}")
    return wrong


def _rights(simulation: Simulation, workload: Workload) -> list[str]:
    """Whoever may, was let; who may not, was refused with the error that says no more than they may know."""
    return judge.calls(simulation, workload, judge.model_of(simulation))


def _secrets(simulation: Simulation) -> list[str]:
    """Nothing that is secret was logged."""
    secrets = {node.agent.credential for node in simulation.nodes if node.agent.credential}
    secrets |= {row.secret for row in simulation.sql("SELECT secret FROM vm WHERE secret <> ''")}
    secrets |= simulation.tickets.secrets if simulation.cloud is None else simulation.cloud.secrets
    text = "\n".join(simulation.journal)
    return [f"a secret was logged: {secret[:4]}..." for secret in sorted(secrets) if secret in text]


def _people(simulation: Simulation) -> list[str]:
    """The cluster's accounts of the cloud's people are as the cloud has them."""
    cloud = simulation.cloud
    assert cloud is not None
    wrong = []
    for row in cloud.sql("SELECT name, state, error FROM cluster WHERE deleted_at IS NULL"):
        if row.state != "ok":
            wrong.append(f"the cloud has {row.name} as {row.state}: {row.error}")
    with Session(cloud.own) as session:
        wanted = {str(each.user_id): each for each in wanted_accounts(session, cloud.cluster_id)}
    there = {
        row.external_id: row
        for row in simulation.sql(
            f"SELECT external_id, login, name, active, {', '.join(QUOTAS)} FROM account"
            " WHERE origin <> 'local' AND external_id <> '0' ORDER BY external_id"
        )
    }
    for key in sorted(set(wanted) | set(there)):
        ours, theirs = wanted.get(key), there.get(key)
        if ours is None or theirs is None:
            wrong.append(f"user {key} is known to one of cloud and cluster: {ours}, {theirs}")
        elif (ours.login, ours.name, ours.active, ours.quotas) != (
            theirs.login, theirs.name, theirs.active,
            tuple(getattr(theirs, name) for name in QUOTAS),
        ):  # fmt: skip
            wrong.append(f"user {key} is {ours} in the cloud, and {theirs} in the cluster")
    for row in cloud.sql("SELECT user_id, version, synced_version FROM cluster_account WHERE version > synced_version"):
        wrong.append(f"the cluster was told version {row.synced_version} of user {row.user_id}; {row.version} is due")
    return wrong


def _told(simulation: Simulation) -> list[str]:
    """The cloud's feed has each change of the cluster once, in its order, since it began to follow."""
    cloud = simulation.cloud
    assert cloud is not None
    ours = [
        tuple(row)
        for row in cloud.sql(
            "SELECT kind, object_id, event FROM change WHERE cluster_id IS NOT NULL AND event <> 'reset'"
            " ORDER BY xid, id"
        )
    ]
    theirs = [
        tuple(row)
        for row in simulation.sql(
            "SELECT kind, object_id, event FROM change WHERE kind NOT IN ('message', 'feed') ORDER BY xid, id"
        )
    ]
    if ours != theirs[len(theirs) - len(ours) :]:
        late = theirs[max(0, len(theirs) - len(ours)) :]
        at = next((i for i, pair in enumerate(zip(ours, late, strict=False)) if pair[0] != pair[1]), -1)
        return [
            f"the cloud's feed has {len(ours)} changes, the cluster's {len(theirs)}; from {at} on they differ:"
            f" {ours[at : at + 2]}, {late[at : at + 2]}"
        ]
    wrong = []
    # One stands for the beginning.
    if cloud.sql("SELECT count(*) AS n FROM change WHERE event = 'reset'")[0].n > 1:
        wrong.append("the cloud lost its place in the cluster's feed")
    since = simulation.cloud_since
    theirs_told = {
        row.id: row.external_id
        for row in simulation.sql(
            "SELECT m.id, a.external_id FROM message m JOIN account a ON a.id = m.account_id"
            " WHERE a.origin <> 'local' AND m.created_at >= to_timestamp(:since)",
            since=since,
        )
    }
    taken = {row.cluster_message_id for row in cloud.sql("SELECT cluster_message_id FROM message WHERE cluster_id > 0")}
    for message_id in sorted(set(theirs_told) - taken):
        wrong.append(f"message {message_id} of the cluster did not reach user {theirs_told[message_id]}")
    return wrong
