"""
Completion for bash, zsh and fish: the scripts that these shells read, and the answers that the scripts ask for.

A name that completes a line was chosen by whoever owns what bears it. bash inserts what it is told as it stands, so it
is told words that are quoted for the place where they go; zsh and fish quote themselves, and are told names that end
with a NUL, which no name holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from clm.console.problems import one_line
from clm.console.quoting import parse, quoted

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from clm.console.context import Console

_LINE, _WORD = "_WAWEL_LINE", "_WAWEL_WORD"

_BASH: Final = """\
_wawel_completion() {
    local each
    COMPREPLY=()
    while IFS= read -r each; do
        COMPREPLY+=("$each")
    done < <(_WAWEL_COMPLETE=bash_complete _WAWEL_LINE="${COMP_LINE:0:COMP_POINT}" _WAWEL_WORD="$2" \\
             "${1/#\\~\\//$HOME/}" 2>/dev/null)
}
complete -o nosort -F _wawel_completion wawel 2>/dev/null || complete -F _wawel_completion wawel
"""
_ZSH: Final = """\
#compdef wawel

_wawel_completion() {
    local -a answer values shown
    local value help
    (( ! $+commands[wawel] )) && return 1
    answer=("${(@0)$(_WAWEL_COMPLETE=zsh_complete wawel "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for value help in "${(@)answer}"; do
        [[ -n $value ]] || continue
        values+=("$value")
        shown+=("$help")
    done
    (( $#values )) && compadd -U -V unsorted -l -d shown -a -- values
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _wawel_completion "$@"
else
    compdef _wawel_completion wawel
fi
"""
_FISH: Final = """\
function _wawel_completion
    set -l word (commandline -ct)
    env _WAWEL_COMPLETE=fish_complete wawel (commandline -opc) "$word" 2>/dev/null | string split0
end
complete --no-files --command wawel --arguments '(_wawel_completion)'
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def complete(cli: click.Command, console: Console, instruction: str, arguments: Sequence[str]) -> None:
    """
    Answer a script. Whatever is amiss, the answer is that nothing is known: this runs while somebody types.

    A script of an older release asks in another way, and would run what a name holds; it is told nothing.
    """
    try:
        told = _answer(cli, console, instruction.partition("_")[0], list(arguments))
    except Exception:
        # What is half typed, and what a server says of it, may be anything that a command would refuse. There is no
        # log, and the terminal holds the line that is typed. The command itself, once typed, tells what is wrong.
        return
    sys.stdout.buffer.write(told.encode("utf-8", "replace"))
    sys.stdout.flush()


def _answer(cli: click.Command, console: Console, shell: str, arguments: list[str]) -> str:
    if shell == "bash":
        words = for_bash(cli, console, os.environ.get(_LINE, ""), os.environ.get(_WORD, ""))
        return "".join(f"{word}\n" for word in words)
    if not arguments:
        return ""
    *words, word = arguments[1:] or [""]
    if shell == "fish":
        # The word under way comes as it stands on the line. Fish cuts a candidate at a tab, whatever is done.
        found = [(value, text) for value, text in items(cli, console, words, parse(word).word) if "\t" not in value]
        return "".join(f"{value}\t{text}\0" if text else f"{value}\0" for value, text in found)
    found = items(cli, console, words, word)
    wide = max((len(value) for value, _ in found), default=0)
    return "".join(f"{value}\0{one_line(value):<{wide}}{'  -- ' + text if text else ''}\0" for value, text in found)


def for_bash(cli: click.Command, console: Console, line: str, word: str) -> list[str]:
    """
    What bash may put in the place of a word.

    :param line: up to the cursor.
    :param word: the end of the line that bash will replace: less than a word where that holds a colon or a quotation.
    """
    there = parse(line)
    if there.opaque or there.quote == "\\" or not there.words or not line.endswith(word):
        return []
    kept = parse(line[: len(line) - len(word)])
    if kept.quote == "\\" or kept.start > there.start and word:
        return []
    prefix = kept.word if kept.start == there.start else ""
    found = [value for value, _ in items(cli, console, list(there.words[1:]), there.word)]
    made = [quoted(value.removeprefix(prefix), kept.quote) for value in found if value.startswith(prefix)]
    return [each for each in made if each]


def items(cli: click.Command, console: Console, words: list[str], word: str) -> list[tuple[str, str]]:
    """Whole words that may stand in the place of the one under way, each with a line that explains it, or none."""
    from click.shell_completion import ShellComplete

    from clm.console.root import COMPLETE

    found: list[CompletionItem[str]] = ShellComplete(cli, {"obj": console}, "wawel", COMPLETE).get_completions(
        words, word
    )
    option, equals, _ = word.partition("=")
    lead = option + equals if equals and option.startswith("--") else ""
    return [(lead + str(each.value), one_line(each.help or "")) for each in found if each.type == "plain"]
