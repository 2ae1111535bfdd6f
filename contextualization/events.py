"""
Hook events as nodes deliver them: parsed strictly, taken in the order of their numbers, each with its effect in one
transaction, acknowledged up to the last that is stored.
"""

from __future__ import annotations

import json
import math
import re
import uuid as uuid_module
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from cm.rpc.errors import Unavailable
from cm.runtime.database import Database, notify
from cm.store.hook_event import HookRecord, last_sequence
from contextualization.hooks import update_vm
from contextualization.wire import Refusal

log = Logger()

BATCH_MAX: Final = 100
TEXT_MAX: Final = 1024  # characters of one field; the hook cuts there too
SEQUENCE_MAX: Final = 2**63 - 1
TIME_MAX: Final = 4_102_444_800  # 2100-01-01, unix seconds
ATTEMPTS: Final = 5  # of a record that breaks us, before it is set aside and a look takes its place
_WORD = re.compile(r"[a-z][a-z-]{0,31}|-?")
_SHA256 = re.compile(r"([0-9a-f]{64})?")
_BOOT = re.compile(r"[\x21-\x7e]{1,64}")


def parse_batch(body: bytes) -> tuple[str, list[HookRecord], str]:
    """
    :return: the boot id, the records by number, and the hook's version if it was told.
    :raises Refusal: 400 for what is no batch; 422 with the numbers of records that are none.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "malformed_request", "The body is not JSON.") from None
    boot_id = content.get("boot_id") if isinstance(content, dict) else None
    events = content.get("events") if isinstance(content, dict) else None
    if not isinstance(boot_id, str) or not _BOOT.fullmatch(boot_id) or not isinstance(events, list):
        raise Refusal(400, "malformed_request", "boot_id or events is missing.")
    if not 1 <= len(events) <= BATCH_MAX:
        raise Refusal(400, "malformed_request", f"A batch has 1 to {BATCH_MAX} events.")
    records: dict[int, HookRecord] = {}
    rejected: list[int] = []
    unnumbered = 0
    for event in events:
        try:
            record = parse_record(event, boot_id)
        except (ValueError, TypeError, KeyError, OverflowError):
            number = event.get("sequence") if isinstance(event, dict) else None
            if type(number) is int:
                rejected.append(number)
            else:
                unnumbered += 1
        else:
            records.setdefault(record.sequence, record)
    if rejected or unnumbered:
        message = f"{len(rejected) + unnumbered} of {len(events)} records cannot be understood."
        raise Refusal(422, "records_rejected", message, rejected=rejected)
    version = content.get("hook_version", "")
    return boot_id, [records[number] for number in sorted(records)], version if isinstance(version, str) else ""


def parse_record(event: Any, boot_id: str) -> HookRecord:
    """
    :raises ValueError: a field is not what the hook writes; also ``KeyError``, ``TypeError``, ``OverflowError``.
    """
    sequence, time = event["sequence"], event["time"]
    if type(sequence) is not int or not 0 < sequence <= SEQUENCE_MAX:
        raise ValueError("sequence")
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time):
        raise ValueError("time")
    if not 0 <= time < TIME_MAX:
        raise ValueError("time")
    if event.get("boot_id", boot_id) != boot_id:
        raise ValueError("boot_id")
    words = [_matching(event[name], _WORD) for name in ("operation", "sub_operation")]
    if not words[0]:
        raise ValueError("operation")
    return HookRecord(
        boot_id=boot_id,
        sequence=sequence,
        domain_uuid=str(uuid_module.UUID(_text(event["domain_uuid"]))),
        domain_name=_text(event["domain_name"]),
        operation=words[0],
        sub_operation=words[1],
        extra=_text(event.get("extra", "")),
        time=datetime.fromtimestamp(time, UTC),
        xml_sha256=_matching(event.get("xml_sha256", ""), _SHA256),
    )


def _text(value: Any) -> str:
    """Text that PostgreSQL can store: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or len(value) > TEXT_MAX or "\0" in value:
        raise ValueError("text")
    value.encode()
    return value


def _matching(value: Any, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(_text(value)):
        raise ValueError("text")
    return str(value)


def take_event(session: Session, node_id: int, record: HookRecord) -> str:
    """
    One event and its effect. Where its number is not the next of its node and boot, something may have been lost or
    come late: reconciliation is asked to look at the node itself.
    """
    last = last_sequence(session, node_id, record.boot_id)
    effect = update_vm(session, node_id, record)
    if effect != "repeat" and (last is None or record.sequence != last + 1):
        notify(session, "look", node_id)
    return effect


class EventTaker:
    """Takes the batches of all nodes; those of one node one after the other."""

    def __init__(self, database: Database, take: Callable[[Session, int, HookRecord], str] = take_event) -> None:
        self._database = database
        self._take = take
        self._locks: OrderedDict[int, DeferredLock] = OrderedDict()
        self._broken: dict[tuple[int, str, int], int] = {}

    async def take(self, node_id: int, records: Sequence[HookRecord]) -> int:
        """
        :return: the number of the last record that is stored, all before it too.
        :raises Refusal: the first record broke us again and again: its node is to set it aside.
        """
        lock = self._locks.setdefault(node_id, DeferredLock())
        await lock.acquire()
        try:
            return await self._take_all(node_id, records)
        finally:
            lock.release()

    async def _take_all(self, node_id: int, records: Sequence[HookRecord]) -> int:
        through: int | None = None
        for record in records:
            try:
                effect = await self._database.transact(self._take, node_id, record)
            except Exception as error:
                if through is not None:
                    log.warn(
                        "node {node_id}: event {sequence} failed: {error!r}",
                        node_id=node_id,
                        sequence=record.sequence,
                        error=error,
                    )
                    return through  # what is left comes again, and tells its trouble then
                if not isinstance(error, Unavailable):
                    await self._give_up(node_id, record)
                raise
            through = record.sequence
            self._broken.pop((node_id, record.boot_id, record.sequence), None)
            if effect == "foreign":
                log.info(
                    "node {node_id}: event {sequence} ({operation}) is about {domain} {uuid}, not placed there",
                    node_id=node_id,
                    sequence=record.sequence,
                    operation=record.operation,
                    domain=record.domain_name,
                    uuid=record.domain_uuid,
                )
            else:
                log.debug(
                    "node {node_id}: event {sequence} {operation} of {domain}: {effect}",
                    node_id=node_id,
                    sequence=record.sequence,
                    operation=record.operation,
                    domain=record.domain_name,
                    effect=effect,
                )
        assert through is not None
        return through

    async def _give_up(self, node_id: int, record: HookRecord) -> None:
        """
        Count a record's failures. One that can never be stored would keep all events behind it out for ever.

        :raises Refusal: enough of it; a look at the node takes the event's place.
        """
        key = (node_id, record.boot_id, record.sequence)
        if len(self._broken) > 1000:
            self._broken.clear()
        self._broken[key] = self._broken.get(key, 0) + 1
        if self._broken[key] < ATTEMPTS:
            return
        log.failure("node {node_id}: event {sequence} is set aside", node_id=node_id, sequence=record.sequence)
        await self._database.transact(notify, "look", node_id)
        del self._broken[key]
        raise Refusal(422, "records_rejected", "The record cannot be stored.", rejected=[record.sequence])
