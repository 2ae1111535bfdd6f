"""
What a node's agent reports of it, and what follows: which troubles it has, whether VMs may be placed there. Pure.

``docs/node.md`` has the report and all codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cm.rpc.vocabulary import DriftKind, NodeTrouble
from cm.rules.reconcile import Finding

SHAPING: Final = "shaping"  # the capability of agents whose kernels hold limits of bandwidth
PROTOCOL: Final = 2  # of agents that report; those of before are 1
BEHIND: Final = timedelta(seconds=30)  # after which a section that is not applied is a trouble
TEXT_MAX: Final = 400  # characters of a trouble's


@dataclass(frozen=True)
class Problem:
    """``code`` is one of ``NodeTrouble``, or one that a newer agent knows."""

    code: str
    text: str
    subject: str = ""


@dataclass(frozen=True)
class Bridge:
    """One network of the document, as it is on the node. ``taps``: guests' links on it."""

    network: str
    bridge: str
    present: bool
    metadata: bool = False
    taps: int = 0


@dataclass(frozen=True)
class Difference:
    """
    What is, or was just now, otherwise than the agent had made it.

    :ivar kind: "link", "rules" or "public", or one that a newer agent knows.
    :ivar subject: the network, the table of nftables, the public address.
    """

    kind: str
    subject: str
    text: str = ""


@dataclass(frozen=True)
class Hook:
    """``version``: of the installed one, empty without; ``last``: unix seconds, when it wrote its last record."""

    path: str
    version: str = ""
    last: float | None = None


@dataclass(frozen=True)
class Report:
    """
    :ivar run: names this run of the agent; ``sequence`` counts its reports.
    :ivar document: the version of the document that it has.
    :ivar applied: versions of sections, of those that are in place.
    :ivar versions: of programs, by name.
    :ivar rules: digests of the nftables tables as they are listed.
    :ivar public: addresses that the node answers for.
    :ivar differences: what somebody else changed in the node's networks.
    :ivar uplinks: interfaces of the node's own, bridges among them, that guests may be put on.
    :ivar load: its load averages over 1, 5 and 15 minutes, as far as its agent tells.
    :ivar coming: public addresses of guests on their way to it, which it translates already.
    """

    protocol: int
    run: str
    sequence: int
    boot_id: str
    document: str = ""
    applied: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    capabilities: Sequence[str] = ()
    bridges: Sequence[Bridge] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    hook: Hook | None = None
    public: Sequence[str] = ()
    differences: Sequence[Difference] = ()
    uplinks: Sequence[str] = ()
    load: Sequence[float] = ()
    coming: Sequence[str] = ()


# What makes VMs fail on the node, or lets guests do harm there, with what helps; what is not here is only shown.
REMEDIES: Final[Mapping[NodeTrouble, str]] = {
    NodeTrouble.NFT_MISSING: "install nftables there",
    NodeTrouble.FIREWALL_FAILED: "see why nft refuses the rules there: the agent's log has its complaint",
    NodeTrouble.LINKS_UNKNOWN: "install iproute2 there, or see why ip fails",
    NodeTrouble.METADATA_FAILED: "see why the metadata address is not served there: the agent's log tells",
    NodeTrouble.DNSMASQ_MISSING: "reload libvirtd there, which starts it again",
    NodeTrouble.HOOK_MISSING: "repeat wawel-node enrol there, which installs the hook",
    NodeTrouble.DOCUMENT_REFUSED: "upgrade wawel-node there",
    NodeTrouble.DOCUMENT_BEHIND: "see the agent's log there, and restart wawel-node",
    NodeTrouble.NETWORK_STUCK: "see which program hangs there, and restart wawel-node",
}
_CODES: Final = {code.value: code for code in NodeTrouble}
# The manager's own judgement, whatever a report calls its problems.
_NOT_REPORTED: Final = frozenset(
    {NodeTrouble.AGENT_SILENT, NodeTrouble.HOOKS_SILENT, NodeTrouble.OTHER_HOST, NodeTrouble.DOCUMENT_BEHIND}
)
# What somebody else changed, by the report's word for it, with what helps.
_DIFFERING: Final[Mapping[str, tuple[DriftKind, str]]] = {
    "link": (DriftKind.WRONG_LINK, "see who changes devices and routes there; the agent puts them right again"),
    "rules": (
        DriftKind.WRONG_RULES,
        "see who changes nftables there, such as the reload of a firewall; the agent puts them right again",
    ),
    "public": (
        DriftKind.WRONG_PUBLIC,
        "remove it there (ip neigh show proxy, ip address), or take the public address out: two nodes may answer",
    ),
}
KINDS: Final = (  # of drift that a report leads to
    DriftKind.DOCUMENT_BEHIND, DriftKind.WRONG_HOOK, *(kind for kind, _ in _DIFFERING.values()),
)  # fmt: skip


