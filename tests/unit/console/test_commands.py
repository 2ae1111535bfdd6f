"""The commands of daily work, against servers on the real wire."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from clm.console.commands import vm
from clm.console.commands.vm import added_since

from .conftest import Ran, Wawel, log_in
from .wire import Wire

CREATE = ("vm", "create", "web", "--image", "tiny", "--template", "small")


def told(done: Ran) -> Any:
    assert done.code == 0, done.told
    return json.loads(done.out)


def test_formats(anna: Wawel, lone: Wire) -> None:
    """A list as a table with and without headings, as JSON and as YAML: the same objects."""
    lone.cluster.add_vm("web")
    lone.cluster.add_vm("[bold]db")
    table = anna("vm", "ls").out.splitlines()
    assert table[0].split()[:4] == ["ID", "NAME", "STATE", "ADDRESS"]
    assert [line.split()[1] for line in table[1:]] == ["web", "[bold]db"]
    bare = anna("vm", "ls", "--no-headers").out.splitlines()
    assert [line.split() for line in bare] == [line.split() for line in table[1:]]
    found = told(anna("vm", "ls", "-o", "json"))
    assert found == told(anna("-o", "json", "vm", "ls")) == yaml.safe_load(anna("vm", "ls", "-o", "yaml").out)
    assert [vm["memory_mib"] for vm in found] == [256, 256]
    assert "256 MiB" in table[1]


def test_empty_list(anna: Wawel) -> None:
    """Nothing is nothing for programs, too."""
    assert (anna("vm", "ls").out, told(anna("vm", "ls", "-o", "json"))) == ("", [])


def test_shared(anna: Wawel, lone: Wire) -> None:
    """What others share is a list of its own, with whose it is."""
    lone.cluster.add_vm("mine")
    lone.cluster.add_vm("theirs", user_id=9).update(user_login="eva", access="operator")
    lines = anna("vm", "ls", "--shared").out.splitlines()
    assert [line.split()[1] for line in lines] == ["NAME", "theirs"] and {"eva", "operator"} <= set(lines[1].split())
    assert anna("vm", "ls", "--shared", "--admin").code == 2


def test_create(anna: Wawel, lone: Wire, tmp_path: Path) -> None:
    """Image and template by name; what is waited for runs; keys and user data come from files."""
    key, data = tmp_path / "id.pub", tmp_path / "data"
    key.write_text(f"ssh-ed25519 {'A' * 60} anna@home\n")
    data.write_text("#cloud-config\n")
    lone.cluster.patience = 3
    made = told(anna(*CREATE, "--key-file", str(key), "--user", "debian", "--user-data-file", str(data), "--wait",
                     "-o", "json"))  # fmt: skip
    assert [(vm["name"], vm["state"]) for vm in made] == [("web", "running")]
    ((_, call),) = lone.cluster.calls
    assert (call["image_id"], call["template_id"], call["ssh_username"]) == (1, 1, "debian")
    assert (call["ssh_key"], call["user_data"]) == (f"ssh-ed25519 {'A' * 60} anna@home", "#cloud-config\n")
    assert call["request_id"]
    uuid = lone.cluster.images[1]["uuid"]
    assert anna("vm", "create", "db", "--image", uuid, "--template", "1", "--count", "2").code == 0
    assert [vm["name"] for vm in lone.cluster.vms.values()] == ["web", "db_1", "db_2"]
    cards = ("--network", "id:7", "--network", "id:7", "--security-group", "id:3")
    assert anna(*CREATE, *cards).code == 0
    assert [lone.cluster.calls[-1][1][name] for name in ("networks", "security_group_ids")] == [[7, 7], [3]]


def test_create_by_family(anna: Wawel, lone: Wire) -> None:
    """A family's name means its newest image; an image that has the name itself comes first."""
    lone.cluster.images[5] = {**lone.cluster.images[1], "image_id": 5, "name": "debian-12-1", "family": "debian-12"}
    create = ("vm", "create", "web", "--template", "small", "--image")
    assert anna(*create, "debian-12").code == 0
    lone.cluster.images[6] = {**lone.cluster.images[1], "image_id": 6, "name": "debian-12", "family": ""}
    assert anna(*create, "debian-12").code == 0
    assert [call["image_id"] for _, call in lone.cluster.calls] == [5, 6]
    assert anna(*create, "debian-13").code == 1


