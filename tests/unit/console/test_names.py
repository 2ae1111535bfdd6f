"""Which object a word means: an id, a uuid, a name; and when that is not to be told."""

from __future__ import annotations

import json

import pytest

from clm.console.values import spell

from .conftest import Wawel, log_in
from .wire import Wire


def shown(wawel: Wawel, word: str, *more: str) -> int:
    done = wawel("vm", "show", word, *more, "-o", "json")
    assert done.code == 0, done.told
    return int(json.loads(done.out)["vm_id"])


def test_id_of_one_and_name_of_another(anna: Wawel, lone: Wire) -> None:
    """Such a word is refused, both are named, and nothing happens to either; a prefix says which."""
    first = lone.cluster.add_vm("web")
    second = lone.cluster.add_vm(str(first["vm_id"]))
    word = second["name"]
    for words in (["vm", "destroy", word, "-y"], ["vm", "stop", word], ["vm", "show", word],
                  ["vm", "get-by-id", word], ["op", "ls", "--vm", word]):  # fmt: skip
        done = anna(*words)
        assert (done.code, lone.cluster.calls) == (2, []), words
        assert f"{first['vm_id']} (web)" in done.told and f"{second['vm_id']} ({word})" in done.told, done.told
        assert f"id:{word}" in done.told and f"name:{word}" in done.told
    assert (shown(anna, f"id:{word}"), shown(anna, f"name:{word}")) == (first["vm_id"], second["vm_id"])
    assert json.loads(anna("vm", "get-by-id", f"name:{word}", "-o", "json").out)["vm_id"] == second["vm_id"]


def test_a_name_of_digits(anna: Wawel, lone: Wire) -> None:
    """A name that is no id is the name; an id that nobody is named by is the id, also of what the list leaves out."""
    vm = lone.cluster.add_vm("123")
    other = lone.cluster.add_vm("name:123", user_id=8)
    assert shown(anna, "123") == shown(anna, str(vm["vm_id"])) == vm["vm_id"]
    assert anna("vm", "show", "124").code == anna("vm", "show", "name:124").code == 1
    assert anna("vm", "show", "id:x").code == 2
    log_in(lone, "root")
    assert shown(anna, "name:name:123", "-A") == other["vm_id"]


def test_a_list_that_is_cut(root: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id beyond the end of a list is one all the same, so a name of those digits is no less ambiguous."""
    monkeypatch.setattr("clm.console.names.PAGE_MAX", 1)
    first = lone.cluster.add_vm("old")
    lone.cluster.vms = {9: {**first, "vm_id": 9, "name": str(first["vm_id"])}, **lone.cluster.vms}
    done = root("vm", "show", "-A", str(first["vm_id"]))
    assert (done.code, "id of one" in done.told) == (2, True)


@pytest.mark.parametrize("noun", ["node", "image", "template"])
def test_every_noun(root: Wawel, lone: Wire, noun: str) -> None:
    """Nodes, images and templates, by hand and made from the views, alike."""
    words = {
        "node": ["node", "show", "2"],
        "image": ["vm", "create", "x", "--image", "2", "--template", "1"],
        "template": ["vm", "create", "x", "--image", "1", "--template", "2"],
    }[noun]
    kept = {"node": lone.cluster.nodes, "image": lone.cluster.images, "template": lone.cluster.templates}[noun]
    kept[2] = {**kept[1], f"{noun}_id": 2}
    kept[1] = {**kept[1], "name": "2"}
    done = root(*words)
    assert (done.code, lone.cluster.calls) == (2, []), done.told
    assert f"'2' is the id of one {noun} and the name of another" in done.told
    if noun == "node":
        assert root("view", "admin.node.evacuate", "2").code == 2
        assert root("view", "admin.node.evacuate", "id:2").code == 0


def test_ids_of_several_clusters(wawel: Wawel, cloud: Wire) -> None:
    """An id is looked for on all clusters; where several have it, they are named, and --cluster says which."""
    log_in(cloud)
    cloud.clusters[0].add_vm("web")
    cloud.clusters[1].add_vm("db")
    only = cloud.clusters[1].add_vm("mail")
    assert shown(wawel, str(only["vm_id"])) == only["vm_id"]
    done = wawel("vm", "stop", "1")
    assert (done.code, "1 on north (web), 1 on south (db)" in done.told, "--cluster" in done.told) == (2, True, True)
    assert shown(wawel, "1", "--cluster", "south") == 1
    assert wawel("vm", "stop", "1", "--cluster", "south").code == 0
    assert cloud.clusters[1].calls == [("stop", {"vm_id": 1})]


def test_spelled_names(anna: Wawel, lone: Wire) -> None:
    """What completion writes means the name, whatever it is like."""
    for name in ("17", "-rf", "--yes", "id:3", "name:x", "00000000-0000-4000-8000-000000000001", "plain", " a"):
        vm = lone.cluster.add_vm(name)
        assert shown(anna, spell(name)) == vm["vm_id"]


def test_names_beyond_the_first_page(anna: Wawel, lone: Wire) -> None:
    """Servers tell lists a page at a time; a name is looked for beyond the first."""
    for number in range(2, 150):
        lone.cluster.images[number] = {**lone.cluster.images[1], "image_id": number, "name": f"more-{number}"}
    done = anna("vm", "create", "x", "--image", "tiny", "--template", "small")
    assert (done.code, lone.cluster.calls[0][1]["image_id"]) == (0, 1), done.told
