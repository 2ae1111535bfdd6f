"""Which cluster a list is of: it is said, or it is all of them."""

from __future__ import annotations

import json

import pytest

from .conftest import Wawel, log_in
from .wire import Wire


@pytest.fixture
def anna_of_two(wawel: Wawel, cloud: Wire) -> Wawel:
    log_in(cloud, "root")
    cloud.clusters[0].default = "north"
    cloud.clusters[0].add_vm("web", user_id=1)
    cloud.clusters[1].add_vm("db", user_id=1)
    return wawel


LISTS = [["vm", "ls"], ["node", "ls"], ["op", "ls"], ["image", "ls"], ["template", "ls"], ["vm", "ls", "-A"]]


@pytest.mark.parametrize("words", LISTS)
def test_lists_say_their_cluster(anna_of_two: Wawel, cloud: Wire, words: list[str]) -> None:
    """A list that nobody named a cluster for says which it is of; named, all, or for programs, it says nothing."""
    done = anna_of_two(*words)
    assert (done.code, "Cluster north, your default; --all-clusters" in done.told) == (0, True), done
    for more in (["--cluster", "south"], ["--all-clusters"], ["-o", "json"]):
        done = anna_of_two(*words, *more)
        assert (done.code, done.told) == (0, ""), (more, done)
    assert anna_of_two("profile", "set", "root", "--cluster", "south").code == 0
    assert "Cluster south, as the profile says" in anna_of_two(*words).told
    assert anna_of_two(*words, "--cluster", "north", "--all-clusters").code == 2


def test_all_clusters(anna_of_two: Wawel, cloud: Wire) -> None:
    """Lists of all clusters begin with the cluster, those made from views, too."""
    for words in (["node", "ls"], ["vm", "ls"], ["template", "ls"], ["admin", "node", "get-list"]):
        done = anna_of_two(*words, "--all-clusters")
        lines = done.out.splitlines()
        assert lines[0].startswith("CLUSTER") and lines[1].startswith("north") and "south" in done.out, words


def test_one_cluster(wawel: Wawel, cloud: Wire, lone: Wire) -> None:
    """Where there is but one there is nothing to say."""
    log_in(cloud)
    del cloud.clusters[1]
    assert wawel("vm", "ls").told == ""
    log_in(lone, "root")
    assert wawel("vm", "ls").told == ""
    assert wawel("op", "ls", "--all-clusters").code == 2


def test_wrong_cluster(anna_of_two: Wawel, cloud: Wire) -> None:
    """A cluster that is not there is answered with those that are."""
    for words in (["vm", "ls"], ["vm", "show", "web"], ["messages"], ["vm", "stop", "1"]):
        done = anna_of_two(*words, "--cluster", "nroth")
        assert done.code == 1 and "north, south" in done.told, (words, done)
    error = json.loads(anna_of_two("vm", "ls", "--cluster", "x", "-o", "json").told)["error"]
    assert (error["code"], error["fields"]["kind"]) == ("object_not_found", "cluster")


def test_messages(anna_of_two: Wawel, cloud: Wire, lone: Wire) -> None:
    """A message is a sentence, with its cluster."""
    ended = {"message_id": 1, "level": "info", "code": "vm_ended", "cluster_id": 2,
             "params": {"vm_id": 2, "name": "deb\x1b[31m", "then": "stopped"}}  # fmt: skip
    failed = {"message_id": 2, "level": "error", "code": "vm_start_failed", "cluster_id": 1,
              "params": {"vm_id": 2, "name": "web", "operation_id": 9, "reason": "No node can take it."}}  # fmt: skip
    odd = {"message_id": 3, "level": "info", "code": "what", "cluster_id": None, "params": {"a": 1}}
    cloud.cluster.messages = [ended, failed, odd]
    out = anna_of_two("messages").out
    assert r"south    VM deb\x1b[31m ended by itself; it is stopped now." in out
    assert "north    VM web could not be started: No node can take it. Operation 9." in out and "a=1" in out
    assert "deb" not in anna_of_two("messages", "--cluster", "north").out
    assert json.loads(anna_of_two("messages", "--cluster", "id:2", "-o", "json").out)[0]["code"] == "vm_ended"


def test_drift_takes_the_options_of_its_list() -> None:
    """``wawel drift`` alone is ``drift ls``."""
    from clm.console.commands.drift import drift, ls

    assert {param.name for param in ls.params} <= {param.name for param in drift.params}
