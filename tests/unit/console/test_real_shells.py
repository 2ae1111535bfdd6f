"""Completion in bash, zsh and fish themselves: whatever a name holds, it comes to the command as one word."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from .conftest import Wawel
from .terminal import Terminal
from .wire import Wire

REPOSITORY = Path(__file__).resolve().parents[3]
# What is typed before the Tab, and the name that is meant. The first three would each make a file, if they ran.
NAMES = {
    "n1": "n1$(touch pwned)`touch pwned`;touch pwned&&touch pwned|touch pwned",
    "n2": "n2 '; touch pwned; echo '",
    "n3": 'n3 "; touch pwned; echo "$HOME ${HOME}',
    "n4": "n4!! !-1 !wa ^a^b",
    "n5": "n5 two  blanks \\ \\\\ back",
    "n6": "n6:with:colons=x,y@z#~*?[a-z]{b,c}<d>(e)%F{red}",
    "n7": "n7\n touch pwned \x1b[31m\r\x07",
    "n8": "n8 zażółć 名前 🏰 \u202e\u00a0",
    "name:-": "-rf $(touch pwned)",
    "name:7": "77",
}
# Two that begin alike: the first Tab writes what they share, which is half of a quotation to be gone on with.
ALIKE = ("n9 'a'$(touch pwned)-x", "n9 'a'$(touch pwned)-y")
# In the middle of a word, and within a quotation that was begun by hand.
WITHIN = {
    "bash": {"n6:wi": "n6", "'n1$(t": "n1", '"n2 ': "n2", '"n3 ': "n3", '"n4': "n4", "'n2 ": "n2", '"n7': "n7",
             "$'n5": "n5"},
    "zsh": {"n6:wi": "n6", "'n1$(t": "n1", '"n2 ': "n2", '"n4': "n4"},
    "fish": {"n6:wi": "n6", "'n1$(t": "n1", '"n2 ': "n2"},
}  # fmt: skip
START = {
    "bash": (["--norc", "--noprofile", "-i"], "PS1='ready> '; source ./completion"),
    "zsh": (["-f", "-i"], "PS1='ready> '; autoload -Uz compinit; compinit -D -u; source ./completion"),
    "fish": (["--no-config", "-i"], "function fish_prompt; echo 'ready> '; end; source ./completion"),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a ``wawel`` that completes as ours does, and otherwise notes the words that it is given."""
    place = tmp_path_factory.mktemp("bin")
    file = place / "wawel"
    file.write_text(
        "#!/bin/sh\n"
        f'[ -z "$_WAWEL_COMPLETE" ] || exec {sys.executable} -m clm.console.main "$@"\n'
        'for word; do printf "%s\\0" "$word"; done >>ran\nprintf "\\0\\0" >>ran\n'
    )
    file.chmod(0o755)
    return place


def ran(home: Path) -> list[list[str]]:
    text = (home / "ran").read_bytes().decode() if (home / "ran").exists() else ""
    return [each.split("\0") for each in text.split("\0\0\0")[:-1]]


@pytest.mark.parametrize("shell", START)
def test_hostile_names(anna: Wawel, lone: Wire, home: Path, program: Path, shell: str) -> None:
    """The line that Tab completes passes exactly the name that is meant, as one word, and runs nothing of it."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed: bin/bootstrap installs it")
    for name in (*NAMES.values(), *ALIKE):
        lone.cluster.add_vm(name)
    (home / "completion").write_text(anna("completion", shell).out)
    terminal = _start(found, shell, home, program)
    cases = [*NAMES.items(), *((typed, NAMES[meant]) for typed, meant in WITHIN[shell].items())]
    for number, (typed, name) in enumerate(cases, 1):
        terminal.type(f"wawel vm show {typed}\t")
        terminal.type("\r")
        end = time.monotonic() + 20
        while len(ran(home)) < number:
            assert time.monotonic() < end, (typed, name, terminal.seen)
            terminal.read()
        words = ran(home)[-1]
        meant = [name, f"name:{name}"] if typed.startswith("name:") else [name]
        assert words[:2] == ["vm", "show"] and len(words) == 3 and words[2] in meant, (typed, words, terminal.seen)
        assert not (home / "pwned").exists(), (typed, name)
    terminal.type("wawel vm show n9\t")
    terminal.settle()
    terminal.type("x\t")
    terminal.settle()
    terminal.type("\r")
    end = time.monotonic() + 20
    while len(ran(home)) <= len(cases):
        assert time.monotonic() < end, terminal.seen
        terminal.read()
    assert ran(home)[-1][2] == ALIKE[0] and not (home / "pwned").exists(), terminal.seen
    # Two presses list what there is; a name's own colours are none.
    terminal.type("wawel vm show \t\t")
    terminal.expect("zażółć")
    terminal.type("\x03\x03\rexit\r")
    terminal.read()
    assert "touch pwned \x1b[31m" not in terminal.all
    terminal.end()


def _start(found: str, shell: str, home: Path, program: Path) -> Terminal:
    words, first = START[shell]
    environment = {"PATH": f"{program}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8",
                   "XDG_DATA_HOME": str(home / "data")}  # fmt: skip
    terminal = Terminal([*words], home, [found], 200, environment)
    terminal.type(f"cd {home}; {first}\r")
    terminal.expect("ready> ")
    return terminal
