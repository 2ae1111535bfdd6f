"""What a handler is given: who asks, of which region, and the way to views."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.errors import EC2Error
from clm.ec2.kept import Kept
from clm.rules.cluster import ClusterFacts
from cm.rpc.caller import Identity
from cm.rpc.codec import encode_json, plain
from cm.rpc.errors import NotSupported
from cm.runtime.remember import Remembered

Ask = Callable[[str, Mapping[str, Any], str | None], Awaitable[Any]]
"""``await ask(view, arguments, request_id)``: as the caller, with all that is held for calls of views."""
Facts = Remembered[Hashable, Mapping[str, Any]]
FACTS_S: Final = 10.0  # of images and types: a burst of RunInstances asks for them once
DRY: Final = "Request would have succeeded, but DryRun flag is set."


@dataclass
class Context:
    """
    :ivar region: the cluster that is meant; it is the name of one of ``clusters``, which are all.
    :ivar pause: gives the reactor back; what comes then is the caller's next turn.
    :ivar kept: what was written of instances before.
    :ivar facts: what was read a moment ago of things that hardly change, by who read it and where.
    :ivar endpoint: the address that was asked, or the pattern of all of them with ``{cluster}``.
    """

    identity: Identity
    region: str
    clusters: Sequence[ClusterFacts]
    endpoint: str
    ask: Ask
    pause: Callable[[], Awaitable[None]]
    kept: Kept
    facts: Facts
    action: str
    dry_run: bool = False

    @property
    def owner(self) -> str:
        """The caller's account, as EC2 writes it."""
        return ids.account(self.identity.account_id)

    @property
    def zone(self) -> str:
        """The region's one zone."""
        return self.region + "a"

    @property
    def place(self) -> bytes:
        """Whose and where: what is told of an object beside what its cluster says. As no JSON goes on."""
        return f"\0{self.owner}\0{self.region}".encode()

    @property
    def arn(self) -> str:
        """Who the caller is, as IAM writes it."""
        return f"arn:aws:iam::{self.owner}:user/{self.identity.login}"

    @property
    def cluster_id(self) -> int:
        """The region's, as the cloud counts them."""
        return next(each.id for each in self.clusters if each.name == self.region)

    async def cloud(self, view: str, **arguments: Any) -> Any:
        """What a view of the cloud's own answers that changes nothing."""
        return plain(await self.ask(view, arguments, None))

    async def read(self, view: str, **arguments: Any) -> Any:
        """Likewise of the region's cluster."""
        return plain(await self.ask(view, {**arguments, "cluster": self.region}, None))

    async def raw(self, view: str, **arguments: Any) -> bytes:
        """As ``read``, the JSON that it was written as."""
        return encode_json(await self.ask(view, {**arguments, "cluster": self.region}, None))

    async def fact(self, kind: str, name: str, find: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
        """
        What was found a moment ago by the same key, else what ``find`` finds now. Whoever makes a change with it is
        told by the cluster what is not so any more.
        """
        key = (getattr(self.identity, "api_key_id", None), self.identity.account_id, self.region, kind, name)
        known = self.facts.find(key)
        if known is None:
            known = await find()
            self.facts.keep(key, known)
        return known

    async def change(self, view: str, *, token: str | None = None, cloud: bool = False, **arguments: Any) -> Any:
        """
        What a view answers that changes something; with ``DryRun`` nothing is changed.

        :param token: the client's: a repeat gets the first answer.
        :raises EC2Error: ``DryRunOperation``: it would have been done.
        """
        request_id = None if token is None else self.request_id(token)
        asked = arguments if cloud else {**arguments, "cluster": self.region}
        if self.dry_run:
            try:
                await self.ask(view, {**asked, "dry_run": True}, None)
            except NotSupported:
                pass  # its plan is not known beforehand; that its caller may call it is
            raise would_do()
        return plain(await self.ask(view, asked, request_id))

    def request_id(self, token: str) -> str:
        """A client's token as our own: of this action, and of the region, which has its own memory of them."""
        return "ec2-" + hashlib.sha256(f"{self.action}\0{self.region}\0{token}".encode()).hexdigest()


def would_do() -> EC2Error:
    return EC2Error("DryRunOperation", DRY)


def only(params: Mapping[str, Any], *takes: str) -> None:
    """
    :raises EC2Error: something is asked for that is not done here: better than to leave it out without a word.
    """
    for name, value in params.items():
        if name not in takes and name != "DryRun" and value not in (None, False, [], {}, ""):
            raise EC2Error("UnsupportedOperation", f"The parameter {name} is not supported here.")
