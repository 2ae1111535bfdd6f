"""Known defects of what managers do, as edits of the tree: rules that others or we broke once."""

from __future__ import annotations

from typing import Final

from simulation.edits import Edit, Mutation

ENGINE: Final = "cm/operations/engine.py"
EVIDENCE: Final = "cm/services/evidence.py"
EXECUTE: Final = "cm/runtime/execute.py"
FLEET: Final = "cm/services/fleet.py"
LAUNCH: Final = "cm/operations/vm_launch.py"
RELEASE: Final = "cm/services/release.py"
VM_END: Final = "cm/operations/vm_end.py"

# `holds` and `hold_vm` without their answers: every worker may write.
_NO_FENCE: Final = (
    Edit(
        "cm/store/worker.py",
        "    return bool(_HOLDS_VM(session, **values, vm_id=op.vm_id))\n",
        "    return True\n",
    ),
    Edit(
        "cm/store/vm.py",
        " AND o.worker_id = :worker_id AND o.attempts = :attempts AND o.state = 'running'\n",
        "\n",
    ),
)

DEFECTS: Final = (
    Mutation(
        "event_lost",
        "A batch of hook events is acknowledged though storing its first failed.",
        (
            Edit(
                "contextualization/events.py",
                "self._give_up(node_id, record)\n                raise\n",
                "self._give_up(node_id, record)\n                return records[-1].sequence\n",
            ),
        ),
        faults=("hook_unstored",),
    ),
    Mutation(
        "event_repeated",
        "The table of hook events lacks its unique key: a repeated event is stored and takes effect again.",
        (
            Edit(
                "sql/cm/versions/0001_the_first_schema.py",
                '        sa.PrimaryKeyConstraint("node_id", "boot_id", "sequence", name=op.f("pk_hook_event")),\n',
                "",
            ),
        ),
    ),
    Mutation(
        "request_repeated",
        "A request_id is not recognised: a repeated call is done again.",
        (Edit(EXECUTE, "answered = _first_answer(session, call, digest, key)", "answered = None"),),
    ),
    Mutation(
        "no_lease",
        "Leases are not renewed, and a worker that lost its operation writes on.",
        (
            Edit(
                ENGINE,
                "await self._services.database.transact(renew_leases, self.worker_id, list(self._running), LEASE_S)",
                "list[int]()",
            ),
            Edit("cm/operations/lease.py", "return steady_seconds() < self._sure_until", "return True"),
            *_NO_FENCE,
        ),
    ),
    Mutation(
        "no_fence",
        "A worker whose operation was given up or taken over writes on.",
        _NO_FENCE,
        faults=("manager_stall", "answers_late"),
        managers=2,
    ),
    Mutation(
        "silence_is_absence",
        "A node that does not answer has no domains, and a running VM without domain has ended.",
        (
            Edit(
                "cm/services/reconcile.py",
                "        await doubt_silent(services, node_id, known_here.doubted)\n        return None\n",
                "        domains, info = [], None\n",
            ),
            Edit(
                "cm/rules/reconcile.py",
                "        if away and record.seen in (Seen.RUNNING, Seen.PAUSED):\n",
                "        if False:\n",
            ),
        ),
    ),
    Mutation(
        "one_pool",
        "Ours once: slow calls of a node hold the threads of all, and a pass takes its wait for one for the node's"
        " silence.",
        (
            Edit(FLEET, "LASTING_MAX: Final = NODE_SLOW_SIZE // 2", "LASTING_MAX: Final = NODE_SLOW_SIZE"),
            Edit(FLEET, 'f"{_POOLS[job.pace]}:{node_id}"', 'f"node:{node_id}"'),
            Edit(
                "cm/services/reconcile.py",
                "    except (NodeBusy, Overloaded):\n        return None  # it answers others: that is no evidence",
                "    except NodeBusy:\n        return None  # it answers others: that is no evidence",
            ),
            Edit(
                "cm/services/reconcile.py",
                "    except (NodeUnreachable, DeadlineExceeded) as error:\n",
                "    except (NodeUnreachable, DeadlineExceeded, Overloaded) as error:\n",
            ),
        ),
        faults=("storage_slow",),
    ),
    Mutation(
        "node_kept",
        "A stopped VM does not give its share of the node back.",
        (
            Edit(
                RELEASE,
                "    release_node(session, vm_id)\n    rest_vm(session, vm_id)\n",
                "    rest_vm(session, vm_id)\n",
            ),
        ),
    ),
    Mutation(
        "node_taken_twice",
        "A VM that holds a node is placed again and claims another share.",
        (Edit(LAUNCH, "    if row.node_claimed:\n        return None\n", ""),),
    ),
    Mutation(
        "group_ignored",
        "A start does not ask where the others of its VM's affinity group are.",
        (
            Edit(
                LAUNCH,
                "    request = needs.request(row.cpu, row.memory_mib, peers_of(session, row.id))\n",
                "    request = needs.request(row.cpu, row.memory_mib, None)\n",
            ),
        ),
    ),
    Mutation(
        "done_too_early",
        "An operation is done in one transaction, and what its end means is written in the next.",
        (
            Edit(
                "cm/operations/base.py",
                "        await self.db(_complete, self.op, function, args, result or {})\n",
                "        await self.db(_complete, self.op, None, (), result or {})\n"
                "        if function is not None:\n"
                "            await self.services.database.transact(function, *args)\n",
            ),
        ),
    ),
    Mutation(
        "dead_not_taken_over",
        "Nobody takes over what a dead worker was at.",
        (Edit(ENGINE, "await self._services.database.transact(take_over, self.worker_id, by_lock)", "list[int]()"),),
    ),
    Mutation(
        "quota_kept",
        "A failed or abandoned save does not give back its image's quota.",
        (
            Edit(
                "cm/services/saving.py",
                "    release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))\n",
                "",
            ),
        ),
    ),
    Mutation(
        "address_kept",
        "The addresses of a destroyed VM stay leased to it.",
        (
            Edit(
                "cm/store/booking.py",
                "SET nic_id = NULL WHERE nic_id = ANY(ARRAY(SELECT id FROM nic WHERE vm_id = :id))\n"
                "       AND family(address) = (SELECT family(prefix) FROM network WHERE id = l.network_id)\n"
                "), leases6 AS (\n"
                "    DELETE FROM network_lease l WHERE nic_id = ANY(ARRAY(SELECT id FROM nic WHERE vm_id = :id))\n"
                "       AND family(address) <> (SELECT family(prefix) FROM network WHERE id = l.network_id)\n"
                "), nics AS (\n"
                "    DELETE FROM nic WHERE vm_id = :id\n",
                "SET nic_id = nic_id WHERE nic_id IN (SELECT id FROM nic WHERE vm_id = :id)\n",
            ),
        ),
    ),
    Mutation(
        "volumes_left",
        "The end of a VM leaves its volumes on the storage.",
        (
            Edit(
                VM_END,
                "        kept = await work.node(node_id).run(wipe_volumes if wipes else delete_volumes, volumes)\n",
                "        kept: list[EndingVolume] = []\n",
            ),
        ),
    ),
    Mutation(
        "volumes_first",
        "The volumes of a VM are deleted while its domain runs.",
        (
            Edit(
                VM_END,
                '{"cut_power": cut_power, "await_end": await_end, "clean_up": clean_up, "close": close}',
                '{"clean_up": clean_up, "cut_power": cut_power, "await_end": await_end, "close": close}',
            ),
            Edit(VM_END, "    node.hypervisor.destroy(uuid)\n", ""),
        ),
    ),
    Mutation(
        "not_removed",
        "Ours once: a domain that somebody starts after its end was seen runs on while its VM's volumes are deleted.",
        (Edit(VM_END, "    node.hypervisor.destroy(uuid)\n", ""),),
        faults=("domain_started", "answers_late"),
    ),
    Mutation(
        "disk_made_anew",
        "Each start makes the disk anew: what the guest had written is lost.",
        (Edit(LAUNCH, "        if plan.made:\n            continue\n", ""),),
    ),
    Mutation(
        "late_release",
        "A release that an earlier launch left behind ends the run of now.",
        (
            Edit(
                EVIDENCE,
                "    if begun is not None and event.time < begun + SKEW:\n",
                "    if False:\n",
            ),
            Edit(EVIDENCE, "frozenset({Wanted.RUNNING, Wanted.PAUSED})", "frozenset()"),
        ),
        faults=("hook_delayed", "answer_lost", "node_skew"),
    ),
    Mutation(
        "stale_look",
        "What a look saw before a VM changed overwrites what is known since.",
        (
            Edit(EVIDENCE, "    if version is not None and row.version != version:\n", "    if False:\n"),
            Edit(EVIDENCE, "    if row.launched_at != launched_at:\n", "    if False:\n"),
        ),
        faults=("answers_late", "domain_destroyed"),
    ),
    Mutation(
        "domain_left",
        "A pass leaves the domains of closed VMs alone.",
        (Edit("cm/services/reconcile.py", " for leftover in made.discard if await", " for leftover in () if await"),),
    ),
    Mutation(
        "audit_missing",
        "One view writes no row of the audit.",
        (
            Edit(
                EXECUTE,
                "    write_audit(session, view.name, call, arguments)\n",
                '    if view.name != "user.vm.edit":\n        write_audit(session, view.name, call, arguments)\n',
            ),
        ),
    ),
    Mutation(
        "credential_logged",
        "The endpoint logs a node's credential when it enrols.",
        (
            Edit(
                "contextualization/endpoint.py",
                '        log.info("node {node_id}: enrolled from {hostname}",',
                '        log.info("enrolled: {enrolled}", enrolled=enrolled.credential)\n'
                '        log.info("node {node_id}: enrolled from {hostname}",',
            ),
        ),
    ),
    Mutation(
        "image_orphaned",
        "Ours once: erasing a VM that is being saved leaves its image to be added by nobody.",
        (
            Edit(
                RELEASE,
                '        give_back_image(caller.session, row.save_image_id, "erased")\n',
                "        pass\n",
            ),
        ),
    ),
    Mutation(
        "share_kept",
        "Ours once: a stop that is given up after its domain has ended keeps the node's share.",
        (Edit(EVIDENCE, "    if row.seen not in GONE or row.node_id is None:\n", "    if True:\n"),),
        faults=("answers_late", "node_hang"),
    ),
    Mutation(
        "clocks_compared",
        "Ours once: a look is dropped where a manager's clock says that it was before the launch, and believed.",
        (
            Edit(
                EVIDENCE,
                "    if row.launched_at != launched_at:\n",
                "    if row.launched_at is not None and row.launched_at > now():\n",
            ),
            Edit(VM_END, '== "changed":\n        raise Wait(', '== "changed":\n        repr('),
        ),
        faults=("clock_skew", "answers_late", "domain_destroyed"),
    ),
    Mutation(
        "erased_disk_deleted",
        "Ours once: the disk of an erased VM is deleted while its domain runs on a node that does not answer.",
        (
            Edit(
                "cm/services/volume.py",
                "gone = await not_running(services, held | set(closed.last_on.items()))",
                "gone = held | set(closed.last_on.items())",
            ),
        ),
    ),
    Mutation(
        "trail_given_up",
        "Ours once: the cloud's audit of what it passed on is not tried again by itself while the database is away.",
        (Edit("clm/services/audit.py", "            self._write_in(AGAIN_S)\n", ""),),
        faults=("database_restart", "commit_unknown"),
        clouds=1,
    ),
    Mutation(
        "feed_repeated",
        "Two processes of a cloud that follow a cluster at once both write down what it tells.",
        (
            Edit(
                "clm/services/follow.py",
                "    if not store.move_cursor(session, cluster_id, was, now):\n        raise Superseded()\n",
                "    store.move_cursor(session, cluster_id, was, now)\n",
            ),
        ),
        faults=("database_restart", "link_slow"),
        clouds=2,
    ),
    Mutation(
        "feed_lost",
        "The cloud's place in a cluster's feed moves in one transaction, and what was read is written in the next.",
        (
            Edit(
                "clm/services/follow.py",
                "        await self._services.database.transact(\n"
                "            _write, self._services.policy, self.connection.facts.id, cursor, now, events, messages\n"
                "        )\n",
                "        policy, cluster_id = self._services.policy, self.connection.facts.id\n"
                "        await self._services.database.transact(_write, policy, cluster_id, cursor, now, [], [])\n"
                "        await self._services.database.transact(_write, policy, cluster_id, now, now, events,"
                " messages)\n",
            ),
        ),
    ),
    Mutation(
        "forwarded_unnamed",
        "The cloud gives each call that it passes on a name of its own, also a repeated one.",
        (
            Edit(
                "clm/services/forward.py",
                'params["request_id"] = caller.request_id or f"clm-{uuid.uuid4().hex}"',
                'params["request_id"] = f"clm-{uuid.uuid4().hex}"',
            ),
        ),
    ),
    Mutation(
        "people_told_once",
        "What the cloud has to tell of people counts as told before the cluster has heard it.",
        (
            Edit(
                "clm/services/sync.py",
                "        after = due[-1].user_id\n",
                "        after = due[-1].user_id\n"
                "        told = [(each.user_id, each.version) for each in due]\n"
                "        await services.database.transact(store.mark_synced, cluster_id, told)\n",
            ),
            Edit("clm/daemon/watcher.py", "        if stale or clock() >= self._compare_at:\n", "        if stale:\n"),
        ),
        faults=("link_cut", "link_answer_lost"),
        clouds=1,
    ),
    Mutation(
        "upload_file_stays",
        "What an upload left on the manager's machine stays there when it has ended.",
        (Edit("cm/operations/uploading.py", "            if uuid not in kept:\n", "            if False:\n"),),
    ),
    Mutation(
        "upload_damaged",
        "A piece of an upload counts though its checksum is another.",
        (Edit("cm/rpc/uploads.py", "                raise ChecksumDiffers()\n", "                pass\n"),),
    ),
)
