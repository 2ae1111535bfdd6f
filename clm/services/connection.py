"""
The clusters as living parts: a connection to each, kept as the database says, and who speaks to them for whom.

Rows are remembered here, so that a call costs no query; the notification ``cluster`` renews them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from clm.rules.cluster import ClusterFacts, default_of, match
from clm.services.context import CloudIdentity, CloudPolicy
from clm.store.cluster import list_facts
from cm.rpc.caller import Identity
from cm.rpc.errors import CloudError, InvalidParameter, ObjectNotFound
from cm.rpc.token import TokenSigner
from cm.rpc.vocabulary import Role

if TYPE_CHECKING:
    from clm.drivers.cluster import ClusterConnection
    from cm.runtime.database import Database
    from cm.runtime.listener import Listener

log = Logger()
TOPIC: Final = "cluster"
AFRESH_S: Final = 1.0  # a name that is not known is looked for in the database at most this often
SERVICE_LOGIN: Final = "clm"
Connect = Callable[[Any, ClusterFacts, TokenSigner, float], "ClusterConnection"]
"""``connect(reactor, facts, signer, deadline_s)``, as ``ClusterConnection`` is made."""


def speaker(identity: Identity, facts: ClusterFacts) -> Identity:
    """A caller as one cluster is told of them: its administrator only where they are so."""
    roles = {Role.USER}
    if administers(identity, facts.id):
        roles.add(Role.ADMIN)
    return Identity(identity.account_id, identity.login, frozenset(roles), identity.groups, source="token")


def service_identity() -> Identity:
    """The cloud itself, as clusters know it: nobody's account, administrator of what is the cloud's."""
    return Identity(0, SERVICE_LOGIN, frozenset({Role.ADMIN}), source="token")


def administers(identity: Identity, cluster_id: int) -> bool:
    if identity.may(Role.CLOUD):
        return True
    return isinstance(identity, CloudIdentity) and cluster_id in identity.administers


class Clusters:
    """
    All clusters of the cloud, each with its connection.

    :param connect: makes a connection; over the network when left out.
    """

    def __init__(
        self,
        database: Database,
        policy: CloudPolicy,
        reactor: Any,
        signer: TokenSigner,
        signals: Listener,
        connect: Connect | None = None,
    ) -> None:
        self._database = database
        self._policy = policy
        self._reactor = reactor
        self._signer = signer
        self._signals = signals
        self._connect = connect
        self._held: dict[int, ClusterConnection] = {}
        self._loading: Deferred[None] | None = None
        self._again = False
        self._loaded = 0.0
        self._reads = self._applied = 0
        self._subscribers: list[Any] = []

    async def start(self) -> None:
        self._signals.subscribe(TOPIC, self.changed, at_once=True)
        await self.reload()

    def subscribe(self, callback: Any) -> None:
        """Have ``callback()`` called after each renewal."""
        self._subscribers.append(callback)

    def changed(self, subject: str = "") -> None:
        """Notification ``cluster`` or ``cluster:<id>``."""
        if self._loading is not None:
            self._again = True
            return
        self._loading = Deferred.fromCoroutine(self._renew())

    async def _renew(self) -> None:
        try:
            while True:
                self._again = False
                await self.reload()
                if not self._again:
                    return
        except CloudError as error:  # the database is away, or we are being stopped
            log.warn("the clusters could not be read anew: {error}", error=str(error))
        except Exception:
            log.failure("the clusters could not be read anew")
        finally:
            self._loading = None

    async def reload(self) -> None:
        """Read the rows, and make, renew or end connections accordingly."""
        self._reads += 1
        mine = self._reads
        facts = await self._database.read(list_facts)
        if mine < self._applied:
            return  # a reading that began later has ended already
        self._applied = mine
        self._loaded = self._reactor.seconds()
        held, gone = {}, dict(self._held)
        for each in facts:
            known = self._held.get(each.id)
            if known is not None and known.is_same_place(each):
                known.renew(each)
                held[each.id] = gone.pop(each.id)
            else:
                held[each.id] = self.connect(each)
        self._held = held
        for connection in gone.values():
            await connection.close()
        for callback in self._subscribers:
            callback()

    def connect(self, facts: ClusterFacts) -> ClusterConnection:
        """A connection that nobody else knows; the caller closes it."""
        from clm.drivers.cluster import ClusterConnection

        policy = self._policy
        make = self._connect or ClusterConnection
        made = make(self._reactor, facts, self._signer, policy.cluster_deadline_s)
        if policy.cluster_calls is not None and policy.cluster_waits is not None:
            made.share_out(policy.cluster_calls, policy.cluster_waits, policy.cluster_at_once)
        return made

    # -------------------------------------------------------------- finding one

    def all(self) -> list[ClusterConnection]:
        """All of them, by name, locked ones too."""
        return list(self._held.values())

    def find(self, cluster_id: int) -> ClusterConnection | None:
        return self._held.get(cluster_id)

    async def get(self, reference: int | str) -> ClusterConnection:
        """
        By id, name or uuid.

        :raises ObjectNotFound: there is none.
        """
        found = match(reference, self._held.values())
        if found is None and self._reactor.seconds() - self._loaded >= AFRESH_S:
            await self.reload()  # it may have been added by another process just now
            found = match(reference, self._held.values())
        if found is None:
            raise ObjectNotFound("cluster", reference)
        return found

    def default(self, identity: Identity, among: list[ClusterConnection] | None = None) -> ClusterConnection:
        """
        The cluster of a call that names none.

        :raises InvalidParameter: that cannot be told.
        """
        choice = self.all() if among is None else among
        preferred = identity.default_cluster_id if isinstance(identity, CloudIdentity) else None
        found = default_of(preferred, choice)
        if found is None:
            names = ", ".join(each.facts.name for each in choice[:20])
            raise InvalidParameter("cluster", f"say which: {names}" if names else "there is none")
        return found

    async def stop(self) -> None:
        held, self._held = self._held, {}
        for connection in held.values():
            await connection.close()
