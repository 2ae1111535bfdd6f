"""
Keeping a cluster's accounts as the cloud's: what changed is told at once, and all is compared from time to time.

Everything here may be repeated, and by several processes at once: versions settle what is newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from sqlalchemy.orm import Session
from twisted.logger import Logger

from clm.rules.sync import DEFAULT, NEWER, QUOTAS, Account, agrees, plan, without_newer
from clm.services.connection import service_identity
from clm.services.context import Services
from clm.store import sync as store
from cm.rpc.errors import InvalidRequest
from cm.rpc.types import matching

if TYPE_CHECKING:
    from clm.drivers.cluster import ClusterConnection

log = Logger()
BATCH: Final = 200  # records of one call
PAGE: Final = 1000
SEEN_MAX: Final = 1_000_000  # accounts of one cluster, as many as are wanted at most
DEADLINE_S: Final = 30.0


_Number = Annotated[str, msgspec.Meta(pattern=matching("[0-9]{1,18}", "it must be a number as text"))]


class _Seen(msgspec.Struct, gc=False):
    """An account as a cluster tells it."""

    external_id: _Number
    login: str
    name: str
    active: bool
    version: int
    quota_cpu: int
    quota_memory_mib: int
    quota_storage_mib: int
    quota_vms: int
    quota_networks: int | None = None  # clusters of an earlier release do not tell


class _Put(msgspec.Struct, gc=False):
    stale: list[_Number]


async def push_due(services: Services, connection: ClusterConnection) -> bool:
    """
    Tell a cluster of the users that changed.

    :return: whether it knows a later record of one of them than we do, so that all has to be compared.
    :raises CloudError: the cluster cannot be told now.
    """
    cluster_id, after, stale = connection.facts.id, 0, False
    while True:
        due = await services.database.read(store.due_accounts, cluster_id, after, BATCH)
        if not due or connection.facts.locked:  # it may have been locked meanwhile
            return stale
        after = due[-1].user_id
        stale = bool(await _put(services, connection, due)) or stale


async def drop_groups(services: Services, connection: ClusterConnection) -> None:
    """Have a cluster forget groups that are gone."""
    cluster_id = connection.facts.id
    while True:
        gone = await services.database.read(store.dropped_groups, cluster_id, BATCH)
        if not gone:
            return
        params = {"group_ids": gone}
        await connection.call(service_identity(), "admin.cloud.drop_groups", params, deadline_s=DEADLINE_S)
        await services.database.transact(store.forget_groups, cluster_id, gone)


async def compare(services: Services, connection: ClusterConnection) -> int:
    """
    Read all accounts of ours at a cluster, and repair what differs: what somebody changed there, what was lost here or
    there, whom we no longer know.

    :return: how many records had to be sent.
    """
    cluster_id = connection.facts.id
    seen = await _seen(connection)
    wanted = {each.user_id: each for each in await services.database.read(store.wanted_accounts, cluster_id)}
    made = plan(wanted, seen)
    if connection.facts.locked:
        return 0
    if made.raised:
        await services.database.transact(store.raise_versions, cluster_id, made.raised)
    if made.puts:
        log.info(
            "{cluster} is told of {count} accounts that differed",
            cluster=connection.facts.name,
            count=len(made.puts),
            strangers=len(made.strangers),
        )
    left = []
    for start in range(0, len(made.puts), BATCH):
        left += await _put(services, connection, made.puts[start : start + BATCH], unknown=made.strangers)
    agreed = [
        (user_id, account.version)
        for user_id, account in wanted.items()
        if user_id in seen and agrees(account, seen[user_id])
    ]
    await services.database.transact(_whole, cluster_id, agreed, not left)
    return len(made.puts)


def _whole(session: Session, cluster_id: int, agreed: Sequence[tuple[int, int]], whole: bool) -> None:
    store.mark_synced(session, cluster_id, agreed)
    if whole:
        store.mark_whole(session, cluster_id)


async def _seen(connection: ClusterConnection) -> dict[int, Account]:
    """All accounts of ours that a cluster has, but the one that is the cloud itself."""
    from clm.drivers.cluster import ClusterUnavailable

    made: dict[int, Account] = {}
    after: str | None = None
    while True:
        params = {"after": after, "limit": PAGE}
        answer = await connection.call(service_identity(), "admin.cloud.get_users", params, deadline_s=DEADLINE_S)
        page = connection.read_as(answer, list[_Seen])
        for told in page:
            quotas = tuple(getattr(told, name) for name in QUOTAS)
            user_id = int(told.external_id)
            made[user_id] = Account(user_id, told.login, told.name, told.active, told.version, quotas)
        if len(page) < PAGE:
            made.pop(0, None)
            return made
        if int(page[-1].external_id) <= int(after or 0) or len(made) > SEEN_MAX:
            raise ClusterUnavailable(connection.facts.name, "its list of accounts has no end")
        after = page[-1].external_id


async def _put(
    services: Services, connection: ClusterConnection, accounts: Sequence[Account], unknown: Iterable[int] = ()
) -> list[int]:
    """
    Send records. One that the cluster cannot take does not hold up the others.

    :param unknown: those that have no row here.
    :return: the users that were not taken.
    """
    params = {"users": [_record(account) for account in accounts]}
    try:
        answer = await connection.call(service_identity(), "admin.cloud.put_users", params, deadline_s=DEADLINE_S)
    except InvalidRequest as error:
        if len(accounts) == 1:
            plainer = without_newer(accounts[0])
            if plainer != accounts[0]:
                return await _put(services, connection, [plainer], unknown)
            log.warn(
                "{cluster} does not take {login}: {error}",
                cluster=connection.facts.name,
                login=accounts[0].login,
                error=str(error),
            )
            return [accounts[0].user_id]
        half = len(accounts) // 2
        first = await _put(services, connection, accounts[:half], unknown)
        return [*first, *await _put(services, connection, accounts[half:], unknown)]
    stale = {int(external_id) for external_id in connection.read_as(answer, _Put).stale}
    left_out = {*stale, *unknown}
    told = [(each.user_id, each.version) for each in accounts if each.user_id not in left_out]
    await services.database.transact(store.mark_synced, connection.facts.id, told)
    return sorted(stale)


def _record(account: Account) -> dict[str, Any]:
    quotas = dict(zip(QUOTAS, account.quotas, strict=True))
    defaults = [name for name, value in quotas.items() if value == DEFAULT]
    return {
        "external_id": str(account.user_id),
        "login": account.login,
        "name": account.name,
        "active": account.active,
        "version": account.version,
        **{
            name: None if value == DEFAULT else value
            for name, value in quotas.items()
            if value is not None or name not in NEWER
        },
        **({"defaults": defaults} if defaults else {}),  # clusters of an earlier version do not know the word
    }
