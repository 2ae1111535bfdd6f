"""nftables as values: tables of sets and chains, as text for ``nft -f -``, whole or what became different. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Elements:
    """
    A set or a map with its content.

    :ivar kind: "set" or "map". :ivar declaration: its type and flags, each with its semicolon.
    """

    kind: str
    declaration: str
    content: frozenset[str]


@dataclass(frozen=True)
class Rules:
    """
    One table.

    :ivar sets: by name.
    :ivar chains: the rules of each, by name; a chain that is hooked in says so by its first line. A chain stands after
        those that its rules lead to.
    """

    family: str
    name: str
    sets: Mapping[str, Elements] = field(default_factory=dict)
    chains: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def whole(self) -> str:
        """A replacement of the table, or the table where there is none."""
        sets, maps = _split(self.sets)
        # A map names chains, so it comes after them; nft reads a file from its beginning.
        lines = [
            f"table {self.family} {self.name}",
            f"delete table {self.family} {self.name}",
            f"table {self.family} {self.name} {{",
            *(_block(name, each) for name, each in [*sets, *maps]),
            *(line for name, rules in self.chains.items() for line in _chain(name, rules)),
            "}",
        ]
        return "\n".join(lines) + "\n"


def _split(sets: Mapping[str, Elements]) -> tuple[list[tuple[str, Elements]], list[tuple[str, Elements]]]:
    every = sets.items()
    return [each for each in every if each[1].kind == "set"], [each for each in every if each[1].kind == "map"]


def _block(name: str, elements: Elements) -> str:
    """nft takes no empty list."""
    content = f"elements = {{ {', '.join(sorted(elements.content))} }}; " if elements.content else ""
    return f"\t{elements.kind} {name} {{ {elements.declaration} {content}}}"


def _chain(name: str, rules: Sequence[str]) -> list[str]:
    return [f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]


def change(before: Rules, after: Rules) -> str | None:
    """
    What makes the one of the other, in one transaction.

    :return: ``None``: only the whole will do. Empty: they are the same.
    """
    if (before.family, before.name) != (after.family, after.name):
        return None
    for name, each in after.sets.items():
        known = before.sets.get(name)
        if known is not None and (known.kind, known.declaration) != (each.kind, each.declaration):
            return None
    changed = [name for name, rules in after.chains.items() if before.chains.get(name, ()) != rules]
    gone = [name for name in before.chains if name not in after.chains]
    if any(_is_hooked(table.chains.get(name, ())) for table in (before, after) for name in [*changed, *gone]):
        return None
    table = f"{after.family} {after.name}"
    new_sets = [name for name in after.sets if name not in before.sets]
    lines = [
        *(f"add {after.sets[name].kind} {table} {name} {{ {after.sets[name].declaration} }}" for name in new_sets),
        *(f"add chain {table} {name}" for name in changed if name not in before.chains),
        *(f"flush chain {table} {name}" for name in [*changed, *gone] if name in before.chains),
        *_elements("delete", table, before.sets, after.sets),
        *_elements("add", table, after.sets, before.sets),
        *(f"add rule {table} {name} {rule}" for name in changed for rule in after.chains[name]),
        *(f"delete {each.kind} {table} {name}" for name, each in before.sets.items() if name not in after.sets),
        *(f"delete chain {table} {name}" for name in gone),
    ]
    return "".join(line + "\n" for line in lines)


def _is_hooked(rules: Sequence[str]) -> bool:
    return bool(rules) and rules[0].startswith("type ")


def _elements(verb: str, table: str, these: Mapping[str, Elements], those: Mapping[str, Elements]) -> Iterable[str]:
    """What these sets have and those lack. A set that goes takes its elements along; a map's lead to chains."""
    for name, each in these.items():
        if name not in those and verb == "delete" and each.kind == "set":
            continue
        known = those[name].content if name in those else frozenset()
        if content := sorted(each.content - known):
            yield f"{verb} element {table} {name} {{ {', '.join(content)} }}"
