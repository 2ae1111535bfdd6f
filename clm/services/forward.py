"""
Passing calls on to clusters: to the one that is meant, or to all at once.

The cluster's answer goes through as the text it came in; what it refuses, it
refuses in its own words.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq
from typing import TYPE_CHECKING, Any, Final

import msgspec
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from clm.results.cluster import PlacedObject
from clm.rules.cluster import as_uuid
from clm.rules.forward import EVERYWHERE, Place, Row, check_everywhere, fits, settle, uuids_in
from clm.services.audit import Trail
from clm.services.connection import Clusters, administers, speaker
from clm.services.context import AsyncCloudCall, CloudPolicy
from clm.store.sync import is_untold
from cm.rpc.caller import Identity, RawJSON
from cm.rpc.codec import encode_json
from cm.rpc.errors import AccountBlocked, CloudError, Conflict, InvalidRequest, NotPermitted, ObjectNotFound
from cm.runtime.database import Database
from cm.runtime.remember import Remembered

if TYPE_CHECKING:
    from clm.drivers.cluster import ClusterConnection

log = Logger()
PLACES_MAX: Final = 100_000
PLACES_S: Final = 3600.0
FIND_DEADLINE_S: Final = 3.0
# More for what waits for a guest, which may be silent: as long as a cluster gives any call (its limits.call_s).
GUEST_S: Final = 30.0

_items = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(eq=False)
class NotClusterAdministrator(NotPermitted):
    code = "not_cluster_administrator"
    message = "You do not administer the cluster {cluster}."
    cluster: str


@dataclass(eq=False)
class AmbiguousUuid(Conflict):
    """One of them does not tell the truth, or was copied; which one, the caller may know."""

    code = "object_told_twice"
    message = "More than one cluster says that it has {uuid}: {clusters}. Name the cluster."
    uuid: str
    clusters: str


class Forwarder:
    """
    :param clusters: where calls go.
    """

    def __init__(self, database: Database, policy: CloudPolicy, reactor: Any, clusters: Clusters) -> None:
        self._database = database
        self._policy = policy
        self._clusters = clusters
        clock = reactor.seconds
        # Where an object is, not who may see it: that the cluster says, at each call.
        self._places: Remembered[str, Place] = Remembered(clock, PLACES_S, PLACES_MAX)
        self._trail = Trail(database, reactor)

    async def stop(self) -> None:
        """Write down what is not yet."""
        await self._trail.stop()

    async def forward(self, row: Row, caller: AsyncCloudCall, arguments: dict[str, Any]) -> Any:
        """
        Make a call where it belongs.

        :raises CloudError: the cluster's own refusal, as it is.
        :raises ClusterUnavailable: it did not answer; a change may have happened, so repeat it with its request_id.
        """
        reference = arguments.pop("cluster", None)
        if reference == EVERYWHERE:
            return await self._everywhere(row, caller, arguments)
        found = uuids_in(row, arguments) if row.ids else {}
        if reference is not None:
            connection = await self._clusters.get(reference)
            self._check_role(row, caller.identity, connection)
        elif not found:
            connection = self._clusters.default(caller.identity, self._open_to(row, caller.identity))
            self._check_role(row, caller.identity, connection)
        if found:
            among = None if reference is None else connection
            arguments, cluster_id = await self._located(row, caller, arguments, found, among)
            held = self._clusters.find(cluster_id)
            if held is None:
                raise ObjectNotFound("cluster", cluster_id)
            connection = held
            self._check_role(row, caller.identity, connection)
        connection.check()
        try:
            result = await self._pass(row, caller, connection, arguments)
        except ObjectNotFound as error:
            known = self._named_by_uuid(found, error)
            if known is None:
                raise
            raise known from None
        if row.changing and not caller.dry_run:
            told = {name: value for name, value in arguments.items() if name not in row.secrets}
            self._trail.add(row.name, caller, {**told, "cluster": connection.facts.name})
        return result

    async def _pass(
        self, row: Row, caller: AsyncCloudCall, connection: ClusterConnection, arguments: dict[str, Any]
    ) -> RawJSON:
        params = dict(arguments)
        if row.changing:
            # Whatever it is asked with, we may have to ask twice.
            params["request_id"] = caller.request_id or f"clm-{uuid.uuid4().hex}"
            if caller.dry_run:
                params["dry_run"] = True
            if caller.if_version is not None:
                params["if_version"] = caller.if_version
        deadline_s = self._policy.cluster_deadline_s
        if row.patience is not None:
            given = arguments.get(*row.patience)
            deadline_s += float(given) if isinstance(given, (int, float)) else 0.0
        elif row.waiting:
            deadline_s += GUEST_S
        identity = speaker(caller.identity, connection.facts)
        try:
            return await connection.call(identity, row.name, params, deadline_s=deadline_s, waiting=row.waiting)
        except AccountBlocked:
            from clm.drivers.cluster import ClusterUnavailable

            # We let them in, so either the cluster has it so by itself, or it was away when they were blocked no more.
            facts = connection.facts
            if await self._database.read(is_untold, facts.id, identity.account_id):
                raise ClusterUnavailable(facts.name, "it has yet to be told of the caller's account") from None
        # It was told since, or not: nothing was done, and it is asked once more.
        return await connection.call(identity, row.name, params, deadline_s=deadline_s, waiting=row.waiting)

    # -------------------------------------------------------------- which cluster

    def _open_to(self, row: Row, identity: Identity) -> list[ClusterConnection]:
        every = self._clusters.all()
        return [each for each in every if administers(identity, each.facts.id)] if row.is_admin else every

    def _check_role(self, row: Row, identity: Identity, connection: ClusterConnection) -> None:
        """:raises NotClusterAdministrator: the view is for this cluster's administrators."""
        if row.is_admin and not administers(identity, connection.facts.id):
            raise NotClusterAdministrator(connection.facts.name)

    # -------------------------------------------------------------- uuids

    async def _located(
        self,
        row: Row,
        caller: AsyncCloudCall,
        arguments: dict[str, Any],
        found: Mapping[str, str],
        among: ClusterConnection | None,
    ) -> tuple[dict[str, Any], int]:
        """The call with ids in place of uuids, and the cluster they are in."""
        places = {}
        for known in found:
            place = self._places.find(known)
            if place is not None and self._clusters.find(place.cluster_id) is not None:
                places[known] = place
        missing = [known for known in found if known not in places]
        if missing:
            places |= await self._search(row, caller, missing, found, among)
        names = {each.facts.id: each.facts.name for each in self._clusters.all()}
        if among is not None:
            for known, place in places.items():
                if place.cluster_id != among.facts.id:
                    raise ObjectNotFound(found[known], known)
        return settle(row, arguments, places, names)

    async def _search(
        self,
        row: Row,
        caller: AsyncCloudCall,
        missing: Sequence[str],
        nouns: Mapping[str, str],
        among: ClusterConnection | None,
    ) -> dict[str, Place]:
        """
        Ask the clusters for objects.

        :raises ObjectNotFound: no cluster has one of them, as far as the caller may see.
        :raises ClusterUnavailable: it may be in one of those that did not answer.
        """
        asked = [among] if among is not None else self._open_to(row, caller.identity)
        made, silent = await self._ask(caller, asked, row.is_admin, missing)
        absent = next((known for known in missing if known not in made), None)
        if absent is None:
            return made
        if silent:
            raise _maybe_there(silent, absent)
        raise ObjectNotFound(nouns[absent], absent)

    async def _ask(
        self, caller: AsyncCloudCall, asked: Sequence[ClusterConnection], is_admin: bool, uuids: Sequence[str]
    ) -> tuple[dict[str, Place], list[str]]:
        """
        Where objects are, as far as it was told; and the clusters that did not tell. Locked ones are not asked.

        :raises AmbiguousUuid: they are all asked for the same, so any of them could take what is another's.
        """
        method = "admin.object.find" if is_admin else "user.object.find"
        silent: list[str] = []
        made: dict[str, Place] = {}
        twice: dict[str, set[int]] = {}
        wanted = frozenset(uuids)
        deadline_s = min(FIND_DEADLINE_S, self._policy.list_deadline_s)

        async def ask(connection: ClusterConnection) -> None:
            identity = speaker(caller.identity, connection.facts)
            try:
                connection.check()
                answer = await connection.call(identity, method, {"uuids": list(uuids)}, deadline_s=deadline_s)
                for told in answer.decode():
                    known = as_uuid(told.get("uuid"))
                    if known in wanted and known is not None:
                        place = Place(connection.facts.id, str(told["kind"]), int(told["id"]))
                        if made.setdefault(known, place).cluster_id != place.cluster_id:
                            twice.setdefault(known, {made[known].cluster_id}).add(place.cluster_id)
            except (CloudError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
                log.info("{cluster} did not find: {error}", cluster=connection.facts.name, error=str(error))
                silent.append(connection.facts.name)

        open_ones = [each for each in asked if not each.facts.locked]
        await gatherResults([Deferred.fromCoroutine(ask(each)) for each in open_ones])
        for known, place in made.items():
            if known not in twice:
                self._places.keep(known, place)
        for known, ids in twice.items():
            raise AmbiguousUuid(known, ", ".join(sorted(each.facts.name for each in asked if each.facts.id in ids)))
        return made, sorted(silent)

    async def find(self, caller: AsyncCloudCall, uuids: Sequence[str]) -> list[PlacedObject]:
        """
        What objects are and where, at all clusters, as far as the caller sees them.

        :raises ClusterUnavailable: one was not found, and may be in a cluster that did not answer.
        """
        wanted = list(dict.fromkeys(known for known in map(as_uuid, uuids) if known is not None))
        made, silent = await self._ask(caller, self._clusters.all(), False, wanted) if wanted else ({}, [])
        absent = next((known for known in wanted if known not in made), None)
        if silent and absent is not None:
            raise _maybe_there(silent, absent)
        names = {each.facts.id: each.facts.name for each in self._clusters.all()}
        return [
            {"uuid": known, "kind": made[known].kind, "id": made[known].id, "cluster": names[made[known].cluster_id]}
            for known in wanted
            if known in made and made[known].cluster_id in names
        ]

    def _named_by_uuid(self, found: Mapping[str, str], error: ObjectNotFound) -> ObjectNotFound | None:
        """What a cluster does not find, by the name that the caller gave it: the same as if no cluster had it."""
        for known, named in found.items():
            place = self._places.find(known)
            if place is not None and place.id == error.object_id and fits(named, error.kind):
                self._places.forget(partial(eq, place))
                return ObjectNotFound(named, known)
        return None

    # -------------------------------------------------------------- all at once

    async def _everywhere(self, row: Row, caller: AsyncCloudCall, arguments: dict[str, Any]) -> RawJSON:
        """A list of every cluster, made at the same time; who did not answer in time is named."""
        check_everywhere(row, arguments)
        asked = self._open_to(row, caller.identity)
        if row.is_admin and not asked:
            raise NotClusterAdministrator(EVERYWHERE)
        answers = await gatherResults(
            [Deferred.fromCoroutine(self._one_of_all(row, caller, each, arguments)) for each in asked]
        )
        items: list[bytes] = []
        missing: list[dict[str, Any]] = []
        for connection, answer in zip(asked, answers, strict=True):
            name = connection.facts.name
            if isinstance(answer, InvalidRequest):
                raise answer  # the caller's fault, whichever cluster found it
            if isinstance(answer, CloudError):
                missing.append({"cluster": name, "code": answer.code, "message": str(answer)})
            else:
                items += answer
        # Joined as text: to read and write again what twenty clusters tell would take seconds.
        return RawJSON(b'{"items":[' + b",".join(items) + b'],"missing":' + encode_json(missing) + b"}")

    async def _one_of_all(
        self, row: Row, caller: AsyncCloudCall, connection: ClusterConnection, arguments: dict[str, Any]
    ) -> list[bytes] | CloudError:
        from clm.drivers.cluster import ClusterUnavailable

        name = connection.facts.name
        try:
            connection.check()
            answer = await connection.call(
                speaker(caller.identity, connection.facts),
                row.name,
                arguments,
                deadline_s=self._policy.list_deadline_s,
            )
        except CloudError as error:
            return error
        try:
            return _named(answer.data, name)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return ClusterUnavailable(name, "its list is none")


def _maybe_there(silent: Sequence[str], absent: str) -> CloudError:
    from clm.drivers.cluster import ClusterUnavailable

    return ClusterUnavailable(", ".join(silent), f"it may be there that {absent} is")


def _named(data: bytes, cluster: str) -> list[bytes]:
    """A JSON list's objects, each with ``cluster`` before its own members."""
    head = b'{"cluster":' + msgspec.json.encode(cluster)
    made = []
    for raw in _items.decode(data):
        item = bytes(raw)
        if item[:1] != b"{":
            raise ValueError("an item is no object")
        if b'"cluster"' in item or b"\\u" in item:  # which cluster it is of, is not for the cluster to say
            item = _without_cluster(item)
        rest = item[1:].lstrip()
        made.append(head + (b"" if rest[:1] == b"}" else b",") + rest)
    return made


def _without_cluster(item: bytes) -> bytes:
    members = _members.decode(item)
    members.pop("cluster", None)
    return msgspec.json.encode(members)
