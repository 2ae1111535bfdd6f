"""Functions for ``test_errors.py`` to read; none is called."""

from __future__ import annotations

import contextlib
from typing import Any

from cm.rpc.errors import Conflict, NoFreeAddress, NotFound, NotPermitted, ObjectNotFound, Stopping, VMBusy


class Journal:
    def open(self, vm_id: int, *, lock: bool = False, version: int | None = None) -> int:
        if lock:
            raise VMBusy(vm_id, 0, "")
        if version is None:
            return vm_id
        raise NoFreeAddress()


class Work:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def plain(self) -> int:
        return self._journal.open(1)

    def locked(self) -> int:
        return self._journal.open(1, lock=True)

    def at_version(self, version: int) -> int:
        return self._journal.open(1, version=version)


def find(vm_id: int) -> None:
    raise ObjectNotFound("vm", vm_id)


def caught() -> None:
    try:
        find(1)
    except NotFound:
        raise Stopping() from None


def raised_again() -> None:
    try:
        find(1)
    except NotFound:
        raise


def suppressed() -> None:
    with contextlib.suppress(ObjectNotFound):
        find(1)


def made() -> Conflict:
    return VMBusy(1, 2, "vm_start")


def raises_made() -> None:
    raise made()


def handed_on(run: Any, permitted: bool = False) -> None:
    run("database", find, 1)


def told(permitted: bool) -> None:
    if not permitted:
        raise NotPermitted()


def permitted() -> None:
    told(True)


def within() -> None:
    def inner() -> None:
        find(1)

    inner()


def in_a_circle(count: int) -> None:
    if count:
        in_a_circle(count - 1)
    find(count)


REFUSALS: dict[str, Any] = {}


def looked_up(noun: str) -> None:
    """
    :raises VMBusy: NoFreeAddress: by noun.
    """
    raise REFUSALS[noun](1)
