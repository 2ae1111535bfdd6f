"""Who reads the cloud's change feed, and what of it is theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clm.rules.scope import ScopeNeeded, allows
from clm.services.connection import administers
from clm.services.context import CloudIdentity
from cm.rpc.caller import Identity
from cm.rpc.credentials import Authenticator, Credentials
from cm.rpc.event_lines import sees, sees_as_administrator
from cm.rpc.vocabulary import Role
from cm.runtime.feed import FeedRow

# What an API key's scope has to allow, as if the feed were a view.
WATCH: Final = "user.object.watch"
WATCH_ALL: Final = "admin.object.watch"


def sees_cluster(row: FeedRow, identity: Identity) -> bool:
    """Whether a change is an administrator's to know: those of the cloud know all, those of a cluster its changes."""
    cluster_id = row.more.get("cluster_id")
    theirs = identity.may(Role.CLOUD) if cluster_id is None else administers(identity, cluster_id)
    return (theirs and sees_as_administrator(row, identity)) or sees(row, identity)


class FeedAuthenticator:
    """Lets in whom the cloud's authenticator does, as far as the scope of their API key goes."""

    def __init__(self, inner: Authenticator) -> None:
        self._inner = inner

    async def authenticate(self, credentials: Credentials | None, remote: str) -> Identity:
        """
        :raises ScopeNeeded: the key is not good for the feed.
        """
        identity = await self._inner.authenticate(credentials, remote)
        if isinstance(identity, CloudIdentity) and identity.scope is not None:
            if not allows(identity.scope, WATCH, False):
                raise ScopeNeeded(WATCH)
            if not allows(identity.scope, WATCH_ALL, False):
                return replace(identity, roles=frozenset({Role.USER}), administers=frozenset())
        return identity

    async def still_good(self, identity: Identity) -> bool:
        return await self._inner.still_good(identity)
