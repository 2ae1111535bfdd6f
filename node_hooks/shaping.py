"""
Bandwidth limits of guests' taps, kept by tc in both directions.

What goes to a guest passes a token bucket on its tap. What comes from it is sent to a device of ours (ifb), passes a
bucket there, and goes on as if it had just come by the tap: so everything that asks for the tap's name finds it.

Whatever is found is led to what is wanted, by difference: after a tap came or was made anew, after an agent that was
killed, after somebody removed it. What is right already is not touched, as a bucket that is replaced drops what waits.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from node_hooks.command import CommandFailed, CommandMissing, Run, run_batch
from node_hooks.devices import answers_of
from node_hooks.difference import LINK, PUT_RIGHT_S
from node_hooks.problem import SHAPING_FAILED, Complaints
from node_hooks.reading import read_whole
from node_hooks.tables import RECHECK_S, RETRY_S

log = logging.getLogger("wawel.node.shaping")

SHAPING: Final = "shaping"  # the capability
TAP: Final = "wv"
QUEUE: Final = "wq"  # in place of that, what a tap's queue is called
LEAST_KBIT: Final = 64
MOST_KBIT: Final = 1_000_000_000
PROBES_S: Final = 600.0  # until the kernel is tried again
_HANDLE: Final = "57:"  # of our buckets; the kernel's own begin at 8001:
_BURST: Final = 70_000  # bytes: at least one packet of a guest that leaves it to the link to cut it into frames
_QUEUE_NAME: Final = re.compile(QUEUE + "[0-9a-z]{1,13}")
_SUBJECT: Final = "bandwidth limits"  # with its blank no tap's name
_WHOLE: Final = "protocol all prio 1 u32 match u32 0 0"  # every packet
_NOBODY: Final = QUEUE + "0"
_PROBE: Final = (
    (["ip"], (f"link add name {_NOBODY} type ifb", f"link set dev {_NOBODY} up")),
    (["tc"], (
        f"qdisc replace dev {_NOBODY} root handle {_HANDLE} tbf rate 1000kbit burst {_BURST} limit {_BURST}",
        f"qdisc add dev {_NOBODY} handle ffff: ingress",
        f"filter add dev {_NOBODY} parent ffff: {_WHOLE} action mirred egress redirect dev lo",
    )),
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Rate:
    """
    What a tap may carry, in kbit/s: ``incoming`` to its guest, ``outgoing`` from it. None: as much as it can.
    """

    tap: str
    incoming: int | None = None
    outgoing: int | None = None

    @property
    def queue(self) -> str:
        return QUEUE + self.tap[len(TAP) :]


@dataclass(frozen=True)
class Found:
    """
    :ivar buckets: ours, by device, each with its kbit/s. :ivar queues: ours, each with whether it is up.
    :ivar entered: taps with a qdisc ``ingress``; ``led``: by tap, to which device all that comes in there is sent,
        "*": to one that is gone.
    """

    buckets: Mapping[str, float] = field(default_factory=dict)
    queues: Mapping[str, bool] = field(default_factory=dict)
    entered: frozenset[str] = frozenset()
    led: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Plan:
    """Lines for ``ip -batch -``, ``tc -batch -`` and ``ip`` again, in this order, each with the tap that it is for."""

    queues: list[tuple[str, str]] = field(default_factory=list)
    tc: list[tuple[str, str]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)

    @property
    def steps(self) -> Sequence[tuple[Sequence[str], Sequence[tuple[str, str]]]]:
        return ((["ip"], self.queues), (["tc"], self.tc), (["ip"], self.gone))


def is_queue(device: str) -> bool:
    """Whether a device of this name is one that the agent makes."""
    return _QUEUE_NAME.fullmatch(device) is not None


def read_rate(tap: str, entry: Mapping[str, Any]) -> Rate | None:
    """
    Of a NIC in the document; None: it has no limits.

    :raises ValueError: they are none that can be.
    """
    found = [
        None if entry.get(key) is None else read_whole(entry[key], LEAST_KBIT, MOST_KBIT)
        for key in ("kbit_in", "kbit_out")
    ]
    return None if found == [None, None] else Rate(tap, *found)


def look(run: Run) -> Found:
    """:raises CommandMissing, CommandFailed: it is not known."""
    try:
        buckets: dict[str, float] = {}
        entered = set()
        for each in _answer(run(["tc", "-json", "qdisc", "show"], "")):
            if each["kind"] == "tbf" and each.get("handle") == _HANDLE and each.get("root"):
                buckets[each["dev"]] = each["options"]["rate"] * 8 / 1000
            elif each["kind"] == "ingress" and each["dev"].startswith(TAP):
                entered.add(each["dev"])
        ifbs = _answer(run(["ip", "-json", "link", "show", "type", "ifb"], ""))
        queues = {each["ifname"]: "UP" in each["flags"] for each in ifbs if is_queue(each["ifname"])}
        led = {}
        asked = [f"filter show dev {tap} parent ffff:" for tap in sorted(entered)]
        for tap, told in zip(sorted(entered), answers_of(run, ["tc"], asked) if asked else (), strict=True):
            actions = [action for each in told for action in each.get("options", {}).get("actions", ())]
            if actions and actions[0].get("mirred_action") == "redirect":
                led[tap] = actions[0]["to_dev"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandFailed(f"what tc and ip tell is not understood: {error!r}") from None
    return Found(buckets, queues, frozenset(entered), led)


def plan(rates: Iterable[Rate], found: Found) -> Plan:
    """:param rates: of taps that are there."""
    made = Plan()
    wanted = {rate.tap: rate for rate in rates}
    for tap, rate in sorted(wanted.items()):
        if rate.incoming is not None and found.buckets.get(tap) != rate.incoming:
            made.tc.append((tap, _bucket(tap, rate.incoming)))
        if rate.outgoing is not None:
            _plan_queue(rate, rate.outgoing, found, made)
    kept = {rate.queue for rate in wanted.values() if rate.outgoing is not None}
    for device in sorted(found.buckets):
        if device.startswith(TAP) and (device not in wanted or wanted[device].incoming is None):
            made.tc.append((device, f"qdisc delete dev {device} root"))
    for tap, queue in sorted(found.led.items()):
        if queue in (Rate(tap).queue, "*") and Rate(tap).queue not in kept:
            made.tc.append((tap, f"qdisc delete dev {tap} ingress"))
    made.gone += [(queue, f"link delete dev {queue}") for queue in sorted(found.queues.keys() - kept)]
    return made


def _plan_queue(rate: Rate, kbit: int, found: Found, made: Plan) -> None:
    tap, queue = rate.tap, rate.queue
    if queue not in found.queues:
        made.queues.append((tap, f"link add name {queue} type ifb"))
    if not found.queues.get(queue):
        made.queues.append((tap, f"link set dev {queue} up"))
    if queue not in found.queues or found.buckets.get(queue) != kbit:
        made.tc.append((tap, _bucket(queue, kbit)))
    # What leads to a device that was made anew leads nowhere, whatever it says.
    if found.led.get(tap) != queue or queue not in found.queues:
        if tap in found.entered:
            made.tc.append((tap, f"qdisc delete dev {tap} ingress"))
        made.tc.append((tap, f"qdisc add dev {tap} handle ffff: ingress"))
        made.tc.append((tap, f"filter add dev {tap} parent ffff: {_WHOLE} action mirred egress redirect dev {queue}"))


def _bucket(device: str, kbit: int) -> str:
    burst = max(_BURST, kbit * 1000 // 8 // 100)  # of 10 ms, as no clock wakes the kernel for each packet
    limit = burst + kbit * 1000 // 8 // 20
    return f"qdisc replace dev {device} root handle {_HANDLE} tbf rate {kbit}kbit burst {burst} limit {limit}"


class Shaping:
    """
    For one thread.

    :param find: gives an interface's index. :param has: finds a program.
    """

    def __init__(
        self, run: Run, find: Callable[[str], int | None], clock: Callable[[], float], has: Callable[[str], object],
        complaints: Complaints,
    ) -> None:
        self._run = run
        self._find = find
        self._clock = clock
        self._has = has
        self._complaints = complaints
        self._able = False
        self._kernel = False  # whether it was found to have what it takes
        self._probe_due = float("-inf")
        self._wanted: object = None
        self._well = False  # whether all of that was in place
        self._due = float("-inf")
        self._told: set[str] = set()  # taps that a problem is about

    @property
    def able(self) -> bool:
        """Whether limits hold here, in both directions, as far as was tried."""
        return self._able

    def converge(self, rates: Sequence[Rate] | None) -> None:
        """One round. :param rates: None: the manager knows no limits; what is there stays."""
        self._probe()
        if rates is None:
            return
        there = [(rate, self._find(rate.tap), self._find(rate.queue)) for rate in rates]
        wanted = [each for each in there if each[1] is not None]
        now = self._clock()
        if wanted == self._wanted and (now < self._due or not wanted and self._well):
            return
        again = self._well and wanted == self._wanted
        self._well = self._make([rate for rate, _, _ in wanted], again)
        self._due = now + (RECHECK_S if self._well else RETRY_S)
        self._wanted = [(rate, index, self._find(rate.queue)) for rate, index, _ in wanted]

    def _make(self, rates: Sequence[Rate], again: bool) -> bool:
        """
        :param again: it was in place, and nothing else is wanted since.
        :return: whether all of it is in place.
        """
        started = time.monotonic()
        try:
            made = plan(rates, look(self._run))
            failed: dict[str, str] = {}
            for program, lines in made.steps:
                for number, told in run_batch(self._run, program, [line for _, line in lines]):
                    tap, line = lines[number] if number < len(lines) else ("", "")
                    log.warning("%s: %s: %s", tap, line, told)
                    failed.setdefault(tap, f"{told} ({line})")
        except (CommandMissing, CommandFailed) as error:
            told = f"{error} is not installed" if isinstance(error, CommandMissing) else str(error)
            if rates:
                self._complaints.tell(SHAPING_FAILED, _SUBJECT, f"limits of bandwidth are not kept: {told}")
            return not rates
        self._complaints.withdraw(_SUBJECT)
        if again:
            self._tell_changes(made)
        for tap in self._told - failed.keys():
            self._complaints.withdraw(_subject(tap))
        for tap, told in failed.items():
            self._complaints.tell(SHAPING_FAILED, _subject(tap), f"a guest is not held to its bandwidth: {told}")
        self._told = set(failed)
        log.debug("%d limited taps took %.3f s", len(rates), time.monotonic() - started)
        return not failed

    def _tell_changes(self, made: Plan) -> None:
        """What is to be done although nothing is wanted otherwise, somebody else undid."""
        for _, lines in made.steps:
            for tap, line in lines:
                told = f"somebody changed its limits of bandwidth; put right by: {line}"
                self._complaints.differ(LINK, tap, told, self._clock() + PUT_RIGHT_S)

    def _probe(self) -> None:
        """Whether programs and kernel are there: a device that carries nothing comes and goes, once."""
        now = self._clock()
        if now < self._probe_due:
            return
        self._probe_due = now + RECHECK_S
        self._able = all(self._has(program) is not None for program in ("ip", "tc"))
        if not self._able or self._kernel:
            return
        try:
            for program, lines in _PROBE:
                self._run([*program, "-batch", "-"], "".join(f"{line}\n" for line in lines))
            self._kernel = True
        except (CommandMissing, CommandFailed) as error:
            log.warning("this node can hold no limits of bandwidth: %s", error)
            self._able, self._probe_due = False, now + PROBES_S
        if self._find(_NOBODY) is not None:
            try:
                self._run(["ip", "link", "delete", "dev", _NOBODY], "")
            except (CommandMissing, CommandFailed) as error:
                log.warning("%s stays: %s", _NOBODY, error)


def _subject(tap: str) -> str:
    """Among the problems, where others may have the tap's own name."""
    return f"{tap} bandwidth"


def _answer(told: str) -> list[dict[str, Any]]:
    found = json.loads(told or "[]")
    if not isinstance(found, list):
        raise TypeError("no list")
    return [each for each in found if each]
