"""Delivery and the daemon: nothing lost, nothing stuck, whatever dies."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_endpoint import Endpoint, enrolled, install, run_hook, working, write_records

from node_hooks.agent import Agent
from node_hooks.client import Client, parse_endpoint
from node_hooks.delivery import LONGEST_PAUSE_S, Backoff, Delivery
from node_hooks.errors import EndpointRefused, EndpointUnavailable, WrongUse
from node_hooks.spool import Spool
from node_hooks.state import StateFile
from node_hooks.watch import DirectoryWatch
from support.wait import until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def delivery(spool: Spool, client: Client, tmp_path: Path) -> Delivery:
    return Delivery(spool, client, StateFile(tmp_path))


@pytest.fixture
def agent(tmp_path: Path, endpoint: Endpoint, spool: Spool) -> Iterator[Agent]:
    agent = Agent(tmp_path, enrolled(tmp_path, endpoint, spool))
    with working(agent):
        yield agent


def start_process(tmp_path: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "node_hooks", "run", "--state-dir", str(tmp_path), "--log-level", "debug"]
    return subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_supervised(tmp_path: Path, endpoint: Endpoint, spool: Spool) -> None:
    """A supervisor that asks for it (systemd's Type=notify) hears that the agent works, and that it ends."""
    enrolled(tmp_path, endpoint, spool)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(30)
        arguments = [sys.executable, "-m", "node_hooks", "run", "--state-dir", str(tmp_path)]
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL, env=environment) as process:
            told = ear.recv(4096).decode()
            assert told == f"READY=1\nSTATUS=node 7, delivers to {endpoint.url}"
            process.terminate()
            assert ear.recv(4096).startswith(b"STOPPING=1")
            assert process.wait(30) == 0


def test_batches(delivery: Delivery, endpoint: Endpoint, spool: Spool) -> None:
    """Records go in order, a hundred a call, and leave the spool."""
    write_records(spool.directory, 230)
    while delivery.deliver():
        pass
    assert endpoint.batches == [100, 100, 30]
    assert [number for _, number in endpoint.received] == list(range(1, 231))
    assert spool.numbers() == []


def test_boots(delivery: Delivery, endpoint: Endpoint, spool: Spool) -> None:
    """Records of the earlier boot go first, with its own boot id."""
    write_records(spool.directory, 2, "boot-a")
    write_records(spool.directory, 2, "boot-b")
    while delivery.deliver():
        pass
    assert endpoint.received == [("boot-a", 1), ("boot-a", 2), ("boot-b", 3), ("boot-b", 4)]
    assert endpoint.batches == [2, 2]


def test_rejected(delivery: Delivery, endpoint: Endpoint, spool: Spool) -> None:
    """A record that the endpoint will never take is set aside; the rest goes on."""
    write_records(spool.directory, 5)
    endpoint.poison = {2, 4}
    while delivery.deliver():
        pass
    assert [number for _, number in endpoint.received] == [1, 3, 5]
    assert spool.state().corrupt == 2 and spool.numbers() == []


def test_refused(spool: Spool, endpoint: Endpoint, tmp_path: Path) -> None:
    """A node that is not welcome keeps its records."""
    write_records(spool.directory, 3)
    stranger = Delivery(spool, Client(parse_endpoint(endpoint.url), None), StateFile(tmp_path))
    with pytest.raises(EndpointRefused):
        stranger.deliver()
    stranger.client.close()
    assert spool.numbers() == [1, 2, 3]


@pytest.mark.parametrize("acknowledged", [0, None, "3", True, 0.5])
def test_no_acknowledgement(
    delivery: Delivery, spool: Spool, monkeypatch: pytest.MonkeyPatch, acknowledged: object
) -> None:
    """An answer that acknowledges nothing of what was sent frees nothing."""
    write_records(spool.directory, 3)
    monkeypatch.setattr(delivery.client, "json", lambda *_: {"acknowledged": acknowledged})
    with pytest.raises(EndpointUnavailable):
        delivery.deliver()
    assert spool.numbers() == [1, 2, 3]


