"""Every pool, queue and limit of the daemons stands in the table of docs/limits.md, with its share and its refusal."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bounds import BOTH, BOUNDS, CLM, CM, ENDPOINT, NODE, OTHERS, value_of
from clm.daemon.settings import ClustersSettings
from cm.rpc.limits import Limits

REPOSITORY = Path(__file__).resolve().parents[2]

# What constants are called that bound something. Times (_S) are not counted.
NAMES = re.compile(
    r"_MAX$|_LIMIT$|^PER_|_PER_|PARALLEL|CONCURRENT|CONNECTIONS|QUEUE|LOOKUPS|ENROLMENTS|KEPT|SIZE|BACKLOG|REMEMBER"
    r"|AT_ONCE|CALLS|WAITS|HANGING|BATCH|PAGE|SHARE"
)
SOURCES = {each.source for each in BOUNDS}


def constants() -> Iterator[str]:
    """``module:NAME`` of what daemons define at the top of a module, by a name that says that it bounds something."""
    for root in ("cm", "clm", "contextualization", "node_hooks"):
        for path in sorted((REPOSITORY / root).rglob("*.py")):
            module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
            if module.startswith("clm.console"):
                continue
            for node in ast.parse(path.read_text()).body:
                target: Any = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
                name = getattr(target, "id", "")
                if name.isupper() and NAMES.search(name) and not name.endswith("_S"):
                    yield f"{module}:{name}"


def covers(name: str, constant: str) -> bool:
    """Whether a line of ``OTHERS`` is about this constant, its module or its package."""
    return constant == name or constant.startswith((f"{name}:", f"{name}."))


@pytest.mark.parametrize("constant", list(constants()))
def test_listed(constant: str) -> None:
    """A constant that bounds something is in the table, or it is said why not."""
    listed = constant in SOURCES or any(source.startswith(f"{constant}.") for source in SOURCES)
    assert listed or any(covers(name, constant) for name in OTHERS), f"{constant} is missing in docs/bounds.py"


def test_settings() -> None:
    """Every setting of ``[limits]`` that is a number of something is in the table, by itself or with its whole."""
    text = " ".join(f"{each.source} {each.share}" for each in BOUNDS)
    parts = ("_per_account", "_per_address", "_kept", "_per_s", "_share", "_times")
    for table, cls in (("limits", Limits), ("clusters", ClustersSettings)):
        for each in fields(cls):
            whole = each.name
            for part in parts:
                whole = whole.removesuffix(part)
            known = (
                f"{table}.{each.name}" in text or f"{table}.{whole}" in SOURCES or each.name.endswith(("_times", "_s"))
            )
            assert known, f"{table}.{each.name} is missing in docs/bounds.py"


def test_whole() -> None:
    """Each is of a daemon that there is, has a size above zero, a share and an answer; and none is told twice."""
    pytest.importorskip("libvirt")  # some stand in its driver
    assert {each.daemon for each in BOUNDS} == {BOTH, CM, CLM, ENDPOINT, NODE}
    assert all(value_of(each.source) and each.share and each.beyond for each in BOUNDS)
    assert len({(each.daemon, each.source) for each in BOUNDS}) == len(BOUNDS)
    numbers = {
        "100 of one account, 300": "under_way",
        "50 of one account, 500": "waits",
        "20 of one account, 400": "streams",
    }
    for told, kind in numbers.items():
        share = Limits().share(kind)  # type: ignore[arg-type]
        assert told == f"{share.per_account} of one account, {share.per_address}"
        assert any(each.share.startswith(told) and f"the last {share.kept} for" in each.share for each in BOUNDS)


def test_others() -> None:
    """Nothing is excused that is gone."""
    every = list(constants())
    stale = [name for name in OTHERS if not any(covers(name, each) for each in every)]
    assert not stale
