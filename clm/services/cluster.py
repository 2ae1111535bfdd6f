"""
Use cases of clusters: adding one that proves itself, changing, locking, looking at it, taking it out.

What is said to a cluster is said before the transaction that writes it down begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from clm.results.cluster import Cluster
from clm.rules.cluster import (
    INCOMPATIBLE,
    OK,
    REFUSED,
    UNREACHABLE,
    ClusterFacts,
    Seen,
    check_ca,
    check_name,
    check_url,
    judge,
)
from clm.services.connection import TOPIC, service_identity
from clm.services.context import AsyncCloudCall, CloudCall, Services
from clm.store import cluster as store
from clm.store.change import record_change
from clm.store.sync import enrol_cluster
from cm.rpc.credentials import PasswordCredentials
from cm.rpc.errors import CloudError, Conflict, NameTaken, Overloaded
from cm.rpc.types import Secret
from cm.runtime.closing import Closing
from cm.runtime.database import notify

if TYPE_CHECKING:
    from clm.drivers.cluster import ClusterConnection

log = Logger()
PROOF: Final = "admin.cloud.get_users"  # only a cloud manager's token opens it


@dataclass(eq=False)
class ClusterNotAdded(Conflict):
    """What was tried of a cluster, and why it did not do; nothing was written."""

    code = "cluster_not_added"
    message = "The cluster {cluster} is not added: {reason}."
    cluster: str
    reason: str


# ------------------------------------------------------------------ looking


async def look(connection: ClusterConnection, deadline_s: float | None = None) -> tuple[Seen, float | None]:
    """
    What a cluster says of itself and whether it believes us, with the time its answer took in milliseconds; without
    one, if there was none.

    :raises Overloaded: it answers, and has no time for us: that is no evidence of anything.
    """
    from clm.drivers.cluster import ClusterRefused

    clock = connection.clock
    began = clock()
    try:
        told = await connection.call(None, "guest.cluster.get_info", deadline_s=deadline_s, patient=True)
    except (CancelledError, Overloaded):
        raise
    except CloudError as error:
        return Seen(UNREACHABLE, str(getattr(error, "reason", error))), None
    latency_ms = (clock() - began) * 1000
    seen = judge(told.decode(), connection.facts.name)
    if seen.state != OK:
        return seen, latency_ms
    try:
        await connection.call(service_identity(), PROOF, {"limit": 1}, deadline_s=deadline_s, patient=True)
    except (CancelledError, Overloaded):
        raise
    except ClusterRefused as error:
        return replace(seen, state=REFUSED, error=error.reason), latency_ms
    except CloudError as error:
        refused = error.code in ("role_needed", "cloud_manager_needed", "account_blocked")
        return replace(seen, state=REFUSED if refused else UNREACHABLE, error=str(error)), latency_ms
    return seen, latency_ms


async def check(services: Services, connection: ClusterConnection, deadline_s: float | None = None) -> bool:
    """
    Look at a cluster and write down what was found; whoever watches hears of another state.

    :return: whether it is well.
    """
    try:
        seen, latency_ms = await look(connection, deadline_s)
    except Overloaded as error:
        log.info("{cluster}: how it is was not told: {error}", cluster=connection.facts.name, error=str(error))
        return connection.facts.state == OK
    await services.database.transact(_note, connection.facts.id, seen, latency_ms)
    return seen.state == OK


def _note(session: Session, cluster_id: int, seen: Seen, latency_ms: float | None) -> None:
    if store.record_seen(session, cluster_id, seen, latency_ms):
        log.info("cluster {cluster_id} is {state} {error}", cluster_id=cluster_id, state=seen.state, error=seen.error)
        if seen.state == OK:
            notify(session, "sync", cluster_id)  # it may have missed something
        record(session, cluster_id)


def record(session: Session, cluster_id: int, event: str = "change") -> None:
    """Tell of a cluster's change: to everybody, as everybody may see it; and to all processes."""
    shown = None if event == "exit" else store.for_users(store.get_cluster(session, cluster_id))
    record_change(session, "cluster", cluster_id, event, public=True, shown=shown)
    notify(session, TOPIC, cluster_id)


