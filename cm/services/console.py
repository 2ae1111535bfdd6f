"""
The way to speak to a VM, by its serial console or its screen; what the former wrote, ``console_log.py`` has.

Whoever may, gets a ticket (``open_console``), with which a program or a page of theirs comes by a WebSocket
(``rpc/console.py``) and is joined to the node's stream or to the screen (``ConsoleDoor``). Their rights are looked at
again as long as they stay, at once where the VM has changed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.results.vm import ConsoleTicket
from cm.rpc.caller import Call, Identity
from cm.rpc.console import Comer, Speaking
from cm.rpc.errors import (
    AccountBlocked,
    CloudError,
    InvalidParameter,
    NotAuthenticated,
    ObjectNotFound,
    TicketRefused,
    TooManyAtOnce,
    WrongVMState,
)
from cm.rpc.meeting import Meetings
from cm.rpc.vocabulary import ConsoleKind, Role, VMEventCode, VMState
from cm.rules.access import Action, Person
from cm.runtime.execute import write_audit
from cm.runtime.feed import FeedReader, FeedRow, Subscription
from cm.runtime.pipe import Duplex
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall, Services
from cm.services.screen import join_screen, open_screen
from cm.store.account import AccountFacts, find_facts
from cm.store.console import Ticket, count_tickets, insert_ticket, take_ticket
from cm.store.instance import note_event

log = Logger()
TICKET_S: Final = 30.0  # in which it has to be used
TICKETS_MAX: Final = 20  # of an account that wait to be used
RUNNING: Final = (VMState.RUNNING, VMState.PAUSED)


def refuse_off(vm_id: int, state: VMState) -> None:
    """:raises WrongVMState: it does not run, so that there is nothing to see or to speak to."""
    if state not in RUNNING:
        raise WrongVMState(vm_id, state, " or ".join(sorted(RUNNING)))


def open_console(caller: ClusterCall, vm_id: int, kind: ConsoleKind, force: bool, origin: str) -> ConsoleTicket:
    """
    Give out a ticket.

    :param origin: whose pages alone may use it; "": it is for a program.

    :raises ObjectNotFound: AccessNeeded: no such VM that the caller sees; they see it, and may not.
    :raises WrongVMState: it does not run. ScreenClosed: its screen is not to be seen.
    :raises InvalidParameter: a screen is nobody's alone, so none can be taken by force.
    :raises TooManyAtOnce: too many tickets of theirs wait to be used.
    """
    session, identity = caller.session, caller.identity
    row = authorized_vm(session, person_of(identity), vm_id, caller.action("vm_id"), version=caller.if_version)
    refuse_off(vm_id, row.state)
    if kind == ConsoleKind.VNC:
        if force:
            raise InvalidParameter("force", "several may look at a screen: there is nobody to take it from")
        open_screen(session, vm_id)
    if count_tickets(session, identity.account_id) >= TICKETS_MAX:
        raise TooManyAtOnce("tickets for consoles", TICKETS_MAX)
    secret = secrets.token_urlsafe(32)
    ticket = Ticket(
        vm_id,
        identity.account_id,
        _facts(session, identity.account_id).version,
        identity.issuer,
        tuple(sorted(identity.groups)),
        kind,
        force,
        origin,
    )
    expires = insert_ticket(session, _digest(secret), ticket, TICKET_S)
    caller.note("ticket", vm_id=vm_id, kind=kind, valid_s=TICKET_S)
    path = f"/console?ticket={secret}"
    base = caller.policy.public_url
    return {
        "vm_id": vm_id,
        "kind": kind,
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

    def __init__(self, services: Services, meetings: Meetings) -> None:
        self._services = services
        self._meetings = meetings

    async def admit(self, secret: str, comer: Comer) -> Speaking:
        database = self._services.database
        # For itself, and kept: a ticket is used up by being shown, whatever comes of it.
        ticket = await database.transact(take_ticket, _digest(secret))
        if ticket is None or comer.origin != ticket.origin:
            raise TicketRefused()
        if comer.identity is not None and comer.identity.account_id != ticket.account_id:
            raise TicketRefused()
        admitted = await database.transact(_admit, ticket, comer.remote, comer.call_id)
        return ConsoleSession(self._services, self._meetings, ticket, admitted, comer)


class ConsoleSession:
    """Somebody who speaks to a console: ``rpc/console.py``'s ``Speaking``."""

    def __init__(
        self, services: Services, meetings: Meetings, ticket: Ticket, admitted: _Admitted, comer: Comer
    ) -> None:
        self._services = services
        self._meetings = meetings
        self._ticket = ticket
        self._admitted = admitted
        self._remote, self._call_id = comer.remote, comer.call_id
        self.identity = admitted.identity
        self.vm_id, self.kind = ticket.vm_id, ticket.kind

    async def join(self, ends: Duplex) -> None:
        if self.kind == ConsoleKind.VNC:
            await join_screen(self._services, self._meetings, self.vm_id, ends)
            return
        node = self._services.fleet.node(self._admitted.node_id)
        await node.streams.console(self._admitted.uuid, ends, self._ticket.force)

    async def check(self) -> None:
        await self._services.database.read(_may, self._ticket)
        issuer = self._ticket.issuer
        if issuer and not await self._services.authenticator.still_good(self.identity):
            raise NotAuthenticated()

    async def ended(self, reason: str, inward_bytes: int, outward_bytes: int) -> None:
        told = {
            "vm_id": self.vm_id, "kind": self.kind, "reason": reason, "written": inward_bytes, "read": outward_bytes,
        }  # fmt: skip
        await self._services.database.transact(_record, "console.end", self.identity, self._remote, self._call_id, told)


