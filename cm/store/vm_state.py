"""
The columns of a VM that say what is wanted of it, what was seen of it, where it is and what went wrong, each written
by one function. What it holds is claimed and given back by ``claim.py`` and ``booking.py``; evidence that may come late
is ``vm.py``'s ``write_evidence``.

Whoever calls these renders the VM once it is done (``render_vm``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import VM
from cm.rpc.vocabulary import (
    CpuModel,
    CrashPolicy,
    Firmware,
    HangPolicy,
    HostFailurePolicy,
    MachineType,
    PowerOffPolicy,
    Seen,
    SeenReason,
    Wanted,
)
from cm.rules.imds import ImdsChange
from cm.rules.machine import Machine
from cm.rules.sizing import Ceiling, Size
from cm.rules.vm import GONE
from cm.runtime.prepared import Prepared
from cm.runtime.rows import edit_row
from cm.store.conditions import is_on

# ------------------------------------------------------------------ intent

_WANT = Prepared("want", "UPDATE vm SET wanted = :wanted, error = '' WHERE id = :id")
_INTEND = Prepared("intend", "UPDATE vm SET wanted = :wanted WHERE id = :id")


def want(session: Session, vm_id: int, wanted: Wanted) -> None:
    """What is wanted from now on; what went wrong before is over."""
    _WANT.post(session, id=vm_id, wanted=wanted)


def intend(session: Session, vm_id: int, wanted: Wanted) -> None:
    """What is wanted from now on; what went wrong is still told."""
    _INTEND.post(session, id=vm_id, wanted=wanted)


def intend_as_seen(session: Session, vm_id: int) -> None:
    """Want what is seen, so that nothing goes on by itself; of a live VM. One whose memory lies there is suspended."""
    session.execute(
        text(
            "UPDATE vm SET wanted = CASE WHEN seen NOT IN ('absent', 'off', 'crashed', 'unknown') THEN"
            " CASE seen WHEN 'paused' THEN 'paused' ELSE 'running' END"
            " WHEN EXISTS (SELECT 1 FROM suspension s WHERE s.vm_id = vm.id) THEN 'suspended' ELSE 'stopped' END"
            " WHERE id = :id AND closed_at IS NULL"
        ),
        {"id": vm_id},
    )


def rename_vm(session: Session, vm_id: int, name: str | None, description: str | None) -> None:
    """What is None stays."""
    edit_row(session, VM, vm_id, (VM.name, VM.description), {"name": name, "description": description}, counted=False)


def write_policy(
    session: Session,
    ids: Sequence[int],
    on_poweroff: PowerOffPolicy | None,
    guarded: bool | None,
    on_host_failure: HostFailurePolicy | None = None,
    on_crash: CrashPolicy | None = None,
    on_hang: HangPolicy | None = None,
) -> None:
    """What is None stays."""
    session.execute(
        text(
            "UPDATE vm SET on_poweroff = coalesce(:on_poweroff, on_poweroff),"
            " on_host_failure = coalesce(:on_host_failure, on_host_failure),"
            " on_crash = coalesce(:on_crash, on_crash), on_hang = coalesce(:on_hang, on_hang),"
            " guarded = coalesce(CAST(:guarded AS boolean), guarded) WHERE id = ANY(:ids)"
        ),
        {
            "on_poweroff": on_poweroff,
            "guarded": guarded,
            "on_host_failure": on_host_failure,
            "on_crash": on_crash,
            "on_hang": on_hang,
            "ids": list(ids),
        },
    )


def write_shares(session: Session, vm_id: int, cpu_shares: int) -> None:
    """How much its CPUs count among others', from its next start on."""
    session.execute(text("UPDATE vm SET cpu_shares = :shares WHERE id = :id"), {"shares": cpu_shares, "id": vm_id})


def write_password(session: Session, vm_id: int, sealed: str) -> None:
    """:param sealed: as ``seal`` of ``cm/services/instance.py`` makes it."""
    session.execute(text("UPDATE vm SET password_sealed = :sealed WHERE id = :id"), {"sealed": sealed, "id": vm_id})