def test_import_own(anna: Wawel, lone: Wire) -> None:
    """A URL without a storage is an image of one's own, named after the file that is packed in it."""
    assert anna("image", "import", "https://x/debian.qcow2.xz", "--sums", "SHA256SUMS").code == 0
    ((view, call),) = lone.cluster.calls
    assert (view, call) == ("import_url", {"name": "debian", "url": "https://x/debian.qcow2.xz", "sums": "SHA256SUMS"})
    for wrong in (("/srv/disk.raw",), ("https://x/y", "--access", "public"), ("https://x/y", "--sha512", "0" * 64)):
        assert anna("image", "import", *wrong).code == 2
    assert len(lone.cluster.calls) == 1


def test_create_again(anna: Wawel, lone: Wire) -> None:
    """The request id that is given travels; the one that is not given is another each time."""
    for more in (["--request-id", "order-17"], [], []):
        anna(*CREATE, *more)
    ids = [call["request_id"] for _, call in lone.cluster.calls]
    assert ids[0] == "order-17" and len(set(ids)) == 3


def test_create_fails(anna: Wawel, lone: Wire) -> None:
    """What is waited for and fails is code 5, and says which operation to look at."""
    lone.cluster.patience = 1
    done = anna("vm", "create", "doomed", "--image", "1", "--template", "1", "--wait")
    assert (done.code, "It does not boot." in done.told, "doomed" in done.out) == (5, True, True)


def test_private_key_is_refused(anna: Wawel, lone: Wire, tmp_path: Path) -> None:
    """A private key does not leave this machine."""
    key = tmp_path / "id"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n")
    for words in ([*CREATE, "--key-file", str(key)], ["key", "add", "mine", str(key)]):
        done = anna(*words)
        assert (done.code, "secret" in done.told, lone.cluster.calls) == (2, False, [])


def test_dry_run(anna: Wawel, lone: Wire) -> None:
    """The plan is printed and nothing is changed, whatever the command."""
    vm = lone.cluster.add_vm("web")
    for words in (CREATE, ("vm", "stop", "web"), ("vm", "destroy", "web"), ("call", "user.vm.stop", "vm_id=1"),
                  ("vm", "stop", "web", "--wait"), (*CREATE, "--wait")):  # fmt: skip
        done = anna(*words, "--dry-run")
        assert (done.code, done.out[:5]) == (0, "  1. "), done
        assert told(anna(*words, "--dry-run", "-o", "json"))["dry_run"] is True
    assert (lone.cluster.calls, vm["state"], len(lone.cluster.vms)) == ([], "running", 1)


def test_actions(anna: Wawel, lone: Wire) -> None:
    """By names and ids, several at once, each once; one's refusal does not stop the others."""
    web, db = lone.cluster.add_vm("web"), lone.cluster.add_vm("db", "stopped")
    lone.cluster.patience = 2
    done = anna("vm", "stop", "web", "db", str(web["vm_id"]), "--wait", "-o", "json")
    assert done.code == 1
    assert {each["name"] or each["vm_id"]: each["status"] for each in json.loads(done.out)} == {
        "web": "done", "db": "refused"
    }  # fmt: skip
    assert (web["state"], lone.cluster.calls) == ("stopped", [("stop", {"vm_id": web["vm_id"]})])
    done = anna("vm", "start", "web", "db", "--wait")
    assert (done.code, web["state"], db["state"]) == (0, "running", "running")
    done = anna("vm", "start", "web")
    assert (done.code, done.out, "is running" in done.told) == (1, "", True)


def test_destroy(anna: Wawel, lone: Wire) -> None:
    """Without a terminal nobody is asked; the whole list is one call."""
    vms = [lone.cluster.add_vm(f"vm-{n}")["vm_id"] for n in range(3)]
    lone.cluster.add_vm("another's", user_id=1)
    done = anna("vm", "destroy", *map(str, vms), "4", "--wait")
    assert (done.code, [vm["name"] for vm in lone.cluster.vms.values()]) == (1, ["another's"])
    assert "object_not_found" in done.out
    assert anna("vm", "destroy", "another's").code == 1


