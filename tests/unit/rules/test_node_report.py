"""What follows from an agent's report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import DriftKind, NodeTrouble
from cm.rules.node_report import BEHIND, REMEDIES, TEXT_MAX, Assessment, Hook, Problem, Report, assess

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WANTED = {"networks": "n1", "firewall": "f1"}


def report(*codes: str, **told: Any) -> Report:
    problems = [Problem(code, f"{code} it is") for code in codes]
    told = {"applied": WANTED, "problems": problems, **told}
    return Report(protocol=2, run="r", sequence=1, boot_id="b", **told)


def judged(told: Report, before: Assessment | None = None, now: datetime = NOW, hook: str = "3") -> Assessment:
    troubles, behind_since = (before.troubles, before.behind_since) if before else ((), None)
    return assess(told, WANTED, hook, troubles, behind_since, now)


def codes(found: Assessment) -> list[str]:
    return [each["code"] for each in found.troubles]


def test_well() -> None:
    """Nothing is wrong with a node that has applied everything."""
    assert judged(report()) == Assessment((), "", None, ())


def test_gravest_first() -> None:
    """What keeps VMs away stands first, whatever came first; each code once, with all that was said of it."""
    found = judged(report("hook_outdated", "metadata_failed", "nft_missing", "metadata_failed"))
    assert codes(found) == ["nft_missing", "metadata_failed", "hook_outdated"]
    assert found.unfit == "nft_missing" and found.troubles[1]["text"] == "metadata_failed it is"


def test_bearable() -> None:
    """Troubles that harm no new VM are shown, and keep none away."""
    found = judged(report("bridge_missing"))
    assert codes(found) == ["bridge_missing"] and found.unfit == ""


@pytest.mark.parametrize("code", ["brand_new", "agent_silent", "other_host", "document_behind"])
def test_unknown(code: str) -> None:
    """A code of a newer agent is shown; one that is ours to say is taken for no word of ours."""
    found = judged(report(code))
    assert codes(found) == ["other_problem"] and found.unfit == "" and code in found.troubles[0]["text"]


def test_since() -> None:
    """A trouble is as old as it is, also when others come and go."""
    first = judged(report("nft_missing"))
    later = judged(report("firewall_failed", "nft_missing"), first, NOW + timedelta(minutes=5))
    since = {each["code"]: each["since"] for each in later.troubles}
    assert since == {"nft_missing": NOW.isoformat(), "firewall_failed": (NOW + timedelta(minutes=5)).isoformat()}
    gone = judged(report(), later, NOW + timedelta(minutes=6))
    assert judged(report("nft_missing"), gone, NOW + timedelta(minutes=7)).troubles[0]["since"] > since["nft_missing"]


def test_behind() -> None:
    """A section may take its time; one that is not applied for long is a trouble and drift. A problem tells more."""
    old = report(applied={"networks": "n1", "firewall": "f0"})
    first = judged(old)
    assert (first.troubles, first.unfit, first.behind_since, first.findings) == ((), "", NOW, ())
    still = judged(old, first, NOW + BEHIND - timedelta(seconds=1))
    assert still.troubles == () and still.behind_since == NOW
    late = judged(old, still, NOW + BEHIND)
    assert late.unfit == "document_behind" and "firewall" in late.troubles[0]["text"]
    [finding] = late.findings
    assert (finding.kind, finding.subject) == (DriftKind.DOCUMENT_BEHIND, "firewall")
    assert dict(finding.evidence) == {"wanted": "f1", "applied": "f0"}
    told = judged(report("nft_missing", applied={"networks": "n1"}), still, NOW + BEHIND)
    assert codes(told) == ["nft_missing"] and len(told.findings) == 1
    assert judged(report(), late, NOW + BEHIND * 2) == Assessment((), "", None, ())


def test_other_hook() -> None:
    """Another hook than the wanted one is drift; with none wanted, or none told of, nothing is said."""
    hook = Hook("/etc/libvirt/hooks/qemu", "2")
    [finding] = judged(report(hook=hook)).findings
    assert (finding.kind, dict(finding.evidence)["installed"]) == (DriftKind.WRONG_HOOK, "2")
    assert judged(report(hook=hook), hook="").findings == judged(report()).findings == ()
    assert judged(report(hook=Hook("/etc/libvirt/hooks/qemu", "3"))).findings == ()


def test_documented() -> None:
    """Each trouble is explained to operators, and of each that keeps VMs away is said that it does."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("node.md", "operator.md")]
    for code in NodeTrouble:
        assert any(f"| `{code.value}`" in page for page in pages), code
        if code in REMEDIES:
            [line] = [each for each in pages[0].splitlines() if each.startswith(f"| `{code.value}` |")]
            assert line.split("|")[3].strip() == "none", code


@given(st.lists(st.tuples(st.sampled_from([*NodeTrouble, "new"]), st.text(max_size=500)), max_size=50))
def test_any(problems: list[tuple[str, str]]) -> None:
    """Of whatever is reported: texts are bounded, each code stands once, and unfit is the first that has a remedy."""
    found = judged(report(problems=[Problem(code, told) for code, told in problems]))
    assert len(set(codes(found))) == len(found.troubles)
    assert all(len(each["text"]) <= TEXT_MAX for each in found.troubles)
    grave = [code for code in codes(found) if code in REMEDIES]
    assert found.unfit == (grave[0] if grave else "")
    assert bool(problems) == bool(found.troubles)
