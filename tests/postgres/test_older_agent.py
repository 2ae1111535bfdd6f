"""
The agent of the release before against this manager: its very files, taken from the repository's history, enrolled,
served and woken; then replaced by this release's in the order that docs/operator.md tells, and back.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_builder import add_cluster, change, value
from endpoint_program import serving

from cm.runtime.database import Database
from cm.services.agent import issue_enrolment_token
from cm.store.node_document import document_changed
from support.wait import until

ROOT = Path(__file__).parents[2]
RELEASED = "f54bcb4"  # the last commit whose agents speak protocol 1
UUID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A directory with the package as it was released."""
    archive = subprocess.run(["git", "archive", RELEASED, "node_hooks"], cwd=ROOT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"needs commit {RELEASED} in this repository's history; of a shallow clone: git fetch --unshallow")
    directory = tmp_path / "released"
    directory.mkdir()
    subprocess.run(["tar", "x"], cwd=directory, input=archive.stdout, check=True)
    return directory


class Host:
    """One machine with the state of its agent, whichever release runs there."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.state_dir = directory / "state"
        self.spool = directory / "spool"
        self.hooks = directory / "hooks"
        self._log = (directory / "agent.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "node_hooks", *arguments, "--state-dir", str(self.state_dir)]

    def enrol(self, package: Path, token: str) -> None:
        (self.state_dir.parent / "token").write_text(token)
        told = ["--endpoint", self.url, "--token-file", str(self.state_dir.parent / "token")]
        places = ["--spool", str(self.spool), "--hooks-dir", str(self.hooks)]
        subprocess.run(
            self.command("enrol", *told, *places), cwd=package, check=True, stdout=self._log, stderr=self._log
        )

    def start(self, package: Path) -> None:
        self.stop()
        # In the same second its first request may be, letter by letter, one that an earlier start of it made, and a
        # request that comes again counts for nothing.
        time.sleep(1.0)
        self._process = subprocess.Popen(
            self.command("run"), cwd=package, stdout=self._log, stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(package)},
        )  # fmt: skip

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0

    def document(self) -> dict[str, Any]:
        path = self.state_dir / "document.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def hook(self, operation: str) -> None:
        subprocess.run(
            [str(self.hooks / "qemu"), "vm-1", operation, "begin", "-"], check=True,
            input=f"<domain><name>vm-1</name><uuid>{UUID}</uuid></domain>".encode(),
        )  # fmt: skip

    def close(self) -> None:
        self.stop()
        self._log.close()


@pytest.fixture
def ids(database: Database) -> dict[str, int]:
    """A cluster whose documents would change nothing on this machine: no networks, no storages."""
    made = database.transact_now(add_cluster)
    change(database, "DELETE FROM network_lease")
    change(database, "DELETE FROM network")
    change(database, "DELETE FROM address_pool")
    change(database, "DELETE FROM storage_attachment")
    return dict(made)


@pytest.fixture
def host(database: Database, database_url: str, tmp_path: Path) -> Iterator[Host]:
    with serving(database_url, tmp_path) as url:
        made = Host(url, tmp_path)
        yield made
        made.close()


def test_upgrade(database: Database, ids: dict[str, int], host: Host, released: Path) -> None:
    """
    Managers first: the node's old agent is served as before, and its node takes VMs. Then the node: what the new one
    reports is known at once. Back to the old one: nothing is known any more, and all of it works.
    """
    node_id = ids["a"]

    def node(column: str) -> Callable[[], Any]:
        return lambda: value(database, f"SELECT {column} FROM node WHERE id = :id", id=node_id)

    def move(address: str) -> None:
        def moved(session: Any) -> None:
            change(database, "UPDATE node SET address = :a WHERE id = :id", a=address, id=node_id)
            document_changed(session)

        database.transact_now(moved)

    host.enrol(released, database.transact_now(issue_enrolment_token, node_id))
    host.start(released)
    until(host.document, "a document of the release before")
    first = host.document()
    assert set(first) == {"version", "networks", "hook_version", "management", "reachable", "vnc_ports", "console_logs"}
    assert first["networks"] == [] and node("agent_protocol")() == 1
    move("10.20.30.40")
    until(lambda: "10.20.30.40/32" in host.document()["management"], "the change, by the poll", 5.0)
    host.hook("started")
    until(lambda: value(database, "SELECT count(*) FROM hook_event WHERE node_id = :id", id=node_id) == 1, "the event")
    assert (node("unfit")(), node("troubles")()) == ("", []) and not value(database, "SELECT count(*) FROM node_report")

    host.start(ROOT)
    until(lambda: node("agent_protocol")() == 2 and value(database, "SELECT count(*) FROM node_report"), "a report")
    until(lambda: host.document().get("format") == 2, "a document in sections")
    assert node("agent_version")() == "2" and node("unfit")() == ""
    host.hook("release")
    until(lambda: value(database, "SELECT count(*) FROM hook_event WHERE node_id = :id", id=node_id) == 2, "the event")
    installed = value(database, "SELECT content -> 'hook' ->> 'path' FROM node_report WHERE node_id = :id", id=node_id)
    assert installed == str(host.hooks / "qemu")

    host.start(released)
    until(lambda: node("agent_protocol")() == 1, "the word of the old agent")
    assert value(database, "SELECT count(*) FROM node_report") == 0
    until(lambda: "format" not in host.document(), "a document that the old agent understands")
    move("10.20.30.41")
    until(lambda: "10.20.30.41/32" in host.document()["management"], "the change, by the poll", 5.0)
