"""
Words on a shell's line: read as bash would read them, without running anything, and written so that bash reads them so.

Names come from a server, and anybody may have chosen them: what is put onto a line has to be one word, the name itself,
whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Unquoted these mean themselves to bash, wherever in a word they stand.
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")
_OPERATORS: Final = frozenset(";|&<>()")
_IN_DOUBLE: Final = frozenset('$`"\\\n')  # what a backslash takes the meaning of, between double quotation marks
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))", re.S)
_LETTERS: Final = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
                   "v": "\v"}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """
    A line up to the cursor.

    :ivar words: those that are complete.
    :ivar start: where in the line the word under way begins.
    :ivar begun: there is one, empty as it may be.
    :ivar word: what it spells so far.
    :ivar quote: which quotation is open at the cursor: "", ', ", $' or, after a lone backslash, that.
    :ivar opaque: what stands there only a running shell could tell: $x, $(y), an operator.
    """

    words: tuple[str, ...]
    start: int
    word: str
    begun: bool = True
    quote: str = ""
    opaque: bool = False


def parse(line: str, comments: bool = False) -> Line:
    """
    Read a line as bash does, but run nothing: what would have to be run stays as it stands.

    :param comments: a word that begins with # ends the line, as in a script.
    """
    words: list[str] = []
    word, begun, start, at, quote, opaque = "", False, 0, 0, "", False
    while at < len(line):
        c, step = line[at], 1
        if quote == "'":
            quote, word = ("", word) if c == "'" else (quote, word + c)
        elif quote == "$'":
            end = _end_of_ansi(line, at)
            word += ansi(line[at:end])
            quote, step = ("", end - at + 1) if end < len(line) else (quote, end - at)
        elif c == "\\":
            after = line[at + 1 : at + 2]
            begun, step = True, 2
            if not after:
                quote = "\\"
            elif quote == '"' and after not in _IN_DOUBLE:
                word += c + after
            elif after != "\n":
                word += after
        elif c == "`" or (c == "$" and re.match(r"[\w({@*#?$!-]", line[at + 1 :])):
            opaque, word = True, word + c
        elif quote == '"':
            quote, word = ("", word) if c == '"' else (quote, word + c)
        elif c in " \t\n":
            if begun:
                words.append(word)
            word, begun, start = "", False, at + 1
            at += 1
            continue
        elif c == "#" and comments and not begun:
            line = line[:at]
            break
        elif c in "'\"":
            quote = c
        elif line.startswith("$'", at):
            quote, step = "$'", 2
        else:
            opaque, word = opaque or c in _OPERATORS, word + c
        begun = True
        at += step
    return Line(tuple(words), start if begun else len(line), word, begun, quote, opaque)


def split(line: str) -> list[str] | None:
    """A whole line as words, with no meaning but quotation; ``None``: a quotation mark is open."""
    there = parse(line, comments=True)
    if there.quote:
        return None
    return [*there.words, there.word] if there.begun else list(there.words)


def _end_of_ansi(line: str, at: int) -> int:
    while at < len(line) and line[at] != "'":
        at += 2 if line[at] == "\\" else 1
    return min(at, len(line))


def ansi(text: str) -> str:
    """What stands between $' and ' as the text that it means."""
    made, last = b"", 0
    for found in _ESCAPE.finditer(text):
        made += text[last : found.start()].encode("utf-8", "surrogatepass")
        last = found.end()
        byte, short, long, octal, letter = found.groups()
        if byte or octal:
            made += bytes([(int(byte, 16) if byte else int(octal, 8)) & 0xFF])
        elif short or long:
            made += chr(min(int(short or long, 16), 0x10FFFF)).encode("utf-8", "surrogatepass")
        else:
            made += (_LETTERS.get(letter) or (letter if letter in "\\'\"?" else "\\" + letter)).encode()
    return (made + text[last:].encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def quoted(text: str, quote: str = "") -> str:
    """
    A text as bash reads it back, and as a terminal may show it. Any beginning of it is harmless as well: bash inserts
    what several have in common.

    :param quote: the quotation that is open where it is to stand; it is closed at the end.
    """
    if quote == "$'":
        return "".join(_ansi_of(c) if c in "'\\!" or not c.isprintable() else c for c in text) + "'"
    made: list[str] = []
    odd = ""
    for c in [*text, ""]:
        if c and not c.isprintable():
            odd += _ansi_of(c)
            continue
        if odd:
            made.append(f"{quote}$'{odd}'{quote}")
            odd = ""
        made.append(_one(c, quote))
    return "".join(made) + quote


def _one(c: str, quote: str) -> str:
    if quote == "'":
        return "'\\''" if c == "'" else c
    if quote == '"':
        # A backslash before ! stays there between double quotation marks, so it stands outside of them.
        return '"\\!"' if c == "!" else f"\\{c}" if c in _IN_DOUBLE else c
    return c if not c or c in _PLAIN or ord(c) > 127 else f"\\{c}"


def _ansi_of(c: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in c.encode("utf-8", "replace"))


def argument(text: str) -> str:
    """A word of a command that is shown for somebody to copy: as it is, where every shell takes it so."""
    if text and all(c in _PLAIN for c in text):
        return text
    return "'" + quoted(text, "'") if "!" not in text else quoted(text)