def _may(session: Session, ticket: Ticket) -> tuple[AccountFacts, int | None, str, VMState]:
    """
    :raises NotAuthenticated: AccountBlocked: whoever it was given to may call no more.
    :raises ObjectNotFound: AccessNeeded: or not do this. ScreenClosed: or nobody may.
    """
    facts = _facts(session, ticket.account_id)
    if not ticket.issuer and facts.version != ticket.account_version:
        raise NotAuthenticated()  # as sessions end, by a new password or another role
    who = Person(ticket.account_id, ticket.issuer, ticket.groups)
    row = authorized_vm(session, who, ticket.vm_id, Action.CONSOLE)
    if ticket.kind == ConsoleKind.VNC and row.state in RUNNING:
        open_screen(session, ticket.vm_id)
    return facts, row.node_id, str(row.uuid), row.state


def _admit(session: Session, ticket: Ticket, remote: str, call_id: str) -> _Admitted:
    """:raises WrongVMState: it ended meanwhile."""
    facts, node_id, uuid, state = _may(session, ticket)
    refuse_off(ticket.vm_id, state)
    if node_id is None:
        raise ObjectNotFound("vm", ticket.vm_id)
    roles = frozenset({Role.USER})
    identity = Identity(facts.id, facts.login, roles, ticket.groups, source="token", issuer=ticket.issuer)
    told = {"vm_id": ticket.vm_id, "kind": ticket.kind, "force": ticket.force}
    note_event(session, ticket.vm_id, VMEventCode.CONSOLE, facts.id, {"kind": ticket.kind})
    _record(session, "console.begin", identity, remote, call_id, told)
    return _Admitted(identity, node_id, uuid)


def _record(
    session: Session, what: str, identity: Identity, remote: str, call_id: str, told: dict[str, object]
) -> None:
    write_audit(session, what, Call(identity, call_id, remote=remote), told)


class VMWatch:
    """
    Has those who speak to VMs looked at when these change: an access list, a screen, an end. It reads the feed while
    there is somebody.

    :param look: called with the ids of VMs; None: whichever may have changed.
    """

    def __init__(self, feed: FeedReader, look: Callable[[frozenset[int] | None], object]) -> None:
        self._feed = feed
        self._look = look
        self._wanted = False
        self._subscription: Subscription | None = None
        self._beginning = False

    def want(self, wanted: bool) -> None:
        """Whether there is somebody."""
        self._wanted = wanted
        if not wanted:
            subscription, self._subscription = self._subscription, None
            if subscription is not None:
                subscription.close()
        elif self._subscription is None and not self._beginning:
            self._beginning = True
            beginning = Deferred.fromCoroutine(self._begin())
            beginning.addErrback(lambda failure: log.failure("the feed is not read", failure))

    async def _begin(self) -> None:
        try:
            made = await self._feed.subscribe(None, self._take, self._ended)
        except CloudError as error:
            log.info("changes of VMs are found by looking alone: {error}", error=str(error))
            return
        finally:
            self._beginning = False
        if not self._wanted:
            made.close()
            return
        self._subscription = made
        made.start()
        self._look(None)

    def _ended(self) -> None:
        """It may be read again with the next who comes."""
        self._subscription = None

    def _take(self, rows: Sequence[FeedRow]) -> None:
        changed = frozenset(row.object_id for row in rows if row.kind == "vm")
        if changed:
            self._look(changed)