# ------------------------------------------------------------------ adding


async def add(
    caller: AsyncCloudCall, name: str, url: str, login: str | None, password: Secret | None, ca: str | None
) -> Cluster:
    """
    Add a cluster: it answers, is named so, speaks our protocol, and believes this cloud's key.

    :param login: of an administrator there, who has it trust our key; without one its operator has done so already.
    :raises ClusterNotAdded: ClusterUnavailable: it did not do; nothing is left behind, here or there.
    """
    services = caller.services
    clusters = services.clusters
    facts = ClusterFacts(0, "", check_name(name), check_url(url), check_ca(ca))
    for known in await services.database.read(store.list_facts):
        if known.name == facts.name:
            raise NameTaken("cluster", facts.name)
    connection = clusters.connect(facts)
    async with Closing(connection.close):
        credentials = _credentials(login, password)
        seen, latency_ms, introduced = await _prove(services, connection, credentials)
        try:
            cluster_id = await services.database.transact(_insert, facts, seen, latency_ms)
        except CloudError:
            await _take_back(services, connection, credentials, introduced)
            raise
    await clusters.reload()
    return await services.database.read(store.get_cluster, cluster_id)


async def _prove(
    services: Services, connection: ClusterConnection, credentials: PasswordCredentials | None
) -> tuple[Seen, float, bool]:
    """What was seen of a cluster that is good, the time it took, and whether it learned our key just now."""
    from clm.drivers.cluster import ClusterIncompatible

    name, clock = connection.facts.name, connection.clock
    began = clock()
    told = await connection.call(None, "guest.cluster.get_info", patient=True)
    latency_ms = (clock() - began) * 1000
    seen = judge(told.decode(), name)
    if seen.state == INCOMPATIBLE:
        raise ClusterIncompatible(name, seen.error)
    if seen.state != OK:
        raise ClusterNotAdded(name, seen.error)
    introduced = credentials is not None and await _introduce(services, connection, credentials)
    try:
        await connection.call(service_identity(), PROOF, {"limit": 1}, patient=True)
    except CloudError as error:
        await _take_back(services, connection, credentials, introduced)
        reason = str(getattr(error, "reason", error)).rstrip(".")
        raise ClusterNotAdded(name, f"it does not believe this cloud: {reason}") from error
    return seen, latency_ms, introduced


async def _introduce(services: Services, connection: ClusterConnection, credentials: PasswordCredentials) -> bool:
    """
    Have the cluster trust our key, in the name of an administrator there.

    :return: whether it did not before.
    """
    from clm.drivers.cluster import ClusterRefused

    key = services.signing_key
    try:
        listed = (await connection.call(credentials, "admin.trust.get_list", patient=True)).decode()
        if any(each.get("key_id") == key.key_id for each in listed):
            return False
        await connection.call(
            credentials,
            "admin.trust.add",
            {"key_id": key.key_id, "issuer": services.policy.issuer, "public_key": key.public_pem.decode()},
            patient=True,
        )
    except ClusterRefused as error:
        raise ClusterNotAdded(connection.facts.name, "login or password is wrong there") from error
    return True


async def _take_back(
    services: Services, connection: ClusterConnection, credentials: PasswordCredentials | None, introduced: bool
) -> None:
    if not introduced:
        return
    try:
        key_id = services.signing_key.key_id
        await connection.call(credentials, "admin.trust.delete", {"key_id": key_id}, patient=True)
    except CloudError as error:
        log.warn("{cluster} goes on trusting us: {error}", cluster=connection.facts.name, error=str(error))


def _insert(session: Session, facts: ClusterFacts, seen: Seen, latency_ms: float) -> int:
    cluster_id = store.insert_cluster(session, facts.name, facts.url, facts.ca, seen, latency_ms)
    store.set_missing_defaults(session)
    enrol_cluster(session, cluster_id)
    record(session, cluster_id, "enter")
    # Whoever administers all clusters now administers this one too, and defaults have moved.
    notify(session, "user")
    return cluster_id


