"""What servers tell people, a code and its parameters, as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from clm.console.descriptions import DATA
from clm.console.problems import one_line

SENTENCES: Final = {
    "vm_ended": "VM {name} ended by itself; it is {then} now.",
    "vm_panicked": "The kernel of VM {name}'s guest panicked; its console's log may tell why.",
    "vm_crashed": "The QEMU of VM {name} ended without being asked to.",
    "vm_hung": "VM {name} hung: its watchdog was not fed any more ({then}).",
    "vm_memory_short": "VM {name} runs out of memory: {available_mib} of {memory_mib} MiB are left.",
    "vm_expires": "VM {name} will be {then} at {at}: its lease {expiry} ends; wawel expiry renew keeps it.",
    "vm_expired": "VM {name} was {then}: its expiry lease has ended.",
    "vm_storage_stopped": "VM {name} stands still: its storage takes no more, or gives errors; it goes on by itself.",
    "vm_storage_resumed": "VM {name} goes on: its storage has room again.",
    "disk_lost": "What was on disk {name} is lost, says an administrator.",
    "image_lost": "Image {name} is lost, says an administrator: VMs whose disks stand on it do not start any more.",
    "image_found": "Image {name} was lost, and is there again.",
    "snapshot_lost": "What snapshot {snapshot} of disk {name} held is lost, says an administrator.",
    "snapshot_found": "Snapshot {snapshot} of disk {name} was lost, and is there again.",
    "disk_purged": "Disk {name} was deleted from the trash: its storage was running low.",
    "storage_low": "Storage {name} runs low: {available_bytes} of {capacity_bytes} bytes are free; {purged} disks were"
    " deleted from its trash.",
    "operation_trouble": "Operation {operation_id} ({kind}) failed, on node {node}, storage {storage}: {reason}",
    "point_limit": "Your VMs have cost {used} of this month's {limit} points ({percent} %).",
    "disk_found": "Disk {name} was lost, and is there again.",
    "vm_moved": "VM {name} was stopped and started again, on another node: its own was emptied.",
    "vm_saved": "VM {name} was saved as image {image_name}, and is gone.",
    "job_failed": "Job {name} was run, and {refused} of its {calls} calls were refused; wawel job get-runs tells more.",
    "image_imported": "Image {name} is there.",
    "change_requested": "{user_login} asks for something ({kind}): {text}; wawel change-request get-list --admin",
    "change_request_accepted": "What you asked for ({kind}) is done. {answer}",
    "change_request_declined": "What you asked for ({kind}) was declined: {answer}",
    "transfer_offered": "{user_login} offers you the {kind} {name} until {expires}:"
    " wawel transfer accept {transfer_id} takes it.",
    "transfer_accepted": "{to_login} accepted the {kind} {name}: it is theirs now.",
    "transfer_declined": "{to_login} declined the {kind} {name}: it stays yours.",
    "transfer_withdrawn": "{user_login} does not offer you the {kind} {name} any more.",
    "oidc_linked": "Your account can log in by {provider} from now on.",
    "group_deleted": "Group {group} was deleted.",
    "group_accepted": "You are in group {group} now.",
    "group_rejected": "Group {group} did not take you.",
    "group_removed": "You are in group {group} no more.",
    "group_left": "{login} left group {group}.",
    "group_leader": "You lead group {group} now.",
    "group_leader_changed": "Group {group} is led by somebody else now.",
    "group_request": "{login} asks to be taken into group {group}.",
}
# Of operations that failed, <kind>_failed: what could not be done. ``bin/generate`` takes it from the kinds.
WORK: Final[dict[str, str]] = msgspec.json.decode((DATA / "work.json").read_bytes(), type=dict[str, str])


class _Params(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def sentence(message: Mapping[str, Any]) -> str:
    """A message in words; of a code that is not known here, its parameters."""
    code, told = str(message.get("code") or ""), message.get("params")
    params = told if isinstance(told, Mapping) else {}
    shown = _Params({str(name): one_line(str(value)) for name, value in params.items()})
    if code in SENTENCES:
        return SENTENCES[code].format_map(shown)
    if code.removesuffix("_failed") in WORK:
        reason = one_line(str(params.get("reason") or params.get("error") or ""))
        number = params.get("operation_id")
        again = f" Operation {number}." if isinstance(number, int) else ""
        what = WORK[code.removesuffix("_failed")].format_map(shown)
        return f"{what}: {reason.rstrip('.') or 'no reason is told'}.{again}"
    return ", ".join(f"{one_line(name)}={value}" for name, value in shown.items())