def write_dns(session: Session, ids: Sequence[int], dns: str) -> None:
    """Whom the guests of VMs are told to ask for names; "": whom their networks say."""
    session.execute(text("UPDATE vm SET dns = :dns WHERE id = ANY(:ids)"), {"dns": dns, "ids": list(ids)})


def write_imds(session: Session, ids: Sequence[int], change: ImdsChange) -> None:
    """How the guests of VMs are told EC2's metadata from now on."""
    session.execute(
        text(
            "UPDATE vm SET imds_tokens = coalesce(:tokens, imds_tokens),"
            " imds_hop_limit = coalesce(CAST(:hop_limit AS smallint), imds_hop_limit),"
            " imds_enabled = coalesce(CAST(:enabled AS boolean), imds_enabled),"
            " imds_ipv6 = coalesce(CAST(:ipv6 AS boolean), imds_ipv6),"
            " imds_tags = coalesce(CAST(:tags AS boolean), imds_tags) WHERE id = ANY(:ids)"
        ),
        {**asdict(change), "ids": list(ids)},
    )


def write_size(session: Session, vm_id: int, template_id: int, size: Size, points: int) -> None:
    """
    What a VM has, from its next start on where it is off, and what it costs an hour; its account, and of one that is
    placed its node, count it already.
    """
    session.execute(
        text(
            "UPDATE vm SET template_id = :template_id, cpu = :cpu, memory_mib = :memory_mib, points = :points"
            " WHERE id = :id"
        ),
        {"template_id": template_id, "cpu": size.cpu, "memory_mib": size.memory_mib, "points": points, "id": vm_id},
    )


def write_counted(session: Session, vm_id: int, size: Size) -> None:
    """What a VM that is getting another size is counted for meanwhile; account and node count it already."""
    session.execute(
        text("UPDATE vm SET cpu = :cpu, memory_mib = :memory_mib WHERE id = :id"), {**size._asdict(), "id": vm_id}
    )


def write_ceiling(session: Session, ids: Sequence[int], ceiling: Ceiling) -> None:
    """What VMs may have while they run, from their next start on."""
    session.execute(
        text("UPDATE vm SET max_cpu = :max_cpu, max_memory_mib = :max_memory_mib WHERE id = ANY(:ids)"),
        {**ceiling._asdict(), "ids": list(ids)},
    )


def ceiling_of(session: Session, vm_id: int) -> tuple[Ceiling, int]:
    """Likewise, and what it costs an hour."""
    found = session.execute(
        text("SELECT max_cpu, max_memory_mib, points FROM vm WHERE id = :id"), {"id": vm_id}
    ).one()
    return Ceiling(found.max_cpu, found.max_memory_mib), found.points


_MACHINE = Prepared(
    "machine_of_vm",
    "SELECT v.firmware, v.machine, v.boot_menu_s, v.cpu_model, v.nvram_storage_id, u.storage_id AS root_id, s.kind,"
    " a.bus FROM vm v LEFT JOIN attachment a ON a.vm_id = v.id AND a.number = 0 LEFT JOIN disk k ON k.id = a.disk_id"
    " LEFT JOIN volume u ON u.id = k.volume_id LEFT JOIN storage s ON s.id = u.storage_id WHERE v.id = :id",
)


class MachineRow(NamedTuple):
    """
    :ivar nvram_storage_id: where its firmware's variables are; None: it had none yet.
    :ivar root_id: where its root disk is, and ``kind`` of what kind that storage is; ``bus``: that disk's.
    """

    machine: Machine
    nvram_storage_id: int | None
    root_id: int | None
    kind: str | None
    bus: str | None


def machine_of(session: Session, vm_id: int) -> MachineRow:
    found = _MACHINE(session, id=vm_id).one()
    machine = Machine(
        Firmware(found.firmware), MachineType(found.machine), found.boot_menu_s, CpuModel(found.cpu_model)
    )
    return MachineRow(machine, found.nvram_storage_id, found.root_id, found.kind, found.bus)


def write_machine(session: Session, vm_id: int, machine: Machine, nvram_storage_id: int | None) -> None:
    """What a VM's machine is from its next start on."""
    session.execute(
        text(
            "UPDATE vm SET firmware = :firmware, machine = :machine, boot_menu_s = :boot_menu_s,"
            " cpu_model = :cpu_model, nvram_storage_id = :nvram WHERE id = :id"
        ),
        {**vars(machine), "nvram": nvram_storage_id, "id": vm_id},
    )


