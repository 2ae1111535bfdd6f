"""Queries about VMs: the rendered summary, lists of ready text, rows under lock."""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any, Final

import msgspec
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import (
    CrashPolicy,
    HangPolicy,
    HostFailurePolicy,
    NodeId,
    PowerOffPolicy,
    Seen,
    SeenReason,
    VMId,
    VMState,
    Wanted,
)
from cm.rules.names import domain_name
from cm.rules.operation import OperationKind
from cm.rules.vm import EC2_STATE, GONE, XO_POWER_STATE, VMFacts, cc1_code, status
from cm.runtime.json_text import array_of, with_members
from cm.runtime.prepared import Prepared
from cm.store.conditions import keeps_busy
from cm.store.public_port import REACHED, reached
from cm.store.rendered import Rendered

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class VMRow:
    """A VM as its rules and services need it."""

    id: VMId
    uuid: str
    name: str
    account_id: int
    image_id: int
    template_id: int
    cpu: int
    memory_mib: int
    wanted: Wanted
    on_poweroff: PowerOffPolicy
    guarded: bool
    on_crash: CrashPolicy
    on_hang: HangPolicy
    on_host_failure: HostFailurePolicy
    save_image_id: int | None
    save_name: str
    save_description: str
    vnc_enabled: bool
    vnc_generation: int
    seen: Seen
    seen_reason: SeenReason
    contextualized_at: datetime | None
    launched_at: datetime | None
    launches: int
    migrated_at: datetime | None
    console_node_id: NodeId | None
    node_id: NodeId | None
    node_claimed: bool
    moves_to: NodeId | None
    error: str
    closed_at: datetime | None
    version: int
    operation_id: int | None
    operation_kind: OperationKind | None

    @property
    def domain_name(self) -> str:
        return domain_name(self.id)

    @property
    def state(self) -> VMState:
        return status(
            VMFacts(self.wanted, self.seen, self.closed_at is not None, bool(self.error), self.operation_kind)
        )

    @property
    def runs_on(self) -> NodeId | None:
        """The node where a domain has to agree with what is on record; None: the VM is off."""
        return None if self.seen in GONE else self.node_id


_COLUMNS = """
       v.id, v.uuid::text AS uuid, v.name, v.account_id, v.image_id, v.template_id, v.cpu, v.memory_mib, v.wanted,
       v.on_poweroff, v.guarded, v.on_crash, v.on_hang, v.on_host_failure, v.save_image_id, v.save_name,
       v.save_description, v.vnc_enabled, v.vnc_generation,
       v.seen, v.seen_reason, v.contextualized_at,
       v.launched_at, v.launches, v.migrated_at,
       v.console_node_id, v.node_id, v.node_claimed, v.moves_to, v.error, v.closed_at,
       v.version, o.id AS operation_id, o.kind AS operation_kind
"""
_ROW = f"""
SELECT {_COLUMNS}
  FROM vm v LEFT JOIN operation o ON o.vm_id = v.id AND {keeps_busy("o")}
"""


def _row(found: Any) -> VMRow:
    values = dict(found._mapping)
    values["wanted"] = Wanted(values["wanted"])
    values["seen"] = Seen(values["seen"])
    values["seen_reason"] = SeenReason(values["seen_reason"])
    values["on_poweroff"] = PowerOffPolicy(values["on_poweroff"])
    values["on_crash"] = CrashPolicy(values["on_crash"])
    values["on_hang"] = HangPolicy(values["on_hang"])
    values["on_host_failure"] = HostFailurePolicy(values["on_host_failure"])
    values["operation_kind"] = OperationKind(values["operation_kind"]) if values["operation_kind"] else None
    return VMRow(**values)


_FIND = Prepared("find_vm", _ROW + " WHERE v.id = :id")
_LOCK = Prepared("lock_vm", "SELECT 1 FROM vm WHERE id = :id FOR NO KEY UPDATE")


def find_vm(session: Session, vm_id: int, *, lock: bool = False) -> VMRow | None:
    """
    One VM with the operation that it is busy with, or None.

    :param lock: hold its row until the transaction ends; the operation is read after the lock is got.
    """
    if lock and not _LOCK(session, id=vm_id):
        return None
    found = _FIND(session, id=vm_id).first()
    return _row(found) if found else None


# The operation is locked behind the VM, which the common table is read for first; should it have changed while that was
# waited for, PostgreSQL looks at the new row.
_HOLD = Prepared(
    "hold_vm",
    f"""
WITH v AS MATERIALIZED (SELECT * FROM vm WHERE id = :vm_id FOR NO KEY UPDATE)
SELECT {_COLUMNS} FROM v, operation o
 WHERE o.id = :id AND o.vm_id = v.id AND o.worker_id = :worker_id AND o.attempts = :attempts AND o.state = 'running'
   FOR NO KEY UPDATE OF o
""",
)


