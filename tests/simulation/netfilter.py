"""nftables of a simulated node: what ``nft -f -`` and ``nft list table`` do, as far as the agent's own text goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from node_hooks.command import CommandFailed

_SET: Final = re.compile(
    r"(?P<kind>set|map) (?P<name>\S+) \{ (?P<declaration>.*?;) ?(?:elements = \{ (?P<content>.*) \}; )?\}"
)
_ELEMENTS: Final = re.compile(r"(?P<verb>add|delete) element (?P<table>\S+ \S+) (?P<name>\S+) \{ (?P<content>.*) \}")
_MADE: Final = re.compile(r"add (?P<kind>set|map) (?P<table>\S+ \S+) (?P<name>\S+) \{ (?P<declaration>.*) \}")
_CHAIN: Final = re.compile(r"(?P<verb>add|flush|delete) chain (?P<table>\S+ \S+) (?P<name>\S+)")
_RULE: Final = re.compile(r"add rule (?P<table>\S+ \S+) (?P<name>\S+) (?P<rule>.*)")
_GONE: Final = re.compile(r"delete (?:set|map) (?P<table>\S+ \S+) (?P<name>\S+)")


@dataclass
class NftTable:
    """
    :ivar sets: declarations by name; ``content``: what is in each.
    :ivar chains: the rules of each.
    """

    sets: dict[str, str] = field(default_factory=dict)
    content: dict[str, set[str]] = field(default_factory=dict)
    chains: dict[str, list[str]] = field(default_factory=dict)
    _listing: str = ""

    def listing(self) -> str:
        """As ``--stateless --terse`` has it: without what is in sets."""
        if not self._listing:
            lines = [f"{name} {{ {declaration} }}" for name, declaration in self.sets.items()]
            lines += [f"chain {name} {{ {'; '.join(rules)} }}" for name, rules in self.chains.items()]
            self._listing = "\n".join(lines) + "\n"
        return self._listing

    def changed(self) -> None:
        self._listing = ""

    def copy(self) -> NftTable:
        content = {name: set(each) for name, each in self.content.items()}
        return NftTable(dict(self.sets), content, {name: list(each) for name, each in self.chains.items()})


class NetFilter:
    """:ivar tables: by family and name, such as ``inet wawel``."""

    def __init__(self) -> None:
        self.tables: dict[str, NftTable] = {}

    def flush(self) -> None:
        """``nft flush ruleset``."""
        self.tables.clear()

    def list(self, table: str) -> str:
        """:raises CommandFailed: it is not there."""
        if table not in self.tables:
            raise CommandFailed("Error: No such file or directory")
        return self.tables[table].listing()

    def load(self, text: str) -> None:
        """
        All of it, or nothing.

        :raises CommandFailed: something in it cannot be done.
        """
        change = _Change(self.tables)
        lines = iter(text.splitlines())
        for line in lines:
            change.read(line, lines)
        for name, table in change.made.items():
            if table is None:
                self.tables.pop(name, None)
            else:
                self.tables[name] = table

    def content(self, table: str, name: str) -> set[str]:
        """Of a set or a map; nothing where it is not there."""
        found = self.tables.get(table)
        return set() if found is None else found.content.get(name, set())


class _Change:
    """One transaction."""

    def __init__(self, tables: dict[str, NftTable]) -> None:
        self._tables = tables
        self.made: dict[str, NftTable | None] = {}

    def _get(self, name: str) -> NftTable:
        if name not in self.made and name in self._tables:
            self.made[name] = self._tables[name].copy()
        found = self.made.get(name)
        if found is None:
            raise CommandFailed(f"Error: No such file or directory: table {name}")
        return found

    def read(self, line: str, more: Iterator[str]) -> None:
        words = line.split(" ")
        if words[0] == "table" and line.endswith("{"):
            self._whole(self._get_or_make(" ".join(words[1:3])), more)
        elif words[0] == "table" or words[:2] == ["add", "table"]:
            self._get_or_make(" ".join(words[-2:]))
        elif words[:2] == ["delete", "table"]:
            self._get(" ".join(words[2:4]))
            self.made[" ".join(words[2:4])] = None
        elif found := _ELEMENTS.fullmatch(line):
            self._elements(found)
        elif found := _RULE.fullmatch(line):
            self._chain(found["table"], found["name"]).append(found["rule"])
        elif found := _MADE.fullmatch(line):
            table = self._get(found["table"])
            table.sets[found["name"]], table.content[found["name"]] = f"{found['kind']} {found['declaration']}", set()
            table.changed()
        elif found := _CHAIN.match(line):
            self._on_chain(found)
        elif found := _GONE.fullmatch(line):
            table = self._get(found["table"])
            if table.sets.pop(found["name"], None) is None:
                raise CommandFailed(f"Error: No such file or directory: {line}")
            del table.content[found["name"]]
            table.changed()
        else:
            raise CommandFailed(f"Error: syntax error: {line}")

    def _get_or_make(self, name: str) -> NftTable:
        if self.made.get(name) is None and (name in self.made or name not in self._tables):
            self.made[name] = NftTable()
        return self._get(name)

    def _chain(self, table: str, name: str) -> list[str]:
        found = self._get(table)
        found.changed()
        if name not in found.chains:
            raise CommandFailed(f"Error: No such file or directory: chain {name}")
        return found.chains[name]

    def _on_chain(self, found: re.Match[str]) -> None:
        if found["verb"] == "add":
            self._get(found["table"]).chains.setdefault(found["name"], [])
            self._get(found["table"]).changed()
        elif found["verb"] == "flush":
            self._chain(found["table"], found["name"]).clear()
        else:
            self._chain(found["table"], found["name"])
            del self._get(found["table"]).chains[found["name"]]

    def _elements(self, found: re.Match[str]) -> None:
        content = self._get(found["table"]).content.get(found["name"])
        if content is None:
            raise CommandFailed(f"Error: No such file or directory: {found['name']}")
        for each in found["content"].split(", "):
            if found["verb"] == "add":
                content.add(each)
            elif each in content:
                content.discard(each)
            else:
                raise CommandFailed(f"Error: No such file or directory: element {each}")

    def _whole(self, table: NftTable, lines: Iterator[str]) -> None:
        for line in lines:
            line = line.strip()
            if line == "}":
                table.changed()
                return
            if found := _SET.fullmatch(line):
                table.sets[found["name"]] = f"{found['kind']} {found['declaration']}"
                table.content[found["name"]] = set((found["content"] or "").split(", ")) - {""}
            elif line.startswith("chain "):
                rules = table.chains[line.split(" ")[1]] = []
                for rule in lines:
                    if rule.strip() == "}":
                        break
                    rules.append(rule.strip())
            else:
                raise CommandFailed(f"Error: syntax error: {line}")
        raise CommandFailed("Error: syntax error: unexpected end of file")