# ------------------------------------------------------------------ changing


async def edit(
    caller: AsyncCloudCall,
    cluster_id: int,
    name: str | None,
    url: str | None,
    ca: str | None,
    login: str | None,
    password: Secret | None,
) -> Cluster:
    """
    Change what is not None; another address, name or authority has to prove itself as a new cluster does.

    :param login: of an administrator there, who has it trust our key: it lost it, or the key is another than before.
    :raises ClusterNotAdded: it did not; the cluster stays as it was.
    """
    services = caller.services
    clusters = services.clusters
    was = await services.database.read(_facts_of, cluster_id)
    facts = replace(
        was,
        name=was.name if name is None else check_name(name),
        url=was.url if url is None else check_url(url),
        ca=was.ca if ca is None else check_ca(ca),
    )
    found: tuple[Seen, float] | None = None
    if facts != was or login is not None:
        connection = clusters.connect(facts)
        async with Closing(connection.close):
            seen, latency_ms, _ = await _prove(services, connection, _credentials(login, password))
            found = (seen, latency_ms)
    values = {"name": facts.name, "url": facts.url, "ca": facts.ca}
    await services.database.transact(_edit, cluster_id, values, caller.if_version, found)
    await clusters.reload()
    return await services.database.read(store.get_cluster, cluster_id)


def _credentials(login: str | None, password: Secret | None) -> PasswordCredentials | None:
    return None if login is None else PasswordCredentials(login, password or Secret(""))


def _facts_of(session: Session, cluster_id: int) -> ClusterFacts:
    store.get_cluster(session, cluster_id)
    return next(facts for facts in store.list_facts(session) if facts.id == cluster_id)


def _edit(
    session: Session, cluster_id: int, values: dict[str, Any], version: int | None, found: tuple[Seen, float] | None
) -> None:
    store.get_cluster(session, cluster_id, lock=True, version=version)
    store.update_cluster(session, cluster_id, values)
    if found is not None:
        store.record_seen(session, cluster_id, *found)
        notify(session, "sync", cluster_id)
    record(session, cluster_id)


def set_locked(caller: CloudCall, cluster_id: int, locked: bool) -> Cluster:
    """Pass nothing on to a cluster any more; or again, and have it hear of everybody anew."""
    session = caller.session
    was = store.get_cluster(session, cluster_id, lock=True, version=caller.if_version)
    if was["locked"] != locked:
        store.update_cluster(session, cluster_id, {"locked": locked})
        if not locked:
            enrol_cluster(session, cluster_id)
        record(session, cluster_id)
    caller.note("lock cluster" if locked else "unlock cluster", cluster_id=cluster_id)
    return store.get_cluster(session, cluster_id)


async def delete(caller: AsyncCloudCall, cluster_id: int) -> None:
    """
    Take a cluster out of the cloud. It goes on running; that it trusts this cloud is taken back where it answers.
    """
    services = caller.services
    clusters = services.clusters
    connection = clusters.find(cluster_id)
    await services.database.transact(_delete, cluster_id, caller.if_version)
    if connection is not None:
        try:
            key_id = services.signing_key.key_id
            await connection.call(service_identity(), "admin.trust.delete", {"key_id": key_id})
        except CloudError as error:
            log.warn("{cluster} may go on trusting us: {error}", cluster=connection.facts.name, error=str(error))
    await clusters.reload()


def _delete(session: Session, cluster_id: int, version: int | None) -> None:
    store.get_cluster(session, cluster_id, lock=True, version=version)
    record(session, cluster_id, "exit")
    store.close_cluster(session, cluster_id)
    notify(session, "user")


async def check_now(caller: AsyncCloudCall, cluster_id: int) -> Cluster:
    """Look at a cluster at once."""
    services = caller.services
    await check(services, await services.clusters.get(cluster_id))
    await services.clusters.reload()
    return await services.database.read(store.get_cluster, cluster_id)