def hold_vm(session: Session, vm_id: int, operation_id: int, worker_id: int, attempts: int) -> VMRow | None:
    """
    Lock a VM and the operation that it is busy with, as ``store/worker.py``'s ``holds`` does.

    :param attempts: of the operation, as it was claimed.
    :return: the VM; None where this worker does not hold the operation any more.
    """
    found = _HOLD(session, vm_id=vm_id, id=operation_id, worker_id=worker_id, attempts=attempts).first()
    return _row(found) if found else None


def get_vm(session: Session, vm_id: int, *, lock: bool = False, version: int | None = None) -> VMRow:
    """
    A VM, whoever asks for it (``services/access.py`` asks who).

    :raises ObjectNotFound: absent.
    :raises VersionChanged: it is not at ``version``.
    """
    row = find_vm(session, vm_id, lock=lock)
    if row is None:
        raise ObjectNotFound("vm", vm_id)
    if version is not None and row.version != version:
        raise VersionChanged("vm", vm_id, row.version, version)
    return row


_BY_UUID = Prepared("vm_by_uuid", "SELECT id FROM vm WHERE uuid = CAST(:uuid AS uuid)")


def find_by_uuid(session: Session, uuid: str, *, lock: bool = False) -> VMRow | None:
    """A VM by its uuid, which is its domain's too."""
    try:
        key = uuid_module.UUID(uuid)
    except ValueError:
        return None
    vm_id = _BY_UUID(session, uuid=str(key)).scalar()
    return None if vm_id is None else find_vm(session, vm_id, lock=lock)


_RENDER = Prepared(
    "render_vm",
    f"""
SELECT v.id, v.uuid::text AS uuid, v.name, v.description, v.account_id, v.image_id, i.name AS image_name,
       i.platform, v.template_id, t.name AS template_name, v.cpu, v.memory_mib, v.wanted, v.seen, v.seen_reason,
       v.doubt, v.doubt_since,
       v.error, v.contextualized_at, v.launched_at, v.created_at, v.closed_at, v.vnc_enabled, v.version, v.node_id,
       v.reservation_id::text AS reservation_id, v.on_poweroff,
       (SELECT n.address || ':' || p.port FROM vnc_port p JOIN node n ON n.id = p.node_id WHERE p.vm_id = v.id)
           AS vnc_endpoint,
       (SELECT array_agg(host(l.address) ORDER BY c.number, l.address)
          FROM nic c CROSS JOIN LATERAL (SELECT address FROM network_lease WHERE nic_id = c.id OFFSET 0) l
         WHERE c.vm_id = v.id) AS addresses,
       (SELECT host(a.address) FROM nic c JOIN public_address a ON a.nic_id = c.id
         WHERE c.vm_id = v.id ORDER BY c.number, a.address LIMIT 1) AS public_ip,
       (SELECT json_agg(json_build_object('id', x.id, 'name', x.name, 'kind', x.kind) ORDER BY a.device)
          FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN image x ON x.id = k.image_id
         WHERE a.vm_id = v.id AND a.number > 0) AS attached,
       o.id AS operation_id, o.kind AS operation_kind
  FROM vm v JOIN image i ON i.id = v.image_id JOIN template t ON t.id = v.template_id
  LEFT JOIN operation o ON o.vm_id = v.id AND {keeps_busy("o")}
 WHERE v.id = :id
""",
)

_WRITE = Prepared(
    "write_vm_summary",
    """
WITH written AS (
    UPDATE vm SET summary = :summary, version = :version, changed_at = now(), shown = :shown,
           shown_since = CASE WHEN shown = :shown THEN shown_since ELSE now() END
     WHERE id = :id RETURNING id, account_id, farm_id)
INSERT INTO change (account_id, kind, object_id, event) SELECT account_id, 'vm', id, :event FROM written
UNION ALL SELECT account_id, 'farm', farm_id, 'change' FROM written WHERE farm_id IS NOT NULL
""",
)


# Others tell of work that is under way, or of what was wanted: a silent node makes nothing of that doubtful.
SHOWN_BY_EVIDENCE: Final = frozenset({VMState.RUNNING, VMState.PAUSED})