@dataclass(frozen=True)
class Assessment:
    """
    :ivar troubles: the gravest first, each ``code``, ``since`` (ISO 8601), ``text``, and whether it keeps VMs away,
        ``blocks``.
    :ivar unfit: the code of the first that keeps VMs away; empty: none does.
    :ivar behind_since: since when a section that is wanted is not applied.
    """

    troubles: tuple[Mapping[str, Any], ...]
    unfit: str
    behind_since: datetime | None
    findings: tuple[Finding, ...]


def assess(
    report: Report,
    wanted: Mapping[str, str],
    hook_version: str,
    before: Sequence[Mapping[str, Any]],
    behind_since: datetime | None,
    now: datetime,
) -> Assessment:
    """
    :param wanted: the versions of the sections of the node's document.
    :param hook_version: of the hook that the node should have.
    :param before: the node's troubles as they were assessed last; ``behind_since`` likewise.
    """
    behind = sorted(name for name, version in wanted.items() if report.applied.get(name) != version)
    behind_since = (behind_since or now) if behind else None
    texts: dict[NodeTrouble, list[str]] = {}
    for problem in report.problems:
        code = _CODES.get(problem.code, NodeTrouble.OTHER_PROBLEM)
        if code in _NOT_REPORTED:
            code = NodeTrouble.OTHER_PROBLEM
        texts.setdefault(code, []).append(problem.text)
    # Of a section that cannot be applied the problem says more.
    late = behind_since is not None and now - behind_since >= BEHIND
    if late and not any(code in REMEDIES for code in texts):
        said = f"Its agent has not applied what is wanted: {', '.join(behind)}."
        texts[NodeTrouble.DOCUMENT_BEHIND] = [said]
    since = {str(each["code"]): str(each["since"]) for each in before}
    order = sorted(texts, key=lambda code: (code not in REMEDIES, list(NodeTrouble).index(code)))
    troubles = tuple(
        {
            "code": code.value,
            "since": since.get(code.value, now.isoformat()),
            "text": _shortened("; ".join(dict.fromkeys(texts[code]))),
            "blocks": code in REMEDIES,
        }
        for code in order
    )
    unfit = order[0].value if order and order[0] in REMEDIES else ""
    return Assessment(troubles, unfit, behind_since, _findings(report, wanted, hook_version, behind if late else ()))


def _findings(
    report: Report, wanted: Mapping[str, str], hook_version: str, behind: Sequence[str]
) -> tuple[Finding, ...]:
    found = [
        Finding(
            DriftKind.DOCUMENT_BEHIND,
            name,
            None,
            (("wanted", wanted[name]), ("applied", report.applied.get(name, ""))),
            "see the node's troubles and its agent's log",
        )
        for name in behind
    ]
    for each in report.differences:
        if each.kind in _DIFFERING:
            kind, proposal = _DIFFERING[each.kind]
            found.append(Finding(kind, each.subject, None, (("found", each.text),), proposal))
    hook = report.hook
    if hook is not None and hook_version and hook.version != hook_version:
        evidence = (("wanted", hook_version), ("installed", hook.version), ("path", hook.path))
        found.append(Finding(DriftKind.WRONG_HOOK, "hook", None, evidence, "repeat wawel-node enrol on the node"))
    return tuple(found)


def _shortened(told: str) -> str:
    return told if len(told) <= TEXT_MAX else told[: TEXT_MAX - 1] + "…"
