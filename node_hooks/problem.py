"""What an agent can find amiss on its node. ``docs/node.md`` says of each code what it means and what helps."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from node_hooks.difference import Difference

log = logging.getLogger("wawel.node.problem")

NFT_MISSING = "nft_missing"
FIREWALL_FAILED = "firewall_failed"
LINKS_UNKNOWN = "links_unknown"
METADATA_FAILED = "metadata_failed"
DNSMASQ_MISSING = "dnsmasq_missing"
LINK_FAILED = "link_failed"
DHCP_FAILED = "dhcp_failed"
PUBLIC_FAILED = "public_failed"
SHAPING_FAILED = "shaping_failed"
BRIDGE_MISSING = "bridge_missing"
HOOK_MISSING = "hook_missing"
HOOK_OUTDATED = "hook_outdated"
DOCUMENT_REFUSED = "document_refused"
NETWORK_STUCK = "network_stuck"
CONSOLES_UNBOUNDED = "consoles_unbounded"
STORAGE_SILENT = "storage_silent"
LOCKS_NOT_RECOVERED = "locks_not_recovered"


@dataclass(frozen=True)
class Problem:
    """
    :ivar subject: what it is about, such as a bridge.
    :ivar text: for people; a sentence without its end.
    :ivar sections: of the document, that are not in place because of it.
    """

    code: str
    subject: str
    text: str
    sections: tuple[str, ...] = ()


def failed_sections(problems: Iterable[Problem]) -> frozenset[str]:
    return frozenset(section for problem in problems for section in problem.sections)


class Complaints:
    """What is amiss by subject, for one thread: logged when it is new."""

    def __init__(self) -> None:
        self._problems: dict[str, Problem] = {}
        self._differences: dict[tuple[str, str], tuple[Difference, float]] = {}

    def tell(self, code: str, subject: str, text: str, sections: tuple[str, ...] = ()) -> None:
        problem = Problem(code, subject, text, sections)
        if self._problems.get(subject) != problem:
            self._problems[subject] = problem
            log.warning("%s: %s", subject, text)

    def withdraw(self, subject: str) -> None:
        self._problems.pop(subject, None)

    def differ(self, kind: str, subject: str, text: str, until: float) -> None:
        """:param until: by the caller's clock, when it is no longer told, unless it is found again."""
        difference = Difference(kind, subject, text)
        known, _ = self._differences.get((kind, subject), (None, 0.0))
        if known != difference:
            log.warning("%s %s is not as it was made: %s", kind, subject, text)
        self._differences[kind, subject] = (difference, until)

    def differences(self, now: float) -> tuple[Difference, ...]:
        """Sorted."""
        self._differences = {key: each for key, each in self._differences.items() if now < each[1]}
        return tuple(sorted(difference for difference, _ in self._differences.values()))

    def find(self, subject: str) -> Problem | None:
        return self._problems.get(subject)

    def subjects(self) -> list[str]:
        return list(self._problems)

    def all(self) -> tuple[Problem, ...]:
        """Sorted by subject."""
        return tuple(self._problems[subject] for subject in sorted(self._problems))
