"""Completion for shells, and the shell of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.console import completion, quoting
from clm.console.commands.shell import completions, split
from clm.console.context import Options

from .conftest import Wawel
from .terminal import PROGRAM, Terminal
from .wire import Wire


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_scripts(home: Path, wawel: Wawel, kind: str) -> None:
    """Each shell's script is of that shell's grammar, where the shell is there to say so."""
    done = wawel("completion", kind)
    assert (done.code, "_WAWEL_COMPLETE" in done.out) == (0, True)
    shell = shutil.which(kind)
    if shell is not None:
        assert subprocess.run([shell, "-n"], input=done.out.encode(), capture_output=True).stderr == b""


def complete(home: Path, *words: str) -> list[str]:
    """What bash would be told."""
    done = subprocess.run(
        PROGRAM, capture_output=True, text=True, timeout=20,
        env={**os.environ, "HOME": str(home), "_WAWEL_COMPLETE": "bash_complete",
             "_WAWEL_LINE": " ".join(["wawel", *words]), "_WAWEL_WORD": words[-1]},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_completion(anna: Wawel, lone: Wire, home: Path) -> None:
    """Commands, options, choices and names; of the profile that the line itself says."""
    lone.cluster.add_vm("web-1")
    lone.cluster.add_vm("db")
    assert {"vm", "image", "node", "template"} <= set(complete(home, ""))
    assert complete(home, "vm", "cre") == ["create"]
    assert "--template" in complete(home, "vm", "create", "--te")
    assert complete(home, "vm", "ls", "-o", "j") == ["json"]
    assert complete(home, "vm", "stop", "web") == ["web-1"]
    assert complete(home, "vm", "get-by-id", "d") == ["db"]
    assert complete(home, "acl", "set", "vm", "we") == ["web-1"]
    assert complete(home, "vm", "create", "x", "--image", "") == ["tiny"]
    assert complete(home, "--profile", "") == ["anna"]
    assert complete(home, "--profile", "nobody", "vm", "stop", "") == []


def test_names_are_kept_shortly(anna: Wawel, lone: Wire, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second press of the key within seconds asks nobody; after them it does."""
    from clm.console.context import Console

    lone.cluster.add_vm("web")
    assert completion.names(Console(), "vm") == ["web"]
    lone.cluster.add_vm("new")
    assert completion.names(Console(), "vm") == ["web"]
    monkeypatch.setattr(completion, "KEPT_S", 0.0)
    assert completion.names(Console(), "vm") == ["new", "web"]


def test_completion_is_silent(wawel: Wawel, home: Path) -> None:
    """Nobody logged in, nobody there: no names, and not a word."""
    assert complete(home, "vm", "stop", "") == []
    assert complete(home, "--url", "http://127.0.0.1:1", "vm", "stop", "") == []


def test_lines(anna: Wawel, lone: Wire) -> None:
    """Without a terminal the shell runs lines, and ends at the first that fails, with its code."""
    lone.cluster.add_vm("two words")
    done = anna("shell", standard_input="# a comment\n\nwawel vm ls --no-headers\nvm show 'two words' -o json\n")
    assert (done.code, done.out.count("two words")) == (0, 2)
    done = anna("shell", standard_input="vm show nobody\nvm ls\n")
    assert (done.code, done.out) == (1, "")
    done = anna("shell", "--keep-going", standard_input="vm show nobody\nvm ls\n")
    assert (done.code, "two words" in done.out) == (1, True)
    assert anna("shell", standard_input="exit\nvm show nobody\n").code == 0
    assert anna("shell", standard_input="shell\n").code == 2
    assert anna("shell", standard_input="vm 'ls\n").code == 2


def test_options_of_one_line_end_with_it(anna: Wawel, lone: Wire) -> None:
    """What was said of one command does not hold for the next; what was said of the shell does."""
    lone.cluster.add_vm("web")
    done = anna("shell", standard_input="vm ls -o json\nvm ls\nvm stop web --dry-run\nvm stop web\n")
    assert (done.code, done.out.count('"name"'), len(lone.cluster.calls)) == (0, 1, 1)
    done = anna("-o", "json", "shell", standard_input="vm ls\nvm ls\n")
    assert done.out.count('"name"') == 2