def test_corrupt_record(delivery: Delivery, endpoint: Endpoint, spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    """A corrupt record is named in the log and holds up nobody."""
    write_records(spool.directory, 3)
    (spool.directory / "000000000000001.json").write_text("{")
    with caplog.at_level(logging.ERROR):
        while delivery.deliver():
            pass
    assert "000000000000001.json" in caplog.text
    assert [number for _, number in endpoint.received] == [2, 3]


def test_backoff() -> None:
    """Pauses grow to five seconds, never beyond, and start again after a success."""
    low, high = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    pauses = [high.pause_s() for _ in range(10)]
    assert pauses == sorted(pauses) and pauses[0] == 0.1 and pauses[-1] == LONGEST_PAUSE_S
    assert [low.pause_s() for _ in range(10)] == [pause / 2 for pause in pauses]
    high.reset()
    assert high.pause_s() == 0.1


@pytest.mark.parametrize("use_inotify", [True, False])
def test_watch(tmp_path: Path, use_inotify: bool) -> None:
    """A record ends the wait at once, or within a poll; a wake ends it too; nothing at all lets it run out."""
    watch = DirectoryWatch(tmp_path, use_inotify)
    assert watch.has_inotify == use_inotify
    if not use_inotify:
        time.sleep(0.03)
    began = time.monotonic()
    watch.wait(0.1)
    assert 0.09 < time.monotonic() - began < 0.4
    (tmp_path / "a").write_text("")
    threading.Timer(0.05, os.rename, (tmp_path / "a", tmp_path / "b")).start()
    began = time.monotonic()
    watch.wait(5)
    assert time.monotonic() - began < 0.5
    watch.wake()
    watch.pause(5)
    assert time.monotonic() - began < 1.0
    watch.close()


def test_hook_to_endpoint(agent: Agent, endpoint: Endpoint, spool: Spool, tmp_path: Path) -> None:
    """From the hook's end to the endpoint in well under the poll: a VM's end waits for this."""
    hook = install(spool.directory)
    delays = []
    for turn in range(5):
        time.sleep(0.05)
        run_hook(hook, f"vm-{turn}", "release", "end", "-")
        began = time.monotonic()
        until(lambda turn=turn: len(endpoint.received) == turn + 1)  # type: ignore[misc]
        delays.append(time.monotonic() - began)
    assert sorted(delays)[2] < 0.3
    until(lambda: spool.numbers() == [])
    until(lambda: json.loads((tmp_path / "state.json").read_text()).get("last_sequence") == 5)


def test_endpoint_down_then_up(agent: Agent, endpoint: Endpoint, spool: Spool, tmp_path: Path) -> None:
    """While the endpoint is down records wait; when it is back they come, in order, once."""
    write_records(spool.directory, 2)
    until(lambda: len(endpoint.received) == 2)
    endpoint.close()
    write_records(spool.directory, 3)
    until(lambda: "does not answer" in (json.loads((tmp_path / "state.json").read_text()).get("problem") or ""))
    assert spool.numbers() == [3, 4, 5]
    again = Endpoint(port=endpoint.port)
    try:
        until(lambda: len(again.received) == 3)
        assert [number for _, number in again.received] == [3, 4, 5]
        until(lambda: json.loads((tmp_path / "state.json").read_text())["problem"] is None)
    finally:
        again.close()


def test_document(agent: Agent, endpoint: Endpoint, tmp_path: Path) -> None:
    """A new document arrives as soon as it is published, and is kept for a restart."""
    until(lambda: (tmp_path / "document.json").exists())
    endpoint.publish(version="v2")
    until(lambda: json.loads((tmp_path / "document.json").read_text())["version"] == "v2", 2)


def test_second_agent(agent: Agent, endpoint: Endpoint, tmp_path: Path) -> None:
    """Two agents on one state directory would deliver against each other; the second says so and ends."""
    until(lambda: (tmp_path / "lock").exists() and agent.state.get("pid"))
    with pytest.raises(WrongUse):
        Agent(tmp_path, agent.identity).run()


def test_killed_in_delivery(endpoint: Endpoint, spool: Spool, tmp_path: Path) -> None:
    """
    Killed again and again, also between the endpoint's storing and its own forgetting, the agent loses nothing, and
    what it repeats the endpoint knows already.
    """
    enrolled(tmp_path, endpoint, spool)
    endpoint.delay_s = 0.03
    write_records(spool.directory, 400)
    for _ in range(3):
        seen = len(endpoint.received)
        process = start_process(tmp_path)
        until(lambda seen=seen: len(endpoint.received) > seen)  # type: ignore[misc]
        process.kill()
        process.communicate()
    process = start_process(tmp_path)
    until(lambda: spool.numbers() == [])
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=5)
    assert process.returncode == 0 and "stopped" in said
    assert sorted(endpoint.events) == [("boot-a", number) for number in range(1, 401)]
    first_seen = list(dict.fromkeys(endpoint.received))
    assert first_seen == sorted(first_seen)


def test_killed_before_forgetting(delivery: Delivery, endpoint: Endpoint, spool: Spool) -> None:
    """A record that was stored but not yet forgotten is sent again and acknowledged again."""
    write_records(spool.directory, 3)
    kept = {path.name: path.read_bytes() for path in spool.directory.glob("0*.json")}
    delivery.deliver()
    for name, content in kept.items():
        (spool.directory / name).write_bytes(content)
    delivery.deliver()
    assert len(endpoint.received) == 6 and len(endpoint.events) == 3 and spool.numbers() == []
