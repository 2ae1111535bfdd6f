"""What a cluster has still to be told of people: wanted against seen, as a plan that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

QUOTAS: Final = ("quota_cpu", "quota_memory_mib", "quota_storage_mib", "quota_vms", "quota_networks")
NEWER: Final = frozenset({"quota_networks"})  # which clusters of an earlier release neither take nor tell
Quotas = tuple[int | None, ...]  # in the order of ``QUOTAS``
NO_QUOTAS: Final[Quotas] = (None,) * len(QUOTAS)
DEFAULT: Final = -1  # a quota that is to be the cluster's default, whatever it was
NAME_MAX: Final = 100  # characters of a full name at a cluster


@dataclass(frozen=True, slots=True)
class Account:
    """
    A user as a cluster should know them, or as it does.

    :ivar quotas: wanted: none of one is the cluster's own affair, ``DEFAULT`` its default; seen: all are there but
        those that a cluster of an earlier release does not know.
    """

    user_id: int
    login: str
    name: str
    active: bool
    version: int
    quotas: Quotas = NO_QUOTAS


def without_newer(account: Account) -> Account:
    """As a cluster of an earlier release can be told of it."""
    kept = [None if name in NEWER else value for name, value in zip(QUOTAS, account.quotas, strict=True)]
    return replace(account, quotas=tuple(kept))


@dataclass(frozen=True, slots=True)
class Plan:
    """
    :ivar puts: to be sent, by user id.
    :ivar raised: those of them whose version must grow here first, since the cluster knows a later one (our database
        came from a backup); with the version.
    :ivar strangers: those of them that we do not know: blocked there, never deleted.
    """

    puts: tuple[Account, ...] = ()
    raised: Mapping[int, int] = field(default_factory=dict)
    strangers: frozenset[int] = frozenset()

    @property
    def is_empty(self) -> bool:
        return not self.puts


def plan(wanted: Mapping[int, Account], seen: Mapping[int, Account]) -> Plan:
    """
    What makes the cluster's accounts ours again. Applied once, the next plan is empty.

    A cluster takes a record whose version is at least the one it knows, so what differs at the same version can be sent
    as it is.
    """
    puts: list[Account] = []
    raised: dict[int, int] = {}
    strangers = set()
    for user_id, account in sorted(wanted.items()):
        there = seen.get(user_id)
        if there is not None and agrees(account, there):
            continue
        if there is not None and there.version > account.version:
            account = replace(account, version=there.version + 1)
            raised[user_id] = account.version
        puts.append(account)
    for user_id, there in sorted(seen.items()):
        if user_id not in wanted and there.active:
            puts.append(replace(there, active=False, version=there.version + 1, quotas=NO_QUOTAS))
            strangers.add(user_id)
    return Plan(tuple(puts), raised, frozenset(strangers))


def agrees(wanted: Account, there: Account) -> bool:
    """Whether a cluster knows a user as it should; a later version than ours with the same content is as good."""
    same = (wanted.login, wanted.name, wanted.active) == (there.login, there.name, there.active)
    # What a cluster's default is we do not know; it is told to take it whenever it is told of the user.
    pairs = zip(wanted.quotas, there.quotas, strict=True)
    quotas = all(None in (ours, theirs) or ours in (DEFAULT, theirs) for ours, theirs in pairs)
    return same and quotas and there.version >= wanted.version


def applied(put: Account, there: Account | None, defaults: Quotas = NO_QUOTAS) -> Account | None:
    """What a cluster knows after a record was sent: its side of the agreement, for simulations and properties."""
    if there is not None and put.version < there.version:
        return there
    before = NO_QUOTAS if there is None else there.quotas
    quotas = tuple(
        old if new is None else default if new == DEFAULT else new
        for old, new, default in zip(before, put.quotas, defaults, strict=True)
    )
    return replace(put, quotas=quotas)
