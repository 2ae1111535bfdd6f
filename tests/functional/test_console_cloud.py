"""The console as a program, with a cloud of two clusters behind it; libvirt's test driver plays the hosts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_program import Wawel

from lab.federation import Federation

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with Federation(
        tmp_path_factory.mktemp("cloud"), 2, 1, "test", durable=False, with_user=False
    ) as whole:  # fmt: skip
        yield whole


@pytest.fixture(scope="module")
def wawel(cloud: Federation, tmp_path_factory: pytest.TempPathFactory) -> Wawel:
    """The administrator is logged in as profile "root"; nobody else is there yet."""
    made = Wawel(tmp_path_factory.mktemp("home"))
    made.log_in(cloud.clm.url, "root", cloud.credentials.admin)
    return made


@pytest.fixture(scope="module")
def anna(cloud: Federation, wawel: Wawel) -> Wawel:
    """A user who registered, was activated and logged in, all by the console."""
    url = cloud.clm.url
    wawel.run("--url", url, "register", "--login", "anna", "--email", "anna@wawel.example", "--password-file", "-",
              standard_input=PASSWORD + "\n")  # fmt: skip
    words = ("login", "--use", "--url", url, "--profile", "anna", "--login", "anna", "--password-file", "-")
    assert "wawel" in wawel.run(*words, code=1, standard_input=PASSWORD + "\n")  # not activated yet
    wawel.run("--profile", "root", "user", "activate", "anna")
    wawel.run(*words, standard_input=PASSWORD + "\n")
    assert wawel.json("whoami")["login"] == "anna"
    return wawel


def test_two_clusters(cloud: Federation, anna: Wawel) -> None:
    """VMs of one name's image on both clusters, in one list; a name finds its cluster; all are gone in the end."""
    for cluster in ("north", "south"):
        anna.run(
            "vm", "create", f"on-{cluster}", "--image", "tiny", "--template", "tiny", "--cluster", cluster, "--wait"
        )
    listed = {vm["name"]: vm["cluster"] for vm in anna.json("vm", "ls", "--all-clusters")}
    assert listed == {"on-north": "north", "on-south": "south"}
    anna.run("vm", "stop", "on-north", "on-south", "--wait")
    assert anna.json("vm", "show", "on-south")["state"] == "stopped"
    uuid = anna.json("vm", "show", "on-north")["uuid"]
    anna.run("vm", "start", uuid, "--wait")
    assert anna.json("vm", "get-by-id", uuid)["state"] == "running"
    assert len(anna.json("--profile", "root", "node", "ls", "--all-clusters")) == 2
    anna.run("vm", "destroy", "on-north", "on-south", "--wait")
    assert anna.json("vm", "ls", "--all-clusters") == []
    assert cloud.check_leaks() == []


def test_default_cluster(anna: Wawel) -> None:
    """Without --cluster a VM is made on the user's own cluster, though the image's name is on both."""
    anna.run("vm", "create", "somewhere", "--image", "tiny", "--template", "tiny", "--wait")
    default = anna.json("whoami")["default_cluster"]
    assert [vm["cluster"] for vm in anna.json("vm", "ls", "--all-clusters")] == [default]
    anna.run("vm", "destroy", "somewhere", "--wait")


def test_keys(anna: Wawel, tmp_path: Path) -> None:
    """A key pair is made; the private half is this user's file, the public one the cloud's, and VMs get it."""
    file = tmp_path / "laptop"
    anna.run("key", "generate", "laptop", "--out", str(file))
    assert "PRIVATE KEY" in file.read_text() and file.stat().st_mode & 0o777 == 0o600
    assert [key["name"] for key in anna.json("key", "ls")] == ["laptop"]
    plan = anna.json("vm", "create", "x", "--image", "tiny", "--template", "tiny", "--key", "laptop", "--dry-run")
    assert plan["dry_run"] is True
    anna.run("key", "delete", "laptop")


def test_events(anna: Wawel) -> None:
    """What happens to a VM on a cluster is told by the cloud, an event a line."""
    listening = anna.start("events", "--kind", "vm", "--count", "2", "-o", "json")
    time.sleep(1.5)  # until it listens; it says nothing of that
    anna.run("vm", "create", "told", "--image", "tiny", "--template", "tiny", "--wait")
    out, _ = listening.communicate(timeout=30)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["enter", "change"]
    assert {event["object"]["name"] for event in events} == {"told"}
    anna.run("vm", "destroy", "told", "--wait")


def test_dead_cluster(cloud: Federation, anna: Wawel) -> None:
    """The other cluster's VMs are listed, the dead one is named, and the exit code says that the list is not whole."""
    anna.run("vm", "create", "left", "--image", "tiny", "--template", "tiny", "--cluster", "north", "--wait")
    cloud.cluster("south").kill_cm()
    try:
        told = anna.run("vm", "ls", "--all-clusters", code=4)
        assert "left" in told and "south" in told
        assert "again" in anna.run("vm", "ls", "--cluster", "south", code=4)
    finally:
        cloud.cluster("south").start_cm()
    anna.run("vm", "destroy", "left", "--cluster", "north", "--wait")


def test_blocked(anna: Wawel) -> None:
    """Who is blocked is out at once; who logs out has no session at the server either."""
    root = ("--profile", "root")
    anna.run(*root, "user", "block", "anna", "--yes")
    anna.run("vm", "ls", code=3)
    anna.run(*root, "user", "unblock", "anna")
    anna.run("login", "--password-file", "-", standard_input=PASSWORD + "\n")
    token = json.loads((anna.home / ".config/wawel/sessions.json").read_text())["anna"]["token"]
    anna.run("vm", "ls")
    anna.run("logout")
    assert "wawel login" in anna.run("vm", "ls", code=3)
    anna.environment["WAWEL_TOKEN"] = token
    anna.run("vm", "ls", code=3)
    del anna.environment["WAWEL_TOKEN"]
