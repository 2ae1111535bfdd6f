"""libvirt's numbers for states, reasons and events as words (libvirt/libvirt-domain.h)."""

from __future__ import annotations

from typing import Final

from cm.interfaces.hypervisor import DomainSeen
from cm.rpc.vocabulary import Seen, SeenReason

# virDomainState. Nothing is known of 0 ("no state"); 2 is Xen's "blocked"; in 4 ("being shut down") QEMU still runs.
_STATES: Final = {
    0: Seen.UNKNOWN,
    1: Seen.RUNNING,
    2: Seen.RUNNING,
    3: Seen.PAUSED,
    4: Seen.RUNNING,
    5: Seen.OFF,
    6: Seen.CRASHED,
    7: Seen.PAUSED,
}
# Likewise in libvirt's own words, but that the managed-node model calls a paused domain suspended.
_WORDS: Final = (
    "nostate", "running", "blocked", "suspended", "shutdown", "shutoff", "crashed", "pmsuspended",
)  # fmt: skip
_RUNNING: Final = (
    "other", "booted", "migrated", "restored", "from_snapshot", "unpaused", "migration_canceled", "save_canceled",
    "wakeup", "crashed", "postcopy", "postcopy_failed",
)  # fmt: skip
_PAUSED: Final = (
    "other", "user", "migration", "save", "dump", "io_error", "watchdog", "from_snapshot", "shutting_down",
    "snapshot", "crashed", "starting_up", "postcopy", "postcopy_failed", "api_error",
)  # fmt: skip
_OFF: Final = (
    "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "daemon",
)  # fmt: skip
# virDomain...Reason: 0 says nothing, but of a domain that is off: it is so since its host was.
_REASONS: Final = {1: _RUNNING, 3: _PAUSED, 4: ("other", "user"), 5: _OFF, 6: ("other", "panicked")}

# virDomainEventType and the details of each
_EVENTS: Final = (
    "defined", "undefined", "started", "suspended", "resumed", "stopped", "shutdown", "pm_suspended", "crashed",
)  # fmt: skip
_DETAILS: Final = {
    0: ("added", "updated", "renamed", "from_snapshot"),
    1: ("removed", "renamed"),
    2: ("booted", "migrated", "restored", "from_snapshot", "wakeup"),
    3: ("paused", "migrated", "io_error", "watchdog", "restored", "from_snapshot", "api_error", "postcopy"),
    4: ("unpaused", "migrated", "from_snapshot", "postcopy"),
    5: ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot"),
    6: ("finished", "guest", "host"),
    7: ("memory", "disk"),
    8: ("panicked", "crashloaded"),
}


def seen(uuid: str, name: str, state: int, reason: int, persistent: bool = True) -> DomainSeen:
    words = _REASONS.get(state, ())
    word = SeenReason(words[reason]) if 0 <= reason < len(words) else SeenReason.OTHER
    return DomainSeen(uuid, name, _STATES.get(state, Seen.UNKNOWN), word, persistent)


def event_words(event: int, detail: int) -> tuple[str, str]:
    name = _EVENTS[event] if 0 <= event < len(_EVENTS) else "unknown"
    details = _DETAILS.get(event, ())
    return name, details[detail] if 0 <= detail < len(details) else "unknown"


def managed_state(state: int, reason: int) -> tuple[str, str]:
    """A domain's state and the reason for it, as the managed-node model has them."""
    words = _REASONS.get(state, ())
    return (
        _WORDS[state] if 0 <= state < len(_WORDS) else _WORDS[0],
        words[reason] if 0 <= reason < len(words) else "unknown",
    )
