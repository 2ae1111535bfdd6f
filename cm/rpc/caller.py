"""
Who calls, and how one program calls another.

``Identity`` is who was recognised, ``Call`` what a view is handed as its first argument, ``ICaller`` the way to call
views without knowing where they are: here by ``LocalCaller`` in the same process, in ``client.py`` over the wire.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from zope.interface import Interface, implementer

from cm.rpc.codec import RawJSON, RawList, RawObject, plain
from cm.rpc.errors import NotAuthenticated, RoleNeeded
from cm.rpc.vocabulary import Role
from cm.runtime.interface import interface_method

if TYPE_CHECKING:
    from cm.rpc.view import Registry, View

__all__ = [
    "ANONYMOUS", "Call", "Control", "Execute", "ICaller", "Identity", "LocalCaller", "RawJSON", "RawList", "RawObject",
    "Source",
]  # fmt: skip

Source = Literal["token", "password", "node", "local", "none"]

# A user is also a guest, an administrator also a user; a node is nobody's user.
_IMPLIED: Final = {
    Role.GUEST: frozenset({Role.GUEST}),
    Role.USER: frozenset({Role.GUEST, Role.USER}),
    Role.ADMIN: frozenset({Role.GUEST, Role.USER, Role.ADMIN}),
    Role.CLOUD: frozenset({Role.GUEST, Role.USER, Role.ADMIN, Role.CLOUD}),
    Role.NODE: frozenset({Role.GUEST, Role.NODE}),
}
# The other way round: who holds one of these may do what is a role's.
_HELD_FOR: Final = {role: frozenset(held for held, implied in _IMPLIED.items() if role in implied) for role in Role}


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Somebody recognised. ``account_id`` 0 is nobody; ``node_id`` is set for a node's own credential alone.

    :ivar issuer: the cloud manager whose token this was, and whose ``groups`` these are; "" for accounts of our own.
    """

    account_id: int
    login: str
    roles: frozenset[Role]
    groups: tuple[int, ...] = ()
    node_id: int | None = None
    source: Source = "local"
    issuer: str = ""

    def may(self, role: Role) -> bool:
        """Whether views of this role are open to them."""
        return role is Role.GUEST or not _HELD_FOR[role].isdisjoint(self.roles)

    def require(self, role: Role) -> None:
        """
        :raises NotAuthenticated: nobody was recognised.
        :raises RoleNeeded: views of this role are not open to them.
        """
        if not self.may(role):
            if self.source == "none":
                raise NotAuthenticated()
            raise RoleNeeded(role.value)


ANONYMOUS: Final = Identity(0, "", frozenset({Role.GUEST}), source="none")


@dataclass(frozen=True, slots=True)
class Control:
    """What accompanies a call beside the view's own arguments. ``remote`` is the peer's address, "" in process."""

    call_id: str
    request_id: str | None = None
    dry_run: bool = False
    if_version: int | None = None
    remote: str = ""


@dataclass(slots=True)
class Call:
    """
    A view's first argument: who calls, and under which conditions.

    :ivar session: the open transaction; set by the executor around views that run on a database thread.
    :ivar call_id: names this call in the log, in its answer's header and in an incident.
    :ivar plan: what a dry run answers, in order; see ``note``.
    :ivar on: the view's ``on``; see ``action``.
    """

    identity: Identity
    call_id: str
    session: Any = None
    request_id: str | None = None
    dry_run: bool = False
    if_version: int | None = None
    remote: str = ""
    plan: list[dict[str, Any]] = field(default_factory=list)
    on: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, identity: Identity, control: Control, session: Any = None, **more: Any) -> Self:
        """:param more: what a manager's own class has beside."""
        return cls(
            identity,
            control.call_id,
            session,
            control.request_id,
            control.dry_run,
            control.if_version,
            control.remote,
            **more,
        )

    @property
    def account_id(self) -> int:
        return self.identity.account_id

    def action(self, *parameters: str) -> Any:
        """What the view declares to do with the object of one of these parameters, whichever it has."""
        return next(self.on[name] for name in parameters if name in self.on)

    def note(self, step: str, **fields: Any) -> None:
        """Add a step to the plan. Always allowed; only a dry run tells it."""
        self.plan.append({"step": step, **fields})


Execute = Callable[["View", Identity, dict[str, Any], Control], Awaitable[Any]]
"""``async execute(view, identity, arguments, control)``: runs a view, authorized already, its arguments validated."""


class ICaller(Interface):
    """A way to views. Results are plain values (dict, list, str, int, float, bool, None), whichever the way."""

    @interface_method
    async def call(
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        request_id: str | None = None,
        credentials: Any = None,
    ) -> Any:
        """
        Call a view by its name on the wire.

        :param params: the arguments by position or by name; never the caller.
        :param request_id: repeats of a changing call with the same id give the first answer.
        :param credentials: for this call, in place of those the provider was made with.
        :raises CloudError: whatever the view raised, as the class it raised.
        :raises Unavailable: no answer in time; what was asked may or may not have happened.
        """


@implementer(ICaller)
class LocalCaller:
    """
    Views in the same process, on behalf of one identity.

    ``credentials`` of a call may be another ``Identity``: whoever holds a local caller is trusted to name people.
    """

    def __init__(self, registry: Registry, execute: Execute, identity: Identity) -> None:
        self._registry = registry
        self._execute = execute
        self._identity = identity

    async def call(
        self,
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        request_id: str | None = None,
        credentials: Identity | None = None,
    ) -> Any:
        identity = credentials or self._identity
        view = self._registry.get(method)
        identity.require(view.role)
        arguments, controls = view.bind(params)
        control = Control(uuid.uuid4().hex, **{"request_id": request_id, **controls})
        return plain(await self._execute(view, identity, arguments, control))
