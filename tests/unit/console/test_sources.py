"""Server-sent events: reading them, going on after a break, and lists that follow them."""

from __future__ import annotations

import itertools
import json

import pytest

from clm.console import sources, watching
from clm.console.context import Console, Options
from clm.console.problems import Problem
from clm.console.sources import NoFeed, follow

from .conftest import Wawel, log_in
from .wire import Wire


def test_cursor_alone(anna: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id without data moves the cursor, and is no event."""
    monkeypatch.setattr(sources, "RETRY_S", (0.01,))
    lone.events.script = [[b"retry: 2000\nid: 7\n\n", b": beat\n\n"], [event(8)]]
    assert [each.id for each in itertools.islice(filter(None, follow(Console())), 1)] == ["8"]
    assert [each.get(b"cursor") for each in lone.events.asked] == [None, [b"7"]]


def event(cursor: int, **data: object) -> bytes:
    return f"id: {cursor}\nevent: change\ndata: {json.dumps(data)}\n\n".encode()


def test_follow_goes_on(anna: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a break it asks for what came after the last event it saw; nothing is repeated or lost."""
    monkeypatch.setattr(sources, "RETRY_S", (0.01,))
    lone.events.script = [[event(1), event(2)], [], [event(3), b"id: 4\nda"], [event(4)]]
    seen = itertools.islice((each.id for each in follow(Console()) if each is not None), 4)
    assert list(seen) == ["1", "2", "3", "4"]
    assert [each.get(b"cursor") for each in lone.events.asked] == [None, [b"2"], [b"2"], [b"3"]]


def test_refused(wawel: Wawel, lone: Wire, cloud: Wire) -> None:
    """Who is not logged in is told so; a server without events is another matter."""
    with pytest.raises(Problem) as caught:
        next(follow(Console(Options(url=lone.url))))
    assert caught.value.exit_code == 3
    with pytest.raises(NoFeed):
        next(follow(Console(Options(url=cloud.url))))


def test_events(anna: Wawel, lone: Wire) -> None:
    """An event a line, of the kind asked for, as many as asked for."""
    lone.events.script = [
        [event(1, kind="image", object_id=1), event(2, kind="vm", object_id=5, object={"name": "web"}), event(3)]
    ]
    done = anna("events", "--kind", "vm", "--count", "1")
    assert (done.code, done.out.split()) == (0, ["change", "vm", "5", "web"])
    lone.events.script = [[b"event: reset\ndata: {}\n\n"], [event(9)]]
    done = anna("events", "--count", "2", "--cursor", "1.2.3", "-o", "json")
    assert [json.loads(line)["event"] for line in done.out.splitlines()] == ["reset", "change"]
    assert lone.events.asked[1][b"cursor"] == [b"1.2.3"]


def test_ticks_by_events(anna: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is looked at when the stream stands and when such an object changes, not for others' changes."""
    put: list[bool] = []
    lone.events.script = [[event(1, kind="image"), event(2, kind="vm")], [event(3, kind="vm")]]
    monkeypatch.setattr(sources, "RETRY_S", (0.01,))
    watching._listen(Console(), "vm", False, put.append)
    assert put == [True, True, True, True, False]  # two connections, two changes, and the end


def test_ticks_by_asking(wawel: Wawel, cloud: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no events are told, the list is looked at every so often."""
    log_in(cloud)
    monkeypatch.setattr(watching, "POLL_S", 0.02)
    assert len(list(itertools.islice(watching.ticks(Console(), "vm", False), 5))) == 5


def test_watch(wawel: Wawel, cloud: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is printed again when it changed, and only then; Ctrl-C ends it."""
    log_in(cloud)
    monkeypatch.setattr(watching, "POLL_S", 0.01)
    vm, looks = cloud.cluster.add_vm("web"), itertools.count()
    ticks = watching.ticks

    def counted(*args: object) -> object:
        for _ in ticks(*args):  # type: ignore[arg-type]
            number = next(looks)
            vm["state"] = "running" if number < 3 else "stopped"
            if number == 6:
                raise KeyboardInterrupt
            yield

    monkeypatch.setattr(watching, "ticks", counted)
    done = wawel("vm", "ls", "--watch", "--no-headers")
    assert done.code == 130
    assert [line.split()[2] for line in done.out.splitlines() if line] == ["running", "stopped"]