def test_asks_on_a_terminal(anna: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sits there is asked before something is destroyed; --yes says it beforehand."""
    monkeypatch.setattr("clm.console.context.is_interactive", lambda: True)
    for number, (words, answer, left) in enumerate([
        (["vm", "destroy", "web"], "n\n", True), (["vm", "destroy", "web"], "", True),
        (["vm", "destroy", "web"], "y\n", False), (["vm", "destroy", "web", "--yes"], "", False),
        (["view", "user.vm.destroy", "web"], "n\n", True), (["view", "user.vm.destroy", "web", "-y"], "", False),
    ]):  # fmt: skip
        lone.reset()
        lone.cluster.add_vm("web")
        done = anna(*words, standard_input=answer)
        assert (bool(lone.cluster.vms), done.code) == (left, 130 if left else 0), number


def test_as_administrator(root: Wawel, lone: Wire) -> None:
    """--admin lists and changes everybody's, and waits for operations that are another's."""
    vm = lone.cluster.add_vm("web")
    lone.cluster.patience = 2
    assert told(root("vm", "ls", "-o", "json")) == []
    assert [each["name"] for each in told(root("vm", "ls", "-A", "-o", "json"))] == ["web"]
    assert (root("vm", "stop", "-A", "web", "--wait").code, vm["state"]) == (0, "stopped")


def test_console(anna: Wawel, lone: Wire) -> None:
    """What a guest writes is its own, and no terminal obeys it; --raw shows it as it is."""
    lone.cluster.add_vm("web")
    lone.cluster.console = "\x1b]0;owned\x07hello\r\n\x1b[31mred"
    assert anna("vm", "console", "web").out == "hello\nred\n"
    assert "\x1b[31m" in anna("vm", "console", "web", "--raw").out


def test_console_followed(anna: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VM that was made just now has no console yet: who follows it waits for that, but not for ever."""
    lone.cluster.add_vm("web")
    lone.cluster.console = None
    naps = iter([None, "hello\n", "hello\nthere\n"])

    def nap(seconds: float) -> None:
        try:
            lone.cluster.console = next(naps)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(vm, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=nap))
    done = anna("vm", "console", "web", "--follow")
    assert (done.code, done.out) == (130, "hello\nthere\n")
    lone.cluster.console = None
    assert anna("vm", "console", "web").code == 1
    monkeypatch.setattr(vm, "FIRST_S", 0.0)
    assert anna("vm", "console", "web", "--follow").code == 1


def test_added_since() -> None:
    """What is followed is told once, also when the oldest of it falls off."""
    text = "".join(f"line {n}\n" for n in range(2000))
    for seen, now in ((100, 300), (9000, 9000), (5000, 12_000), (0, 50)):
        before, after = text[max(0, seen - 4000) : seen], text[max(0, now - 4500) : now]
        added = added_since(before, after)
        assert text[:now].endswith(added) and (now - seen == len(added) or now - seen > 4000)


def test_lists_of_a_cloud(wawel: Wawel, cloud: Wire) -> None:
    """All clusters in one list, each object with its cluster; who did not answer is named, and is code 4."""
    log_in(cloud)
    cloud.clusters[0].add_vm("web")
    cloud.clusters[1].add_vm("db")
    done = wawel("vm", "ls", "--all-clusters")
    assert [line.split()[0] for line in done.out.splitlines()] == ["CLUSTER", "north", "south"]
    assert [vm["name"] for vm in told(wawel("vm", "ls", "--cluster", "south", "-o", "json"))] == ["db"]
    assert [vm["name"] for vm in told(wawel("vm", "ls", "-o", "json"))] == ["web"]
    cloud.clusters[1].full = True
    done = wawel("vm", "ls", "--all-clusters", "-o", "json")
    assert (done.code, "south" in done.told, len(json.loads(done.out))) == (4, True, 2)


