"""
The reading side of the hook's spool.

    <spool>/000000000000017.json     a record; names in order are events in order
            unsequenced-*.json       written while the lock was not to be had; ``adopt`` numbers them
            corrupt/                 what could not be read, or what the endpoint will never take
            sequence, lock, boot_id  the hook's (``qemu_hook.py``)
"""

import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from node_hooks import qemu_hook

RECORD_LIMIT = 10_000  # some 40 MB of disk, 2,000 VMs started and ended
CORRUPT_LIMIT = 1_000
RECORD_BYTES = 64 << 10  # the hook writes at most 37 kB: five texts of 1024 characters, six bytes each when escaped
ENDINGS = ("stopped", "release")  # what frees resources: never found again by looking at a node
STALE_S = 60.0

_NUMBERED = re.compile(r"([0-9]{15,18})\.json")
_UNSEQUENCED = re.compile(r"unsequenced-[0-9]+\.[0-9]+-[0-9]+\.json")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r"[a-z][a-z-]{0,31}")
_SHA256 = re.compile(r"([0-9a-f]{64})?")


class CorruptRecord(ValueError):
    """A file in the spool that is no record."""


@dataclass(frozen=True)
class Record:
    """One call of the hook. ``time`` is unix seconds by the node's clock; ``xml_sha256`` is empty if unknown."""

    sequence: int
    boot_id: str
    domain_uuid: str
    domain_name: str
    operation: str
    sub_operation: str
    extra: str
    time: float
    xml_sha256: str

    def to_wire(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class SpoolState:
    depth: int
    unsequenced: int
    corrupt: int
    oldest_age_s: float | None


class Spool:
    """One spool directory. One process reads; any number of hooks write meanwhile."""

    def __init__(self, directory: Path, limit: int = RECORD_LIMIT) -> None:
        self.directory = directory
        self.corrupt = directory / "corrupt"
        self.limit = limit

    def ensure(self) -> None:
        """:raises OSError: the directory cannot be made."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.corrupt.mkdir(mode=0o700, exist_ok=True)

    def numbers(self) -> list[int]:
        """The numbers waiting, in order. Empty when there is no spool."""
        return sorted(self._names())

    def adopt(self) -> int:
        """
        Number the records that were written without the lock, oldest first. A rename does it: the number is in the
        name alone, so that a crash in between can neither lose nor double the record.

        :return: how many; 0 too when a hook keeps the lock, repeat then.
        """
        waiting = [name for name in self._listdir() if _UNSEQUENCED.fullmatch(name)]
        if not waiting:
            return 0
        waiting.sort(key=lambda name: float(name.split("-")[1]))
        lock = qemu_hook.lock_spool(str(self.directory), time.monotonic() + qemu_hook.PATIENCE_S)
        if lock is None:
            return 0
        try:
            for name in waiting:
                number = qemu_hook.allocate(str(self.directory))
                os.rename(self.directory / name, self.directory / qemu_hook.record_name(number))
        finally:
            os.close(lock)
        qemu_hook.sync_directory(str(self.directory))
        return len(waiting)

    def read(self, count: int) -> tuple[list[Record], list[str]]:
        """
        The oldest ``count`` records, in order.

        :return: the records, and why each unreadable one met on the way was moved to ``corrupt/``.
        """
        names = self._names()
        records: list[Record] = []
        problems: list[str] = []
        for number in sorted(names):
            if len(records) == count:
                break
            path = self.directory / names[number]
            try:
                records.append(parse_record(_read_bounded(path), number))
            except FileNotFoundError:
                continue
            except (CorruptRecord, OSError) as error:
                problems.append(f"{path.name}: {error}")
                self._set_aside(path)
        return records, problems

    def acknowledge(self, sent: Sequence[Record], through: int) -> int:
        """
        Forget those of ``sent`` that are numbered up to ``through``. A larger ``through`` forgets no more.

        :return: how many.
        """
        names = self._names()
        done = [record.sequence for record in sent if record.sequence <= through and record.sequence in names]
        for number in done:
            (self.directory / names[number]).unlink(missing_ok=True)
        return len(done)

    def reject(self, numbers: Iterable[int]) -> int:
        """Set aside what the endpoint will never take. :return: how many were there."""
        names = self._names()
        refused = [self.directory / names[number] for number in numbers if number in names]
        for path in refused:
            self._set_aside(path)
        return len(refused)

    def trim(self) -> int:
        """
        Keep the spool within its limit: the oldest records go that are neither ``stopped`` nor ``release``, and only
        when those alone are too many the oldest of them. The manager sees the gap and looks at the node afresh,
        which finds what runs; an ending is what such a look finds late.

        :return: how many were dropped.
        """
        names = self._names()
        surplus = len(names) - self.limit
        if surplus <= 0:
            return 0
        ordered = sorted(names)
        others = [number for number in ordered if not self._is_ending(self.directory / names[number])]
        dropped = others[:surplus]
        if len(dropped) < surplus:
            gone = set(dropped)
            dropped += [number for number in ordered if number not in gone][: surplus - len(dropped)]
        for number in dropped:
            (self.directory / names[number]).unlink(missing_ok=True)
        self._trim_corrupt()
        return len(dropped)

    def sweep(self) -> int:
        """Remove what hooks left that were killed while writing; their numbers stay a gap. :return: how many."""
        swept = 0
        for name in self._listdir():
            path = self.directory / name
            if name.startswith(".") and name.endswith(".json.tmp"):
                try:
                    if time.time() - path.stat().st_mtime > STALE_S:
                        path.unlink()
                        swept += 1
                except FileNotFoundError:
                    continue
        return swept

    def state(self) -> SpoolState:
        names = self._names()
        oldest = None
        if names:
            try:
                oldest = max(0.0, time.time() - (self.directory / names[min(names)]).stat().st_mtime)
            except FileNotFoundError:
                pass
        unsequenced = sum(1 for name in self._listdir() if _UNSEQUENCED.fullmatch(name))
        corrupt = len(os.listdir(self.corrupt)) if self.corrupt.is_dir() else 0
        return SpoolState(len(names), unsequenced, corrupt, oldest)

    def _listdir(self) -> list[str]:
        try:
            return os.listdir(self.directory)
        except FileNotFoundError:
            return []

    def _names(self) -> dict[int, str]:
        return {int(found[1]): name for name in self._listdir() if (found := _NUMBERED.fullmatch(name))}

    def _is_ending(self, path: Path) -> bool:
        try:
            return parse_record(_read_bounded(path), 0).operation in ENDINGS
        except (CorruptRecord, OSError):
            return False

    def _set_aside(self, path: Path) -> None:
        self.corrupt.mkdir(mode=0o700, exist_ok=True)
        try:
            os.replace(path, self.corrupt / path.name)
        except FileNotFoundError:
            pass
        self._trim_corrupt()

    def _trim_corrupt(self) -> None:
        if self.corrupt.is_dir():
            for name in sorted(os.listdir(self.corrupt))[:-CORRUPT_LIMIT]:
                (self.corrupt / name).unlink(missing_ok=True)


def parse_record(content: bytes, number: int) -> Record:
    """
    :param number: from the file's name; the record says the same or, written without the lock, ``null``.
    :raises CorruptRecord: anything missing, superfluous, of another type or out of range.
    """
    try:
        fields = json.loads(content.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise CorruptRecord(f"not JSON ({error})") from None
    if not isinstance(fields, dict) or set(fields) != set(Record.__dataclass_fields__):
        raise CorruptRecord("not the fields of a record")
    if fields["sequence"] is None:
        fields["sequence"] = number
    if type(fields["sequence"]) is not int or (number and fields["sequence"] != number):
        raise CorruptRecord("its number is not that of its name")
    when = fields["time"]
    if type(when) not in (int, float) or not 0 < when < 1e11:
        raise CorruptRecord("time is not a time")
    fields["time"] = float(when)
    for name in set(fields) - {"sequence", "time"}:
        if type(fields[name]) is not str:
            raise CorruptRecord(f"{name} is not a text")
        if len(fields[name]) > qemu_hook.TEXT_LIMIT:
            raise CorruptRecord(f"{name} is too long")
        if not fields[name].isprintable():
            raise CorruptRecord(f"{name} holds a control character")
    for name, pattern in (("domain_uuid", _UUID), ("operation", _WORD), ("xml_sha256", _SHA256)):
        if not pattern.fullmatch(fields[name]):
            raise CorruptRecord(f"{name} is not one: {fields[name][:60]!r}")
    if not fields["boot_id"] or not fields["domain_name"]:
        raise CorruptRecord("boot_id and domain_name may not be empty")
    return Record(**fields)


def _read_bounded(path: Path) -> bytes:
    with open(path, "rb") as source:
        content = source.read(RECORD_BYTES + 1)
    if len(content) > RECORD_BYTES:
        raise CorruptRecord("too large")
    return content
