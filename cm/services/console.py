"""
The way to speak to a VM's serial console; what it wrote, ``console_log.py`` has.

Whoever may, gets a ticket (``open_console``), with which a program of theirs comes by a WebSocket (``rpc/console.py``)
and is joined to the node's stream (``ConsoleDoor``). Their rights are looked at again as long as they stay.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.results.vm import ConsoleTicket
from cm.rpc.caller import Call, Identity
from cm.rpc.console import Speaking
from cm.rpc.errors import (
    AccountBlocked,
    NotAuthenticated,
    ObjectNotFound,
    TicketRefused,
    TooManyAtOnce,
    WrongVMState,
)
from cm.rpc.vocabulary import Role, VMState
from cm.rules.access import Action, Person
from cm.runtime.execute import write_audit
from cm.runtime.pipe import Duplex
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall, Services
from cm.store.account import AccountFacts, find_facts
from cm.store.console import Ticket, count_tickets, insert_ticket, take_ticket

log = Logger()
TICKET_S: Final = 30.0  # in which it has to be used
TICKETS_MAX: Final = 20  # of an account that wait to be used
RUNNING: Final = (VMState.RUNNING, VMState.PAUSED)


def open_console(caller: ClusterCall, vm_id: int, force: bool) -> ConsoleTicket:
    """
    Give out a ticket.

    :raises ObjectNotFound: AccessNeeded: no such VM that the caller sees; they see it, and may not.
    :raises WrongVMState: it does not run.
    :raises TooManyAtOnce: too many tickets of theirs wait to be used.
    """
    session, identity = caller.session, caller.identity
    row = authorized_vm(session, person_of(identity), vm_id, caller.action("vm_id"), version=caller.if_version)
    if row.state not in RUNNING:
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(RUNNING)))
    if count_tickets(session, identity.account_id) >= TICKETS_MAX:
        raise TooManyAtOnce("tickets for consoles", TICKETS_MAX)
    secret = secrets.token_urlsafe(32)
    ticket = Ticket(
        vm_id,
        identity.account_id,
        _facts(session, identity.account_id).version,
        identity.issuer,
        tuple(sorted(identity.groups)),
        force,
    )
    expires = insert_ticket(session, _digest(secret), ticket, TICKET_S)
    caller.note("ticket", vm_id=vm_id, valid_s=TICKET_S)
    path = f"/console?ticket={secret}"
    base = caller.policy.public_url
    return {
        "vm_id": vm_id,
        "path": path,
        "url": f"ws{base.removeprefix('http')}{path}" if base else None,
        "expires": expires,
    }


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _facts(session: Session, account_id: int) -> AccountFacts:
    """:raises NotAuthenticated: there is no such account any more. :raises AccountBlocked: it may do nothing."""
    facts = find_facts(session, account_id)
    if facts is None:
        raise NotAuthenticated()
    if not facts.active:
        raise AccountBlocked()
    return facts


@dataclass(frozen=True)
class _Admitted:
    identity: Identity
    node_id: int
    uuid: str


class ConsoleDoor:
    """Lets in who comes with a ticket: ``rpc/console.py``'s ``Door``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def admit(self, secret: str, remote: str, call_id: str) -> Speaking:
        database = self._services.database
        # For itself, and kept: a ticket is used up by being shown, whatever comes of it.
        ticket = await database.transact(take_ticket, _digest(secret))
        if ticket is None:
            raise TicketRefused()
        admitted = await database.transact(_admit, ticket, remote, call_id)
        return ConsoleSession(self._services, ticket, admitted, remote, call_id)


class ConsoleSession:
    """Somebody who speaks to a console: ``rpc/console.py``'s ``Speaking``."""

    def __init__(self, services: Services, ticket: Ticket, admitted: _Admitted, remote: str, call_id: str) -> None:
        self._services = services
        self._ticket = ticket
        self._admitted = admitted
        self._remote = remote
        self._call_id = call_id
        self.identity = admitted.identity

    async def join(self, ends: Duplex) -> None:
        node = self._services.fleet.node(self._admitted.node_id)
        await node.streams.console(self._admitted.uuid, ends, self._ticket.force)

    async def check(self) -> None:
        await self._services.database.read(_may, self._ticket)
        issuer = self._ticket.issuer
        if issuer and not await self._services.authenticator.still_good(self.identity):
            raise NotAuthenticated()

    async def ended(self, reason: str, inward_bytes: int, outward_bytes: int) -> None:
        told = {"vm_id": self._ticket.vm_id, "reason": reason, "written": inward_bytes, "read": outward_bytes}
        await self._services.database.transact(
            _record, "console.end", self.identity, self._remote, self._call_id, told
        )


def _may(session: Session, ticket: Ticket) -> tuple[AccountFacts, int | None, str, VMState]:
    """
    :raises NotAuthenticated: AccountBlocked: whoever it was given to may call no more.
    :raises ObjectNotFound: AccessNeeded: or not do this.
    """
    facts = _facts(session, ticket.account_id)
    if not ticket.issuer and facts.version != ticket.account_version:
        raise NotAuthenticated()  # as sessions end, by a new password or another role
    who = Person(ticket.account_id, ticket.issuer, ticket.groups)
    row = authorized_vm(session, who, ticket.vm_id, Action.CONSOLE)
    return facts, row.node_id, str(row.uuid), row.state


def _admit(session: Session, ticket: Ticket, remote: str, call_id: str) -> _Admitted:
    """:raises WrongVMState: it ended meanwhile."""
    facts, node_id, uuid, state = _may(session, ticket)
    if state not in RUNNING:
        raise WrongVMState(ticket.vm_id, state, " or ".join(sorted(RUNNING)))
    if node_id is None:
        raise ObjectNotFound("vm", ticket.vm_id)
    roles = frozenset({Role.USER})
    identity = Identity(
        facts.id, facts.login, roles, ticket.groups, source="token", issuer=ticket.issuer
    )
    _record(session, "console.begin", identity, remote, call_id, {"vm_id": ticket.vm_id, "force": ticket.force})
    return _Admitted(identity, node_id, uuid)


def _record(
    session: Session, what: str, identity: Identity, remote: str, call_id: str, told: dict[str, object]
) -> None:
    write_audit(session, what, Call(identity, call_id, remote=remote), told)
