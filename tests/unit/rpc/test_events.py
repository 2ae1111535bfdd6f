"""Events of the feed as they are written, whose they are, and the cursors that lead from one to the next."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.event_lines import encode_event, sees, sees_as_administrator
from cm.rpc.vocabulary import Role
from cm.runtime.feed import FeedRow, Head, format_cursor, parse_cursor, resumes

AT = datetime(2026, 11, 23, 7, 0, 0, 5, UTC)
EPOCH = "0123456789abcdef"
BIGINT = st.integers(0, 2**63 - 1)
POSITIONS = st.tuples(BIGINT, BIGINT)


def row(**more: Any) -> FeedRow:
    return FeedRow(**{
        "position": (5, 7), "kind": "vm", "object_id": 3, "uuid": "u", "event": "change", "at": AT, **more,
    })  # fmt: skip


def person(account_id: int, issuer: str = "", groups: tuple[int, ...] = ()) -> Identity:
    return Identity(account_id, "x", frozenset({Role.USER}), groups, issuer=issuer)


def read(lines: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """An event as a reader parses it."""
    assert lines.endswith(b"\n\n") and lines.count(b"\n") == 4
    fields = dict(line.split(": ", 1) for line in lines.decode().split("\n") if line)
    return fields, json.loads(fields["data"])


def test_encode() -> None:
    """An event is three lines; its object is put in as it was rendered, whatever stands in its texts."""
    shown = {"name": "a\nb", "\u2028": "ż\r"}
    for text in (json.dumps(shown), json.dumps(shown, indent=1, ensure_ascii=False)):
        fields, data = read(encode_event(row(object=text), EPOCH))
        assert (fields["id"], fields["event"]) == (f"{EPOCH}.5.7", "change")
        assert data == {
            "kind": "vm", "object_id": 3, "uuid": "u", "event": "change", "at": "2026-11-23T07:00:00.000005Z",
            "object": shown,
        }  # fmt: skip
    _, data = read(encode_event(row(event="exit", uuid=None, personal=True), EPOCH))
    assert (data["object"], data["uuid"], data["personal"]) == (None, None, True)


def test_encode_once() -> None:
    """All who are told the same share one text; cloud managers are told of their own people and groups alone."""
    made = row(external=frozenset({("a", 7), ("a", 3), ("b", 9)}), groups=frozenset({("a", 1), ("b", 2)}), public=True)
    assert encode_event(made, EPOCH) is encode_event(made, EPOCH)
    assert "audience" not in read(encode_event(made, EPOCH))[1]
    for issuer, users, groups in (("a", [3, 7], [1]), ("b", [9], [2]), ("c", [], [])):
        assert read(encode_event(made, EPOCH, issuer))[1]["audience"] == {
            "users": users, "groups": groups, "public": True,
        }  # fmt: skip


def test_sees() -> None:
    """By account, by a group of one's own cloud manager, or because everybody does."""
    made = row(users=frozenset({1, 2}), groups=frozenset({("a", 5)}))
    assert sees(made, person(1)) and sees(made, person(2, "a"))
    assert not sees(made, person(3)) and not sees(made, ANONYMOUS)
    assert sees(made, person(3, "a", (4, 5)))
    for wrong in (person(3, "b", (5,)), person(3, "", (5,)), person(3, "a", (6,)), person(3, "a")):
        assert not sees(made, wrong)
    assert sees(row(public=True), person(9))


def test_personal_exit() -> None:
    """That somebody lost sight of an object is theirs and their cloud manager's to know, not an administrator's."""
    made = row(event="exit", users=frozenset({1}), personal=True)
    assert sees(made, person(1)) and sees_as_administrator(made, person(1))
    assert not sees_as_administrator(made, person(2))
    assert sees_as_administrator(made, person(2, "a"))
    assert sees_as_administrator(row(), person(2))


@given(POSITIONS)
def test_cursor_returns(position: tuple[int, int]) -> None:
    assert parse_cursor(format_cursor(EPOCH, position)) == (EPOCH, position)


@given(st.text() | st.text("0123456789abcdef.", max_size=40))
def test_any_cursor(text: str) -> None:
    """Whatever the text, it is a cursor that is written so, or none."""
    parsed = parse_cursor(text)
    if parsed is not None:
        epoch, (xid, number) = parsed
        assert 0 <= xid < 2**63 and 0 <= number < 2**63
        assert text.split(".")[0] == epoch and [int(part) for part in text.split(".")[1:]] == [xid, number]


@given(POSITIONS, st.none() | POSITIONS, BIGINT, st.booleans())
def test_resumes(position: tuple[int, int], oldest: tuple[int, int] | None, xmax: int, known: bool) -> None:
    """A cursor goes on exactly when all after it is kept and it was given by this database."""
    head = Head(EPOCH, min(xmax, 5), xmax, oldest, known)
    wanted = position[0] <= xmax and (oldest is None or position >= oldest) and (known or position[1] == 0)
    assert resumes(head, EPOCH, position) == wanted
    assert not resumes(head, "f" * 16, position)
    assert oldest is not None or resumes(head, EPOCH, head.position)
