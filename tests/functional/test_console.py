"""The console as a program, with a lone cluster of real hosts behind it."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from console_program import Wawel

from lab.cloud import Cloud


@pytest.fixture(scope="module")
def wawel(shared_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Wawel:
    """Logged in as the administrator ("root") and as the user ("demo"), whose profile is in use."""
    made = Wawel(tmp_path_factory.mktemp("home"))
    for profile, account in (("root", shared_cloud.credentials.admin), ("demo", shared_cloud.credentials.user)):
        made.log_in(shared_cloud.url, profile, account)
    return made


@pytest.fixture
def blank(shared_cloud: Cloud, wawel: Wawel) -> Iterator[str]:
    """An image whose guests stay in their firmware, imported by the console; its name."""
    name = "console-blank"
    if name not in [image["name"] for image in wawel.json("image", "ls")]:
        path = shared_cloud.import_dir / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "8M"], check=True, timeout=60)
        made = wawel.json("--profile", "root", "image", "import", str(path), "--storage", "main", "--wait")
        assert (made["name"], made["state"]) == (name, "ok")
    yield name


def destroy(wawel: Wawel, names: Sequence[str]) -> None:
    there = {vm["name"] for vm in wawel.json("vm", "ls")}
    left = [name for name in names if name in there]
    if left:
        wawel.run("vm", "destroy", *left, "--wait")


def test_life(shared_cloud: Cloud, wawel: Wawel) -> None:
    """A VM is created until its guest has said hello, shown, read, stopped, started and destroyed."""
    try:
        made = wawel.json("vm", "create", "life", "--image", "tiny", "--template", "tiny", "--wait-guest")
        assert [(vm["name"], vm["state"], vm["contextualized"]) for vm in made] == [("life", "running", True)]
        lines = wawel.run("vm", "ls").splitlines()
        assert lines[0].split()[:3] == ["ID", "NAME", "STATE"]
        assert any(line.split()[1:3] == ["life", "running"] for line in lines)
        assert "Welcome to" in wawel.run("vm", "console", "life")
        assert wawel.json("vm", "show", "life")["uuid"] == made[0]["uuid"]
        wawel.run("vm", "stop", "life", "--wait")
        assert wawel.json("vm", "show", made[0]["uuid"])["state"] == "stopped"
        assert "needs" in wawel.run("vm", "stop", "life", code=1)
        wawel.run("vm", "start", "life", "--wait")
        assert wawel.json("vm", "show", str(made[0]["vm_id"]))["state"] == "running"
        kinds = [op["kind"] for op in wawel.json("op", "ls", "--vm", "life")]
        assert kinds == ["vm_start", "vm_stop", "vm_create"]
        placed = wawel.json("--profile", "root", "explain", str(made[0]["vm_id"]))
        assert [verdict["fits"] for verdict in placed["verdicts"]].count(True) >= 1
    finally:
        destroy(wawel, ["life"])
    assert "life" not in wawel.run("vm", "ls")
    assert shared_cloud.check_leaks() == []


def test_watch(wawel: Wawel, blank: str) -> None:
    """The list follows what happens to a VM; Ctrl-C ends it."""
    watching = wawel.start("vm", "ls", "--watch", "--no-headers")
    try:
        wawel.run("vm", "create", "watched", "--image", blank, "--template", "tiny", "--wait")
        assert watching.stdout is not None
        timer = threading.Timer(60, watching.kill)  # ends the reading below, should it never come
        timer.start()
        seen = any(line.split()[1:3] == ["watched", "running"] for line in watching.stdout)
        timer.cancel()
        watching.send_signal(signal.SIGINT)
        _, told = watching.communicate(timeout=20)
    finally:
        watching.kill()
        destroy(wawel, ["watched"])
    assert watching.returncode == 130, told
    assert seen


def test_follow_console(wawel: Wawel) -> None:
    """What a guest writes is told as it comes, each line once."""
    try:
        wawel.run("vm", "create", "talker", "--image", "tiny", "--template", "tiny")
        following = wawel.start("vm", "console", "talker", "--follow")
        wait = wawel.json("vm", "show", "talker")["vm_id"]
        end = time.monotonic() + 180
        while not wawel.json("vm", "show", str(wait))["contextualized"]:
            assert time.monotonic() < end
            time.sleep(1)
        time.sleep(2)
        following.send_signal(signal.SIGINT)
        out, _ = following.communicate(timeout=20)
        assert following.returncode == 130
        assert out.count("Welcome to") == 1
    finally:
        destroy(wawel, ["talker"])


def test_evacuate(shared_cloud: Cloud, wawel: Wawel, blank: str) -> None:
    """A node is emptied: its VMs run on the other host, and nothing more is placed on it."""
    root = ("--profile", "root")
    names = ["mover_1", "mover_2", "mover_3", "mover_4"]
    try:
        wawel.run("vm", "create", "mover", "--image", blank, "--template", "tiny", "--count", "4", "--wait")
        nodes = {node["name"]: node["node_id"] for node in wawel.json(*root, "node", "ls")}
        first = next(iter(nodes))
        there = ("call", "admin.vm.get_list", f"node_id={nodes[first]}")
        moving = {vm["name"] for vm in wawel.json(*root, *there)}
        assert moving & set(names)
        plan = wawel.json(*root, "node", "evacuate", first, "--dry-run")["plan"]
        assert {step.get("name") for step in plan if step["step"] == "move"} == moving
        results = wawel.json(*root, "node", "evacuate", first)
        assert {result["status"] for result in results} == {"moved"}
        assert wawel.json(*root, *there) == []
        assert {vm["state"] for vm in wawel.json("vm", "ls") if vm["name"] in names} == {"running"}
    finally:
        wawel.run(*root, "admin", "node", "unlock", "1")
        wawel.run(*root, "admin", "node", "unlock", "2")
        destroy(wawel, names)
    assert shared_cloud.check_leaks() == []


def test_shell_script(wawel: Wawel, blank: str) -> None:
    """A script of commands on standard input: one connection, the first failure ends it."""
    script = f"""
        vm create scripted --image {blank} --template tiny --wait
        vm ls -o json
        vm destroy scripted --wait
        vm show scripted
        image ls
    """
    told = wawel.run("shell", code=1, standard_input=script)
    assert '"name": "scripted"' in told and "There is no vm 'scripted'" in told and "STORAGE" not in told
