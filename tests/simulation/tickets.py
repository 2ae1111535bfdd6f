"""Sessions of a cluster's own accounts, as its users show them, where no cloud manager stands before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from cm.rpc.caller import Identity, RawJSON
from cm.rpc.codec import encode_json
from cm.rpc.dispatch import Peer
from cm.rpc.keys import ensure_signing_key
from cm.rpc.token import SESSION_S, TokenSigner
from cm.rpc.vocabulary import Role
from simulation.process import Process

if TYPE_CHECKING:
    from simulation.simulation import Simulation

CLUSTER: Final = "cluster"  # as the settings call it
REMOTES: Final = {"admin": "198.51.100.10", "ann": "198.51.100.11", "bob": "198.51.100.12", "eve": "198.51.100.13"}


class Tickets:
    """Signed with the cluster's own key, as its log-in does; without a password, which is slow to check on purpose."""

    def __init__(self, simulation: Simulation, state_dir: Path) -> None:
        self._simulation = simulation
        key = ensure_signing_key(state_dir / "session.key", "session")
        self._signer = TokenSigner(key.private_pem, key.key_id, f"cm:{CLUSTER}", SESSION_S, simulation.unix_s)
        self._known: dict[tuple[str, int], str] = {}
        self.secrets: set[str] = set()

    def of(self, login: str) -> str:
        """A session as somebody opens one now; of a blocked account the one that it had."""
        row = self._simulation.sql("SELECT id, is_admin, active, version FROM account WHERE login = :l", l=login)[0]
        mine = [version for known, version in self._known if known == login]
        version = row.version if row.active or not mine else max(mine)
        if (login, version) not in self._known:
            roles = frozenset({Role.ADMIN, Role.USER} if row.is_admin else {Role.USER})
            identity = Identity(row.id, login, roles, source="token")
            made = self._signer.sign(identity, CLUSTER, keys=[version])
            self._known[login, version] = made
            self.secrets.add(made)
        return self._known[login, version]

    def ask(self, process: Process, method: str, params: Any, login: str, request_id: str | None) -> Deferred[Any]:
        """Call as over the wire, behind its dialects."""
        peer = Peer(REMOTES[login], f"Bearer {self.of(login)}".encode(), request_id)
        dispatcher = process.manager.dispatcher
        asked: Deferred[Any] = process.run(
            lambda: Deferred.fromCoroutine(dispatcher.call(method, params or None, peer))
        )
        return asked.addCallback(plain)


def plain(value: Any) -> Any:
    """An answer as its client has it."""
    return value.decode() if isinstance(value, RawJSON) else json.loads(encode_json(value))
