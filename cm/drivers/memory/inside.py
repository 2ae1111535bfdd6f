"""What is within a guest, as far as its agent changes and tells it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cm.interfaces.guest_agent import GuestFacts


@dataclass
class Inside:
    """
    What is within a guest that an agent can change.

    :ivar accounts: those that there are.
    :ivar left: how it was asked to go down or anew: "power_off", "reboot".
    """

    facts: GuestFacts = GuestFacts(hostname="guest")
    accounts: dict[str, list[str]] = field(default_factory=lambda: {"root": []})
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    unix_s: float = 0.0
    left: list[str] = field(default_factory=list)
