"""Lists on narrow terminals: nothing is folded, and what matters is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.console import layout
from clm.console.columns import columns
from clm.console.names import KINDS
from clm.console.output import width
from clm.console.root import DAILY, by_hand

from .conftest import Wawel
from .terminal import Terminal
from .wire import Wire


def lines_of(terminal: Terminal) -> list[str]:
    terminal.expect("running")
    terminal.settle(0.3)
    assert terminal.end() == 0
    text = terminal.all
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"):
        text = text.replace(code, "")
    assert "\x1b" not in text, text
    return [line.rstrip() for line in text.replace("\r", "").split("\n")]


@pytest.mark.parametrize("columns", [200, 80, 60, 40, 20])
def test_addresses_stay_whole(anna: Wawel, lone: Wire, home: Path, columns: int) -> None:
    """Whatever the width, an address, a name and a state stand on one line each, and no line is too long for it."""
    vm = lone.cluster.add_vm("a-web-server")
    vm["leases"], vm["created"] = [{"address": "10.128.100.200"}], "2026-01-02T03:04:05Z"
    vm |= {"image_name": "debian-12-generic-cloud-amd64", "user_login": "somebody@example.org", "access": "owner"}
    lines = lines_of(Terminal(["vm", "ls"], home, columns=columns))
    assert any("10.128.100.200" in line for line in lines), lines
    assert any("a-web-server" in line for line in lines) and any("running" in line for line in lines)
    assert all(width(line) <= columns for line in lines if "No room for" not in line), lines
    rows = [line for line in lines if line.startswith("1 ")]
    if columns >= 60:
        assert len(rows) == 1 and "10.128.100.200" in rows[0], lines
    assert any("No room for" in line for line in lines) == (columns in (60, 80)), lines


def test_watched_lists_fit(anna: Wawel, lone: Wire, home: Path) -> None:
    """Likewise a list that stays."""
    lone.cluster.add_vm("web")["leases"] = [{"address": "10.128.100.200"}]
    terminal = Terminal(["vm", "ls", "--watch"], home, columns=60)
    terminal.expect("10.128.100.200")
    terminal.type("\x03")
    assert terminal.end() == 130


HEADINGS = st.lists(st.sampled_from(sorted(layout.NEEDED | set(layout.TEXTS) | set(layout.FIRST_OUT) | {"X", "Y"})),
                    min_size=1, max_size=9, unique=True)  # fmt: skip


@given(HEADINGS, st.data(), st.integers(1, 200))
def test_fits_or_is_none(headings: list[str], data: st.DataObject, room: int) -> None:
    """A layout is no wider than the room, keeps all that is needed, wastes none, and says what it leaves out."""
    widths = [max(len(h), data.draw(st.integers(0, 60))) for h in headings]
    made = layout.fit(headings, widths, room)
    if not made.widths:
        return
    assert sum(made.widths.values()) + layout.GAP * (len(made.widths) - 1) <= room
    shown = {headings[n] for n in made.widths}
    assert shown | set(made.left_out) == set(headings) and not shown & set(made.left_out)
    assert not set(made.left_out) & layout.NEEDED
    assert all(made.widths[n] <= widths[n] for n in made.widths)
    if sum(widths) + layout.GAP * (len(widths) - 1) <= room:
        assert made.widths == dict(enumerate(widths))


@given(st.text(st.characters(exclude_categories=("C",)), max_size=20), st.integers(1, 20))
def test_cut(text: str, wide: int) -> None:
    """What is cut ends with an ellipsis and is never wider than it may be."""
    made = layout.cut(text, wide, width(text))
    assert width(made) <= wide and (made == text or made.endswith("…"))


def test_snapshots() -> None:
    """A list of snapshots says of what disk each is, how its guest was, and how old it is; not what programs need."""
    item = {
        "snapshot_id": 12, "name": "before", "disk_name": "web", "vm_id": 3, "size_bytes": 2**30,
        "consistency": "frozen", "taken": "2026-01-01T00:00:00Z", "uuid": "u", "claimed_bytes": 2**30,
    }  # fmt: skip
    headings = [column.heading for column in columns("snapshot", [item])]
    assert headings == ["ID", "NAME", "DISK", "VM", "SIZE", "GUEST", "AGE"]


def test_nouns_of_daily_work() -> None:
    """Disks and snapshots stand where VMs and images do, and are named by what they are called."""
    for noun in ("disk", "snapshot"):
        command = by_hand(noun)
        assert command is not None and command.help == DAILY[noun]
        assert KINDS[noun].id_field == f"{noun}_id"
