"""Words that people try, and what they are told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.console.hints import WORDS, for_word
from clm.console.root import cli

from .conftest import Wawel, run
from .wire import Wire


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["vm", "rename", "web", "x"], "wawel vm edit VM --name NEW_NAME"),
        (["vm", "backup", "web"], "wawel vm save VM IMAGE_NAME"),
        (["vm", "snapshot", "web"], "wawel vm create-snapshot"),
        (["vm", "scale", "web"], "wawel vm resize"),
        (["vm", "ssh", "web"], "ssh USER@ADDRESS"),
        (["vm", "strat", "web"], "wawel vm start"),
        (["vms"], "wawel vm"),
        (["start", "web"], "wawel vm start"),
        (["reboot", "web"], "wawel vm reboot"),
        (["user", "create", "x"], "wawel user add"),
        (["user", "quota", "anna"], "wawel quota show USER"),
        (["storages"], "wawel storage"),
        (["version"], "wawel --version"),
    ],
)
def test_words_that_people_try(anna: Wawel, lone: Wire, words: list[str], told: str) -> None:
    """What is no command is answered with the one that is meant."""
    done = anna(*words)
    assert (done.code, told in done.told) == (2, True), done.told
    assert lone.cluster.calls == []


def test_unknown_words(anna: Wawel) -> None:
    """A word that nobody can make anything of is refused as before."""
    done = anna("vm", "xyzzy")
    assert (done.code, "No such command" in done.told) == (2, True)


def test_hints_name_commands() -> None:
    """Every command that a hint names is there; and no word with a hint is a command itself, which would hide it."""
    ctx = cli.make_context("wawel", ["vm"])
    for group, told in WORDS.items():
        at = cli.get_command(ctx, group) if group else cli
        assert at is not None, group
        for word, hint in told.items():
            assert at.get_command(ctx, word) is None, (group, word)  # type: ignore[attr-defined]
            for part in hint.split("wawel ")[1:]:
                names = part.replace(",", " ").replace(":", " ").replace(";", " ").replace(")", " ").split()
                command = cli.get_command(ctx, names[0])
                if names[0].startswith("--"):
                    continue
                assert command is not None, hint
                if hasattr(command, "get_command") and len(names) > 1 and names[1].islower() and names[1] != "or":
                    assert command.get_command(ctx, names[1]) is not None, hint


@given(st.sampled_from([*WORDS, "no such"]), st.text(max_size=8), st.lists(st.text(max_size=8), max_size=5))
def test_any_word(group: str, word: str, known: list[str]) -> None:
    assert isinstance(for_word(group, word, known), str)


def test_groups_for_administrators(root: Wawel, lone: Wire) -> None:
    """Nouns of administrators are commands like node is; what has an obvious place needs no name."""
    done = root("network", "add", "guests", "10.128.0.0/24", "-o", "json")
    assert json.loads(done.out)["network"] == "10.128.0.0/24", done
    assert root("admin", "network", "add", "more", "10.129.0.0/24", "10.129.0.1").code == 0
    assert [each[1]["name"] for each in lone.cluster.calls] == ["guests", "more"]
    done = root("network", "add", "a", "b", "c", "d")
    assert (done.code, "in order it takes NAME, NETWORK, GATEWAY" in done.told) == (2, True)
    for noun in ("storage", "network", "template", "quota", "image", "node", "user"):
        done = root(noun, "--help")
        assert done.code == 0
        assert noun == "quota" or "ls" in run("--url", "http://127.0.0.1:1", noun, "--help").out, noun
    shown = run("--url", "http://127.0.0.1:1", "image", "--help").out
    assert "set-access" in shown and "import" in shown
    assert "--admin" in run("--url", "http://127.0.0.1:1", "image", "delete", "--help").out


def test_numbers_are_told(anna: Wawel) -> None:
    """What is no number is told what it has to be."""
    assert "'x' is no whole number from 1 to 10000." in anna("vm", "ls", "--limit", "x").told
    assert "'0' is no whole number of at least 1." in anna("op", "show", "0").told
    assert "'x' is no number of at least 0." in anna("op", "wait", "1", "--wait-timeout", "x").told


def test_refusals_name_what_was_typed(anna: Wawel, lone: Wire) -> None:
    """A refusal tells the name that was typed beside the id; a name that is near is offered."""
    lone.cluster.add_vm("web\\1")
    done = anna("vm", "start", "web\\1")
    assert (done.code, "VM web\\1 (1) is running; this needs stopped." in done.told) == (1, True), done.told
    lone.cluster.vms[1]["user_id"] = 8
    assert "There is no vm 1." in anna("vm", "start", "1").told
    lone.cluster.add_vm("database one")
    assert "There is 'database one'." in anna("vm", "show", "databse one").told
    many = anna("vm", "start", "2", "database one").told + anna("vm", "start", "2", "2").out
    assert "database one (2)" in many or "VM 2" not in many


def test_explain_tells_an_error(root: Wawel, lone: Wire) -> None:
    """Of a VM in error the error comes first, whatever its placement once was."""
    lone.cluster.add_vm("web", "error")["error"] = "The disk is gone."
    out = root("explain", "web").out
    assert out.index("The disk is gone.") < out.index("Placed on node1") < out.index("and 2 more: fits")
