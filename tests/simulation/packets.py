"""
What becomes of a packet by a node's nftables: an interpreter of what its kernel holds, for as much of the language as
the agent's tables use. It knows nothing of what wrote them, and what it does not know it refuses.

A packet is what nft's expressions say of it, by their names. An expression that a packet has not, such as a port of an
ARP message, matches nothing, whatever it is compared with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from simulation.netfilter import NetFilter, NftTable

Packet = dict[str, Any]

_TOKEN: Final = re.compile(r'@th,\d+,\d+|"[^"]*"|[{},]|[^\s{},]+')
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_NUMBER: Final = re.compile(r"0x[0-9a-f]+|\d+")
_RANGE: Final = re.compile(r"(0x[0-9a-f]+|\d+)-(0x[0-9a-f]+|\d+)")
_PROTOCOLS: Final = {
    "icmp": 1, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "sctp": 132,
    "udplite": 136,
}  # fmt: skip
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "srcnat": 100}
_KEYS: Final = frozenset({
    "iifname", "oifname", "ether saddr", "ether daddr", "ether type", "arp saddr ether", "arp saddr ip",
    "arp daddr ip", "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr", "ip6 nexthdr", "ip6 length", "ip6 hoplimit",
    "icmp type", "icmpv6 type", "udp sport", "udp dport", "tcp dport", "th sport", "th dport", "meta l4proto",
    "meta nfproto", "meta mark", "ct mark", "ct state", "ct direction", "ct status", "ct original proto-dst",
    "frag nexthdr", "frag frag-off",
})  # fmt: skip
_TO: Final = {"ip": ("ip daddr", ("tcp dport", "udp dport", "th dport")), "ip6": ("ip6 daddr", ("tcp dport",
              "udp dport", "th dport"))}  # fmt: skip


class NotUnderstood(Exception):
    """A rule says what this interpreter does not know."""


@dataclass
class Base:
    """A chain that is hooked in."""

    table: NftTable
    name: str
    priority: int


@dataclass
class _Rule:
    words: list[str]
    at: int = 0

    def peek(self, more: int = 0) -> str:
        return self.words[self.at + more] if self.at + more < len(self.words) else ""

    def take(self) -> str:
        word = self.peek()
        self.at += 1
        return word


@dataclass(frozen=True)
class Verdict:
    """:ivar kind: of accept, drop, return, jump, goto. :ivar chain: where to."""

    kind: str
    chain: str = ""


def passes(nft: NetFilter, family: str, hook: str, packet: Packet) -> bool:
    """
    Whether the chains that are hooked in there let a packet pass, one after the other. What they say of it, such as
    another receiver, it has afterwards.

    :raises NotUnderstood: a rule that was come to.
    """
    for base in _hooked(nft, family, hook):
        if _run(base.table, base.name, packet) == "drop":
            return False
    return True


def _hooked(nft: NetFilter, family: str, hook: str) -> list[Base]:
    found = []
    for name, table in nft.tables.items():
        if name.partition(" ")[0] != family:
            continue
        for chain, rules in table.chains.items():
            words = rules[0].split() if rules else []
            if words[:1] == ["type"] and words[3] == hook:
                assert rules[0].endswith("policy accept;"), rules[0]
                found.append(Base(table, chain, _priority(" ".join(words[5 : words.index("policy")]))))
    return sorted(found, key=lambda base: base.priority)


def _priority(told: str) -> int:
    name, *rest = told.rstrip(";").split()
    value = _PRIORITIES[name] if name in _PRIORITIES else int(name)
    return value + int("".join(rest)) if rest else value


def _run(table: NftTable, chain: str, packet: Packet) -> str:
    """:return: "accept", "drop", or "" where its rules are at an end."""
    if chain not in table.chains:
        raise NotUnderstood(f"there is no chain {chain}")
    for rule in table.chains[chain]:
        if rule.startswith("type "):
            continue
        verdict = _Step(table, packet).verdict(rule)
        if verdict is None:
            continue
        if verdict.kind in ("accept", "drop"):
            return verdict.kind
        if verdict.kind == "return":
            return ""
        told = _run(table, verdict.chain, packet)
        if told or verdict.kind == "goto":
            return told
    return ""


@lru_cache(maxsize=20_000)
def _words(rule: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(rule))


@dataclass
class _Step:
    """One rule, and one packet."""

    table: NftTable
    packet: Packet
    _rule: _Rule = field(default_factory=lambda: _Rule([]))

    def verdict(self, text: str) -> Verdict | None:
        """None: it does not match, or says nothing."""
        rule = self._rule = _Rule(list(_words(text)))
        while rule.peek():
            word = rule.peek()
            if word in ("accept", "drop", "return"):
                return Verdict(rule.take())
            if word in ("jump", "goto"):
                return Verdict(rule.take(), rule.take())
            if word in ("counter", "notrack"):
                rule.take()
            elif word in ("masquerade", "snat", "redirect", "update"):
                # Who sent it, where its port is answered, how often somebody came: nothing here asks for that.
                return Verdict("accept") if word != "update" else None
            elif word == "dnat":
                return self._lead()
            elif self._is_statement():
                if not self._set():
                    return None
            elif rule.peek() == "exthdr":
                if rule.words[rule.at : rule.at + 3] != ["exthdr", "frag", "exists"]:
                    raise NotUnderstood(text)
                rule.at += 3
                if "frag nexthdr" not in self.packet:
                    return None
            else:
                matched = self._match(text)
                if isinstance(matched, Verdict):
                    return matched
                if not matched:
                    return None
        return None

    # ------------------------------------------------------------------ statements

    def _is_statement(self) -> bool:
        """``meta mark set``, ``ct zone set``, ``ct original zone set``, ``ct mark set``."""
        rule = self._rule
        return rule.peek() in ("meta", "ct") and "set" in (rule.peek(2), rule.peek(3)) and (
            rule.peek(1) in ("mark", "zone") and rule.peek(2) == "set" or rule.peek(2) == "zone"
        )

    def _set(self) -> bool:
        """:return: whether there was something to set: a rule ends where a map has nothing."""
        rule = self._rule
        what = [rule.take()]
        while (word := rule.take()) != "set":
            what.append(word)
        name = " ".join(what)
        if rule.peek() in ("meta", "ct") and rule.peek(1) == "mark":
            source = f"{rule.take()} {rule.take()}"
            value = self.packet.get(source, 0)
            if rule.peek() in ("and", "or"):
                operator, mask = rule.take(), int(rule.take(), 0)
                value = value & mask if operator == "and" else value | mask
        else:
            found = self._mapped()
            if found is None:
                return False
            value = _number(found)
        self.packet[name] = value
        return True

    def _mapped(self) -> str | None:
        """``KEY map @NAME``."""
        values = self._keys()
        if self._rule.take() != "map" or not self._rule.peek().startswith("@"):
            raise NotUnderstood(" ".join(self._rule.words))
        return self._look_up(self._rule.take()[1:], values)

    def _look_up(self, name: str, values: Sequence[Any] | None) -> str | None:
        if name not in self.table.content:
            raise NotUnderstood(f"there is no map {name}")
        if values is None:
            return None
        for element in self.table.content[name]:
            key, _, value = element.partition(" : ")
            if _fits(key, values):
                return value
        return None

    def _lead(self) -> Verdict | None:
        """``dnat ip to KEY map @NAME``."""
        rule = self._rule
        rule.take()
        family = rule.take()
        if rule.take() != "to":
            raise NotUnderstood(" ".join(rule.words))
        found = self._mapped()
        if found is None:
            return None
        address, _, port = found.partition(" . ")
        to, ports = _TO[family]
        self.packet["ct original proto-dst"] = self.packet.get("th dport", 0)
        self.packet[to], self.packet["ct status"] = ip_address(address), "dnat"
        if port:
            self.packet |= {name: int(port) for name in ports if name in self.packet}
        return Verdict("accept")

    # ------------------------------------------------------------------ matches

    def _key(self) -> str:
        rule = self._rule
        if rule.peek().startswith("@th,"):
            return rule.take()
        for length in (3, 2, 1):
            name = " ".join(rule.words[rule.at : rule.at + length])
            if name in _KEYS:
                rule.at += length
                return name
        raise NotUnderstood(f"{rule.peek()} in {' '.join(rule.words)}")

    def _keys(self) -> list[Any] | None:
        """Of a packet what a key is made of; None: it has not all of that."""
        names = [self._key()]
        while self._rule.peek() == ".":
            self._rule.take()
            names.append(self._key())
        values = [self.packet.get(name) for name in names]
        return None if None in values else values

    def _match(self, text: str) -> Verdict | bool:
        rule = self._rule
        values = self._keys()
        if rule.peek() in ("and", "&"):
            rule.take()
            mask = rule.take()
            values = None if values is None else [_masked(values[0], mask)]
        if rule.peek() == "vmap":
            rule.take()
            found = self._look_up(rule.take()[1:], values)
            return True if found is None else Verdict(*found.split())
        negated = rule.peek() == "!="
        if rule.peek() in ("!=", "=="):
            rule.take()
        fits = False
        if rule.peek().startswith("@"):
            name = rule.take()[1:]
            if name not in self.table.content:
                raise NotUnderstood(f"there is no set {name}: {text}")
            elements: Sequence[str] | set[str] = self.table.content[name]
        else:
            elements = list(self._literals())
        if values is None:
            return False
        fits = any(_fits(element, values) for element in elements)
        return fits is not negated

    def _literals(self) -> Iterator[str]:
        rule = self._rule
        if rule.peek() == "{":
            rule.take()
            element: list[str] = []
            while (word := rule.take()) != "}":
                if not word:
                    raise NotUnderstood(" ".join(rule.words))
                if word == ",":
                    yield " ".join(element)
                    element = []
                else:
                    element.append(word)
            yield " ".join(element)
            return
        element = [rule.take()]
        while rule.peek() in (".", ","):
            if rule.take() == ",":
                yield " ".join(element)
                element = []
            else:
                element.append(".")
            element.append(rule.take())
        yield " ".join(element)


# ---------------------------------------------------------------------- values


def _fits(element: str, values: Sequence[Any]) -> bool:
    parts = element.split(" . ")
    if len(parts) != len(values):
        raise NotUnderstood(f"{element} is no key of {len(values)} parts")
    return all(_is(part, value) for part, value in zip(parts, values, strict=True))


@lru_cache(maxsize=50_000)
def _literal(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1]
    if _MAC.fullmatch(text):
        return text
    if _NUMBER.fullmatch(text):
        return int(text, 0)
    if found := _RANGE.fullmatch(text):
        return int(found[1], 0), int(found[2], 0)
    if text in _PROTOCOLS:
        return _PROTOCOLS[text]
    try:
        return ip_network(text)
    except ValueError:
        return text


def _is(text: str, value: Any) -> bool:
    literal = _literal(text)
    if isinstance(value, IPv4Address | IPv6Address):
        if isinstance(literal, str | int | tuple):
            raise NotUnderstood(f"{text} is no address")
        return bool(value.version == literal.version and value in literal)
    if isinstance(literal, tuple):
        return bool(literal[0] <= value <= literal[1])
    if isinstance(literal, str) and literal.endswith("*"):
        return str(value).startswith(literal[:-1])
    if isinstance(literal, int) is not isinstance(value, int):
        raise NotUnderstood(f"{text} is compared with {value!r}")
    return bool(literal == value)


def _masked(value: Any, mask: str) -> Any:
    if _MAC.fullmatch(mask):
        given, bits = (bytes.fromhex(each.replace(":", "")) for each in (value, mask))
        return bytes(one & other for one, other in zip(given, bits, strict=True)).hex(":")
    return value & int(mask, 0)


def _number(text: str) -> int:
    value = _literal(text)
    if not isinstance(value, int):
        raise NotUnderstood(f"{text} is no number")
    return value