def summarize(found: Any) -> dict[str, Any]:
    """A VM as callers see it in lists: CC1's names where it had them."""
    kind = OperationKind(found.operation_kind) if found.operation_kind else None
    state = status(
        VMFacts(Wanted(found.wanted), Seen(found.seen), found.closed_at is not None, bool(found.error), kind)
    )
    contextualized = found.contextualized_at is not None
    attached = found.attached or []
    doubtful = bool(found.doubt) and state in SHOWN_BY_EVIDENCE
    return {
        "vm_id": found.id,
        "uuid": found.uuid,
        "name": found.name,
        "description": found.description,
        "user_id": found.account_id,
        "state": state,
        "cc1_state": cc1_code(state, contextualized),
        "power_state": XO_POWER_STATE[state],
        "ec2_state": EC2_STATE[state],
        "contextualized": contextualized,
        "error": found.error,
        "doubtful": {"reason": found.doubt, "since": found.doubt_since} if doubtful else None,
        "image_id": found.image_id,
        "image_name": found.image_name,
        "platform": found.platform,
        "template_id": found.template_id,
        "template_name": found.template_name,
        "cpu": found.cpu,
        "memory_mib": found.memory_mib,
        "leases": [{"address": address} for address in found.addresses or ()],
        "public_ip": found.public_ip,
        "vnc_enabled": found.vnc_enabled,
        "vnc_endpoint": found.vnc_endpoint if found.vnc_enabled else None,
        "iso_images": [{"id": a["id"], "name": a["name"]} for a in attached if a["kind"] == "iso"],
        "storage_images": [{"id": a["id"], "name": a["name"]} for a in attached if a["kind"] != "iso"],
        "reservation_id": found.reservation_id,
        "on_poweroff": found.on_poweroff,
        "created": found.created_at,
        "launched": found.launched_at,
        "operation_id": found.operation_id,
        "operation": found.operation_kind,
        "version": found.version + 1,  # this summary is written with the next one
    }


def render_vm(session: Session, vm_id: int, event: str = "change") -> str:
    """
    Write the VM's summary anew and its change row; call it last in every transaction that changed the VM or its work.

    :param event: "enter", "change" or "exit".
    :return: the summary, as JSON text.
    """
    return _write(session, _RENDER(session, id=vm_id).one(), event)


def render_new(session: Session, row: Any) -> str:
    """``render_vm`` of a VM that was just made, as ``creation.insert_vm`` tells of it: nothing is asked again."""
    return _write(session, row, "enter")


def render_live(session: Session, vm_id: int) -> None:
    """``render_vm``, unless the VM is closed: its last summary was written by its end."""
    found = _RENDER(session, id=vm_id).one()
    if found.closed_at is None:
        _write(session, found, "change")


def _write(session: Session, found: Any, event: str) -> str:
    told = summarize(found)
    summary = _encode(told).decode()
    _WRITE.post(session, summary=summary, version=found.version + 1, shown=told["state"], id=found.id, event=event)
    return summary


# One statement for each combination: with all in one the planner could not choose their indexes.
_LIST_FILTERS: Final = {
    "account_id": "account_id = :account_id",
    "before": "id < :before",
    "node_id": "node_id = :node_id",
}


def _list_statement(closed: bool, filters: Sequence[str]) -> Prepared:
    where = ["closed_at IS NOT NULL" if closed else "closed_at IS NULL", *(_LIST_FILTERS[name] for name in filters)]
    return Prepared(
        "_".join(["vm_list", "closed" if closed else "live", *filters]),
        f"SELECT summary FROM vm WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT :limit",
    )


_LISTS: Final = {
    (closed, filters): _list_statement(closed, filters)
    for closed in (False, True)
    for count in range(len(_LIST_FILTERS) + 1)
    for filters in combinations(_LIST_FILTERS, count)
}


def list_text(
    session: Session,
    *,
    account_id: int | None,
    limit: int,
    before: int | None = None,
    closed: bool = False,
    node_id: int | None = None,
) -> str:
    """
    A page of summaries, newest first, as one JSON text.

    PostgreSQL's ``string_agg`` takes twice as long as sending the rows and joining them here.

    :param account_id: whose; None for everybody's.
    :param before: the last id of the page before.
    :param closed: destroyed VMs instead of live ones.
    """
    given = {"account_id": account_id, "before": before, "node_id": node_id}
    values = {name: value for name, value in given.items() if value is not None}
    return array_of(_LISTS[closed, tuple(values)].column(session, limit=limit, **values))


_TRASHED: Final = Prepared(
    "vms_trashed",
    "SELECT id FROM vm WHERE closed_at IS NULL AND shown = 'trashed' AND NOT guarded"
    " AND shown_since < clock_timestamp() - make_interval(secs => :seconds) ORDER BY shown_since LIMIT 100",
)


def list_trashed(session: Session, seconds: float) -> Sequence[int]:
    """VMs that have lain in the trash for so long and are not guarded, a page of them, the oldest first."""
    return [row.id for row in _TRASHED(session, seconds=seconds)]


IMDS: Final = """json_build_object('tokens', v.imds_tokens, 'hop_limit', v.imds_hop_limit, 'enabled', v.imds_enabled,
       'ipv6', v.imds_ipv6, 'tags', v.imds_tags)"""