def test_names_in_a_cloud(wawel: Wawel, cloud: Wire) -> None:
    """A name is looked up on all clusters, and what it means is asked of its own."""
    log_in(cloud)
    here, there = cloud.clusters[0].add_vm("web"), cloud.clusters[1].add_vm("db")
    assert here["vm_id"] == there["vm_id"]
    cloud.clusters[1].patience = 2
    assert wawel("vm", "stop", "db", "--wait").code == 0
    assert (here["state"], there["state"]) == ("running", "stopped")
    assert wawel("vm", "start", "db", "--cluster", "north").code == 1
    cloud.clusters[1].add_vm("web")
    done = wawel("vm", "stop", "web")
    assert (done.code, "on north" in done.told, "on south" in done.told) == (2, True, True)
    assert wawel("vm", "stop", "web", "--cluster", "south").code == 0
    # A whole list may be of several clusters; each is asked for its own.
    cloud.clusters[1].vms = {number: vm for number, vm in cloud.clusters[1].vms.items() if vm["name"] == "db"}
    assert wawel("vm", "destroy", "web", "db", "--wait").code == 0
    assert not cloud.clusters[0].vms and not cloud.clusters[1].vms


def test_create_in_a_cloud(wawel: Wawel, cloud: Wire) -> None:
    """With --cluster there, with the key that the cloud keeps; image and template are that cluster's."""
    log_in(cloud)
    done = wawel(*CREATE)
    assert (done.code, "Several" in done.told) == (2, True)  # the image is on both
    cloud.cluster.default = "south"
    assert told(wawel(*CREATE, "--dry-run", "-o", "json"))["dry_run"]
    made = told(wawel(*CREATE, "--cluster", "south", "--key", "mine", "--wait", "-o", "json"))
    assert made[0]["state"] == "running"
    assert not cloud.clusters[0].vms
    assert cloud.clusters[1].calls[0][1]["ssh_key"].endswith(" mine")


def test_generated_key(wawel: Wawel, cloud: Wire, tmp_path: Path) -> None:
    """The private key goes to a file of the user's alone, which must be new."""
    log_in(cloud)
    file = tmp_path / "id"
    done = wawel("key", "generate", "mine", "--out", str(file))
    assert (done.code, "PRIVATE" in done.out, file.stat().st_mode & 0o777) == (0, False, 0o600)
    assert "PRIVATE" in file.read_text()
    assert wawel("key", "generate", "mine", "--out", str(file)).code == 2
    assert "PRIVATE" in wawel("key", "generate", "mine").out


def test_call(anna: Wawel, lone: Wire) -> None:
    """Raw parameters: pairs, of which JSON is JSON; an object; a list in order."""
    lone.cluster.add_vm("web")
    by_pairs = told(anna("call", "user.vm.get_by_id", "vm_id=1", "-o", "json"))
    assert by_pairs == told(anna("call", "user.vm.get_by_id", "--json", '{"vm_id": 1}', "-o", "json"))
    assert by_pairs == told(anna("call", "user.vm.get_by_id", "--json", "[1]", "-o", "json"))
    for given, value in (("x", "x"), ("[1]", [1]), ('"7"', "7"), ("null", None), ("a=b", "a=b"), ("", "")):
        assert told(anna("call", "user.echo.back", f"value={given}", "-o", "json")) == value