def write_raw_data(session: Session, vm_id: int, xml: str) -> None:
    """What a VM's domain has beside what we write, from its next start on; "": nothing."""
    session.execute(text("UPDATE vm SET raw_data = :xml WHERE id = :id"), {"xml": xml, "id": vm_id})


def raw_data_of(session: Session, vm_id: int) -> str:
    return str(session.scalar(text("SELECT raw_data FROM vm WHERE id = :id"), {"id": vm_id}) or "")


def write_vnc(session: Session, vm_id: int, enabled: bool, generation: int) -> None:
    """Whether a VM's screen may be seen. :param generation: of its password."""
    session.execute(
        text("UPDATE vm SET vnc_enabled = :enabled, vnc_generation = :generation WHERE id = :id"),
        {"enabled": enabled, "generation": generation, "id": vm_id},
    )


# ------------------------------------------------------------------ what went wrong


def write_error(session: Session, vm_id: int, error: str) -> None:
    """:param error: of the operation that failed, in words for the user."""
    session.execute(text("UPDATE vm SET error = :error WHERE id = :id"), {"error": error, "id": vm_id})


def write_error_unless_on(session: Session, vm_id: int, error: str) -> None:
    """Likewise, of a VM that is off now: of one that is on, all is well."""
    session.execute(
        text(f"UPDATE vm SET error = :error WHERE id = :id AND NOT {is_on()}"), {"error": error, "id": vm_id}
    )


# ------------------------------------------------------------------ place

_PLACE = Prepared("place_vm", "UPDATE vm SET node_id = :node_id, node_claimed = true WHERE id = :id")
_REST = Prepared("rest_vm", "UPDATE vm SET error = '', contextualized_at = NULL, node_id = NULL WHERE id = :id")


def place_vm(session: Session, vm_id: int, node_id: int) -> None:
    """Its share of the node is claimed."""
    _PLACE.post(session, id=vm_id, node_id=node_id)


def place_nowhere(session: Session, vm_id: int) -> None:
    """Its share of its node is given back."""
    session.execute(text("UPDATE vm SET node_id = NULL WHERE id = :id"), {"id": vm_id})


def leave_node(session: Session, vm_id: int) -> None:
    """It is between two nodes: its share of the first is given back, and its guest is not up."""
    session.execute(text("UPDATE vm SET node_id = NULL, contextualized_at = NULL WHERE id = :id"), {"id": vm_id})


def rest_vm(session: Session, vm_id: int) -> None:
    """It is off, as it should be, and placed nowhere."""
    _REST.post(session, id=vm_id)


# ------------------------------------------------------------------ evidence

_MARK_LAUNCH = Prepared(
    "mark_launch",
    """
WITH made AS (UPDATE volume SET made = true, backing_id = CASE mode WHEN 'overlay' THEN backing_id END
               WHERE id = ANY(CAST(:made AS bigint[])))
   , left_behind AS (INSERT INTO console_leftover (vm_id, node_id)
                     SELECT id, console_node_id FROM vm WHERE id = :id AND console_node_id <> node_id
                         ON CONFLICT DO NOTHING)
   , goes_on AS (DELETE FROM console_leftover c USING vm v
                  WHERE v.id = :id AND c.vm_id = v.id AND c.node_id = v.node_id)
UPDATE vm SET launched_at = clock_timestamp(), launches = launches + 1, seen = 'unknown', save_image_id = NULL,
       seen_reason = '', doubt = '', doubt_since = NULL, contextualized_at = NULL, console_node_id = node_id
 WHERE id = :id RETURNING launched_at
""",
)


def mark_launch(session: Session, vm_id: int, made: list[int]) -> datetime:
    """
    A VM is going to be launched.

    :param made: the ids of its volumes that were made for that.
    :return: when; it names the launch.
    """
    at: datetime = _MARK_LAUNCH(session, id=vm_id, made=made).scalar_one()
    return at


