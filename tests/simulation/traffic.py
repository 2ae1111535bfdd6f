"""``tc`` of a simulated node: token buckets, and what all that comes in by a device is sent to, as the agent asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from node_hooks.command import CommandFailed

_RATE: Final = re.compile(r" tbf rate (\d+)kbit burst \d+ limit \d+\Z")


@dataclass
class Queueing:
    """Of one device, while it has this index. ``kbit``: of its bucket; ``led``: where what comes in is sent."""

    index: int
    kbit: int | None = None
    enters: bool = False
    led: str = ""


class TrafficControl:
    """:param find: gives an interface's index: what belonged to another one of the same name went with it."""

    def __init__(self, find: Callable[[str], int | None]) -> None:
        self._find = find
        self._devices: dict[str, Queueing] = {}

    def clear(self) -> None:
        self._devices.clear()

    def of(self, device: str) -> Queueing | None:
        """None: nobody asked for anything there, or the device is gone."""
        known = self._devices.get(device)
        return known if known is not None and known.index == self._find(device) else None

    def limits(self, taps: dict[str, str]) -> set[tuple[str, int | None, int | None]]:
        """Of taps that have any: kbit/s to the guest, and from it, as far as its packets get there."""
        found = set()
        for tap in taps:
            here = self.of(tap)
            queue = self.of(here.led) if here is not None and here.led else None
            if here is not None and (here.kbit is not None or here.enters):
                found.add((tap, here.kbit, None if queue is None else queue.kbit))
        return found

    def run(self, rest: list[str], text: str) -> str:
        """:raises CommandFailed: as the program does."""
        if rest == ["-json", "qdisc", "show"]:
            return json.dumps([each for name in list(self._devices) for each in self._show(name)])
        if "-json" in rest:
            return "".join(json.dumps(self._filters(line.split()[3])) + "\n" for line in text.splitlines())
        complaints: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._do(line)
            except CommandFailed as error:
                complaints += [str(error), f"Command failed -:{number}"]
        if complaints:
            raise CommandFailed(complaints[0], complaints)
        return ""

    def _show(self, name: str) -> list[dict[str, Any]]:
        here = self.of(name)
        if here is None:
            return []
        told: list[dict[str, Any]] = []
        if here.kbit is not None:
            rate = {"rate": here.kbit * 125, "burst": 70_000}
            told.append({"kind": "tbf", "handle": "57:", "dev": name, "root": True, "options": rate})
        if here.enters:
            told.append({"kind": "ingress", "handle": "ffff:", "dev": name, "parent": "ffff:fff1", "options": {}})
        return told

    def _filters(self, name: str) -> list[dict[str, Any]]:
        here = self.of(name)
        if here is None or not here.led:
            return []
        to = here.led if self._find(here.led) is not None else "*"
        action = {"kind": "mirred", "mirred_action": "redirect", "to_dev": to}
        return [{"kind": "u32"}, {"kind": "u32", "options": {"actions": [action]}}]

    def _do(self, line: str) -> None:
        what, verb, _, name, *_ = line.split()
        index = self._find(name)
        if index is None:
            raise CommandFailed(f'Cannot find device "{name}"')
        here = self.of(name) or Queueing(index)
        self._devices[name] = here
        if what == "filter":
            if not here.enters:
                raise CommandFailed("Error: Parent Qdisc doesn't exists.")
            here.led = line.split()[-1]
        elif line.endswith(" ingress"):
            if here.enters is (verb == "add"):
                told = "Exclusivity flag on, cannot modify." if here.enters else "Invalid handle."
                raise CommandFailed(f"Error: {told}")
            here.enters, here.led = verb == "add", ""
        elif verb == "delete":
            if here.kbit is None:
                raise CommandFailed("Error: Cannot delete qdisc with handle of zero.")
            here.kbit = None
        else:
            found = _RATE.search(line)
            if found is None:
                raise CommandFailed(f'What is "{line}"?')
            here.kbit = int(found[1])