@given(st.text())
def test_any_line_is_split(line: str) -> None:
    """Whatever is typed is words, or an open quotation mark."""
    words = split(line)
    assert words is None or all(isinstance(word, str) for word in words)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=6), max_size=4).map(" ".join))
def test_any_line_is_completed(anna_home: object, line: str) -> None:
    """Whatever is half typed, completion says something or nothing, and not of what stands before the word."""
    for item in completions(line, Options(url="http://127.0.0.1:1", timeout=0.2)):
        assert item.start_position <= 0


@pytest.fixture(scope="module")
def anna_home(tmp_path_factory: pytest.TempPathFactory) -> object:
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONFIG", "CACHE", "STATE"):
            patch.setenv(f"XDG_{name}_HOME", str(place))
        yield place


def test_completions_in_the_shell(anna: Wawel, lone: Wire) -> None:
    """As in bash: words begun, options, names; those with blanks are quoted."""
    lone.cluster.add_vm("two words")
    assert [item.text for item in completions("vm sto", Options())] == ["stop"]
    assert "--wait" in [item.text for item in completions("vm stop --", Options())]
    assert [item.text for item in completions("vm stop ", Options())] == ["'two words'"]
    for begun in ("'tw", '"two w', "two\\ w"):
        item = next(iter(completions(f"wawel vm stop {begun}", Options())))
        assert (item.text, item.start_position) == ("'two words'", -len(begun))


def test_on_a_terminal(anna: Wawel, lone: Wire, home: Path) -> None:
    """The prompt says the profile; Tab completes; errors leave it standing; Ctrl-D leaves; the history stays."""
    lone.cluster.add_vm("web")
    terminal = Terminal(["shell"], home)
    terminal.expect("wawel anna>")
    terminal.type("vm show we")
    terminal.expect("we")
    terminal.type("\t")
    terminal.expect("b")  # what was added to it, or the menu that comes before
    terminal.settle()
    terminal.type("\r")
    terminal.expect("10.0.0.1")
    terminal.expect("wawel anna>")
    terminal.type("vm destroy web\r")
    terminal.expect("[y/N]")
    terminal.type("n\r")
    terminal.expect("wawel anna>")
    terminal.type("vm show nobody\r")
    terminal.expect("There is no vm 'nobody'")
    terminal.expect("wawel anna>")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert "vm show web" in (home / "state/wawel/history").read_text()
    assert "web" in [vm["name"] for vm in lone.cluster.vms.values()]


def test_table_on_a_terminal(anna: Wawel, lone: Wire, home: Path) -> None:
    """A terminal gets colours, and a name's brackets are no markup."""
    lone.cluster.add_vm("[red]web")
    terminal = Terminal(["vm", "ls"], home)
    terminal.expect("[red]web")
    terminal.expect("running")
    assert terminal.end() == 0


def test_watch_on_a_terminal(anna: Wawel, lone: Wire, home: Path) -> None:
    """The list stays and changes in its place; Ctrl-C ends it with 130."""
    vm = lone.cluster.add_vm("web")
    terminal = Terminal(["vm", "ls", "--watch"], home)
    terminal.expect("running")
    vm["state"] = "paused"
    terminal.expect("paused")
    terminal.type("\x03")
    assert terminal.end() == 130


def test_wait_on_a_terminal(anna: Wawel, lone: Wire, home: Path) -> None:
    """What is waited for has a bar."""
    lone.cluster.add_vm("web")
    lone.cluster.patience = 30
    terminal = Terminal(["vm", "stop", "web", "--wait"], home)
    terminal.expect("100%")
    assert terminal.end() == 0


HOSTILE = st.text(st.sampled_from("ab '\"\\$`!;|&<>()#~*?[]{}:=-,\n\t\x1b\u202e\u017c\U0001f3f0"), max_size=12)


@given(HOSTILE, st.sampled_from(["", "'", '"', "$'"]), HOSTILE)
def test_quoted_is_read_back(name: str, quote: str, before: str) -> None:
    """What is quoted is one word again, by the rules that the shells in test_real_shells.py follow; no part runs."""
    line = f"wawel {quoting.argument(before)} {quote}{quoting.quoted(name, quote)}"
    assert quoting.split(line) == ["wawel", before, name] if name or quote else True
    for end in range(len(line)):
        assert not quoting.parse(line[:end]).opaque
    assert all(c.isprintable() for c in line)