def test_waiting_line(anna: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits sees what the operation itself waits for, and no more of it once it goes on."""
    lines: list[str] = []
    monkeypatch.setattr("clm.console.waiting.Watch.note", lambda self, what, state, percent: lines.append(state))
    lone.cluster.add_vm("web")
    lone.cluster.patience = 3
    assert anna("vm", "stop", "web", "--wait").code == 0
    assert lines[0] == "running launch: The guest takes its time." and lines[-1] == "done launch"


# ------------------------------------------------------------------ evacuating


def test_evacuate_plan(root: Wawel, lone: Wire) -> None:
    """--dry-run tells the manager's plan, and does nothing."""
    for name, state in (("web", "running"), ("off", "stopped"), ("new", "starting")):
        lone.cluster.add_vm(name, state)
    done = root("node", "evacuate", "node1", "--dry-run", "-o", "json")
    steps = [(step["step"], step["name"]) for step in told(done)["plan"]]
    assert steps == [("move", "web"), ("leave", "new")]
    assert lone.cluster.calls == []


def test_evacuate(root: Wawel, lone: Wire) -> None:
    """One call; then each VM's operation is waited for, and where each is now is told."""
    lone.cluster.add_vm("web"), lone.cluster.add_vm("off", "stopped"), lone.cluster.add_vm("db")
    lone.cluster.patience = 2
    done = root("node", "evacuate", "node1", "-o", "json")
    assert done.code == 0, done.told
    assert [(each["name"], each["status"], each["node"]) for each in told(done)] == [
        ("web", "moved", "node2"),
        ("db", "moved", "node2"),
    ]
    assert lone.cluster.calls == [("evacuate", {"node_id": 1})]
    again = root("node", "evacuate", "node1")
    assert (again.code, "runs no VM" in again.told) == (0, True)


def test_evacuate_leaves(root: Wawel, lone: Wire) -> None:
    """What has no place and what failed is told with its reason, and the exit code says that something is left."""
    for name in ("web", "big", "doomed"):
        lone.cluster.add_vm(name)
    done = root("node", "evacuate", "node1", "-o", "json")
    assert done.code == 5
    results = {each["name"]: (each["status"], each.get("message")) for each in json.loads(done.out)}
    assert results["web"] == ("moved", None)
    assert results["big"] == ("left", "no other node takes it")
    assert results["doomed"][0] == "failed" and "It does not boot." in str(results["doomed"][1])
    assert "2 of 3 VMs" in done.told


def test_evacuate_asks(root: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the plan is told first, and a no changes nothing."""
    lone.cluster.add_vm("web"), lone.cluster.add_vm("big")
    for module in ("clm.console.context", "clm.console.commands.evacuate"):
        monkeypatch.setattr(f"{module}.is_interactive", lambda: True)
    done = root("node", "evacuate", "node1", standard_input="n\n")
    assert done.code != 0 and "power of web" in done.told and "big stay" in done.told
    assert lone.cluster.calls == []


def test_evacuate_is_patient(root: Wawel, lone: Wire) -> None:
    """A move that takes longer than one waits goes on, and is told by its operation."""
    lone.cluster.add_vm("web")
    lone.cluster.patience = 10**6
    done = root("node", "evacuate", "node1", "--wait-timeout", "0.3", "-o", "json")
    (result,) = json.loads(done.out)
    assert (done.code, result["status"]) == (5, "under way") and "operation" in result["message"]


def test_evacuate_late(root: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VM that came to the node while others left is not left out in silence."""
    lone.cluster.add_vm("web")
    begin = lone.cluster.begin

    def late(*args: Any) -> Any:
        if not any(vm["name"] == "late" for vm in lone.cluster.vms.values()):
            lone.cluster.add_vm("late")
        return begin(*args)

    monkeypatch.setattr(lone.cluster, "begin", late)
    done = root("node", "evacuate", "node1", "-o", "json")
    assert done.code == 5
    assert {each["name"]: each["status"] for each in json.loads(done.out)} == {"web": "moved", "late": "left"}


def test_node_check(root: Wawel, lone: Wire) -> None:
    """A node that is well is 0; one that answers and is not well says what is wrong, and is not."""
    lone.cluster.nodes[1] |= {"health": "ok", "troubles": []}
    done = root("node", "check", "node1")
    assert (done.code, done.told) == (0, ""), done
    told = "No hook has told of a VM that was launched there then."
    trouble = {"code": "hooks_silent", "blocks": True, "since": None, "text": told}
    lone.cluster.nodes[1] |= {"health": "degraded", "troubles": [trouble]}
    done = root("node", "check", "node1", "-o", "json")
    assert done.code == 5
    assert json.loads(done.out)["troubles"] == [trouble]
    assert "takes no VMs: No hook has told of a VM" in done.told
    trouble = {"code": "hook_outdated", "since": None, "text": "the hook has version 1, 2 is wanted", "blocks": False}
    report = {"problems": [{"code": "hook_outdated", "subject": "", "text": trouble["text"]}]}
    lone.cluster.nodes[1] |= {"troubles": [trouble], "report": report}
    done = root("node", "check", "node1")
    assert done.code == 5 and "is not well, and takes VMs: the hook has version 1" in done.told
    assert "the hook has version 1, 2 is wanted" in root("node", "show", "node1").out
    assert "hook outdated" in root("node", "ls").out