_LAUNCHED = Prepared(
    "launched",
    "UPDATE vm SET seen = 'running', seen_reason = :reason, seen_at = clock_timestamp(), error = ''"
    " WHERE id = :id AND (:looked OR NOT seen = ANY(CAST(:gone AS text[]))) RETURNING vnc_generation",
)
_GONE = [str(seen) for seen in GONE]


def write_launched(
    session: Session, vm_id: int, *, looked: bool, reason: SeenReason = SeenReason.BOOTED
) -> int | None:
    """
    A VM was launched.

    :param looked: it was seen to run. Else its end may have come in already.
    :return: how often its screen was asked for, open or closed, until now. None where its end did: nothing was written.
    """
    generation: int | None = _LAUNCHED(session, id=vm_id, looked=looked, reason=reason, gone=_GONE).scalar()
    return generation


def write_made(session: Session, volume_ids: list[int]) -> None:
    """Volumes are there as a whole; what they were copied from they need no more."""
    session.execute(
        text(
            "UPDATE volume SET made = true, backing_id = CASE mode WHEN 'overlay' THEN backing_id END"
            " WHERE id = ANY(:ids)"
        ),
        {"ids": volume_ids},
    )


def write_released(session: Session, vm_id: int, at: datetime) -> None:
    """A hook told that a VM's domain has ended; why, its node has to be asked."""
    session.execute(text("UPDATE vm SET released_at = :at WHERE id = :id"), {"at": at, "id": vm_id})


def write_unexplained(session: Session, vm_id: int) -> None:
    """A hook told that it has ended while somebody was at it; it counts as on until its node was asked why."""
    session.execute(
        text(
            "UPDATE vm SET seen = CASE wanted WHEN 'paused' THEN 'paused' ELSE 'running' END, seen_reason = 'released',"
            " released_at = clock_timestamp() WHERE id = :id"
        ),
        {"id": vm_id},
    )


def forget_released(session: Session, vm_id: int) -> None:
    """It was started since by somebody else."""
    session.execute(
        text("UPDATE vm SET released_at = NULL WHERE id = :id AND released_at IS NOT NULL"), {"id": vm_id}
    )


def write_power(session: Session, vm_id: int, seen: Seen, reason: SeenReason) -> None:
    """A VM that is on was paused, or goes on; nothing of one whose end came in meanwhile."""
    session.execute(
        text(
            "UPDATE vm SET seen = :seen, seen_reason = :reason, seen_at = clock_timestamp()"
            f" WHERE id = :id AND {is_on()}"
        ),
        {"seen": seen, "reason": reason, "id": vm_id},
    )


def write_reset(session: Session, vm_id: int) -> None:
    """Likewise: it was reset, and its guest boots."""
    session.execute(
        text(
            "UPDATE vm SET contextualized_at = NULL, seen = 'running', seen_reason = 'reset',"
            f" seen_at = clock_timestamp() WHERE id = :id AND {is_on()}"
        ),
        {"id": vm_id},
    )


_NO_CONTEXT = Prepared("no_context", "UPDATE vm SET contextualized_at = NULL WHERE id = :id")
_CONTEXT = Prepared(
    "context",
    "UPDATE vm SET contextualized_at = clock_timestamp(), boot_s = CASE WHEN seen_reason IN ('', 'booted', 'reset')"
    " THEN extract(epoch FROM clock_timestamp() - CASE seen_reason WHEN 'reset' THEN seen_at ELSE launched_at END)"
    " ELSE boot_s END WHERE id = :id",
)


def write_down(session: Session, vm_id: int) -> None:
    """Its guest is not up any more."""
    _NO_CONTEXT.post(session, id=vm_id)


def write_up(session: Session, vm_id: int) -> None:
    """Its guest said hello."""
    _CONTEXT.post(session, id=vm_id)


# ------------------------------------------------------------------ its screen


class Screen(NamedTuple):
    """Where a VM's screen is to be seen: its node's address, and a port."""

    address: str
    port: int


_SCREEN = Prepared(
    "screen_of", "SELECT n.address, p.port FROM vnc_port p JOIN node n ON n.id = p.node_id WHERE p.vm_id = :id"
)


def screen_of(session: Session, vm_id: int) -> Screen | None:
    """None while it has no port of a node."""
    found = _SCREEN(session, id=vm_id).first()
    return None if found is None else Screen(found.address, found.port)