_LONG = Prepared(
    "vm_detail",
    f"""
SELECT v.summary, v.account_id, v.wanted, v.seen, v.seen_reason, v.seen_at, v.ssh_username, v.user_data, v.closed_at,
       v.guarded, v.on_crash, v.on_hang, v.on_host_failure, v.affinity_group_id, v.farm_id, v.vm_template_id,
       v.resource_pool_id, v.traits, v.user_data_encoding,
       v.contextualized_at, v.boot_s, n.address AS node, a.login, v.metadata_source, {IMDS} AS imds, {REACHED},
       v.firmware, v.machine, v.boot_menu_s, v.cpu_model, v.dns, v.raw_data <> '' AS raw_data,
       v.max_cpu, v.max_memory_mib,
       CASE WHEN i.kind = 'system' THEN i.architecture ELSE '' END AS architecture
  FROM vm v JOIN account a ON a.id = v.account_id JOIN image i ON i.id = v.image_id
  LEFT JOIN node n ON n.id = v.node_id WHERE v.id = :id
""",
)


@dataclass(frozen=True)
class VMDetail:
    """Everything of a VM that is shown. ``summary`` is JSON text."""

    summary: str
    account_id: int
    login: str
    closed: bool
    user_data: str = field(repr=False)
    more: dict[str, Any]

    def text(self, access: str, *, secrets: bool) -> str:
        """
        As JSON text.

        :param access: the level of whoever gets it.
        :param secrets: whether they are told the user data, which may hold passwords; else it is null.
        """
        rest = {
            **self.more,
            "user_data": self.user_data if secrets else None,
            "user_login": self.login,
            "access": access,
        }
        return with_members(self.summary, rest)


def find_detail(session: Session, vm_id: int) -> VMDetail | None:
    found = _LONG(session, id=vm_id).first()
    if found is None:
        return None
    more = {
        **reached(session, vm_id, found),
        "wanted": found.wanted,
        "seen": found.seen,
        "seen_reason": found.seen_reason,
        "seen_at": found.seen_at,
        "contextualized_at": found.contextualized_at,
        "boot_s": found.boot_s,
        "node": found.node,
        "ssh_username": found.ssh_username,
        "closed": found.closed_at,
        "user_data_encoding": found.user_data_encoding,
        "dns": found.dns,
        "guarded": found.guarded,
        "on_crash": found.on_crash,
        "on_hang": found.on_hang,
        "on_host_failure": found.on_host_failure,
        "firmware": found.firmware,
        "machine": found.machine,
        "boot_menu_s": found.boot_menu_s,
        "cpu_model": found.cpu_model,
        "architecture": found.architecture,
        "raw_data": found.raw_data,
        "max_cpu": found.max_cpu,
        "max_memory_mib": found.max_memory_mib,
        "metadata": found.metadata_source,
        "imds": found.imds,
        "traits": found.traits,
        "affinity_group_id": found.affinity_group_id,
        "farm_id": found.farm_id,
        "vm_template_id": found.vm_template_id,
        "resource_pool_id": found.resource_pool_id,
    }
    return VMDetail(found.summary, found.account_id, found.login, found.closed_at is not None, found.user_data, more)


_EVIDENCE = Prepared(
    "write_evidence",
    "UPDATE vm SET seen = :seen, seen_reason = :reason, seen_at = :at, doubt = '', doubt_since = NULL"
    " WHERE id = :id AND version = :version AND closed_at IS NULL",
)


def write_evidence(session: Session, row: VMRow, seen: Seen, reason: SeenReason, at: datetime) -> bool:
    """
    Record what was seen of a VM's domain, if nothing else has changed the VM since ``row`` was read.

    :return: whether it was recorded.
    """
    moved = _EVIDENCE(session, id=row.id, version=row.version, seen=seen, reason=reason, at=at)
    return moved.rowcount == 1


_FEED: Final = Prepared("feed_vm", "SELECT id, uuid::text AS uuid, summary FROM vm WHERE id = ANY(:ids)")


def feed_vms(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    """As ``render_vm`` has written them down; of destroyed ones too."""
    return {row.id: Rendered(row.uuid, row.summary or None) for row in _FEED(session, ids=ids)}


_LOGIN: Final = Prepared(
    "login_of_guest",
    "SELECT coalesce(nullif(v.ssh_username, ''), i.default_user) AS login FROM vm v JOIN image i ON i.id = v.image_id"
    " WHERE v.id = :id",
)


def login_of_guest(session: Session, vm_id: int) -> str:
    """Whom a VM was made for within its guest, else whom its image lets log in; "": neither is known."""
    return str(_LOGIN(session, id=vm_id).scalar() or "")
