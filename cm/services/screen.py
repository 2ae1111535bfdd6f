"""
A VM's screen, joined to whoever looks at it: the node's agent is asked to call out for it, the password is said here,
and from then on bytes pass as they come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from cm.rpc.errors import ObjectNotFound, ScreenClosed, ScreenUnreachable, StreamIdle
from cm.rpc.meeting import Meetings, NodeEnd
from cm.rpc.rfb import SHARED, Talk, enter, welcome
from cm.runtime.pipe import PIPE_BYTES, Broken, Duplex
from cm.services.context import Services, vnc_password
from cm.store.screen import Screen, find_screen, insert_call

CALL_S: Final = 10.0  # for the agent to call: its poll waits at the endpoint already
SHAKE_S: Final = 10.0  # for either side's handshake


def open_screen(session: Session, vm_id: int) -> Screen:
    """
    :raises ObjectNotFound: it has none.
    :raises ScreenClosed: nobody is to see it now.
    """
    found = find_screen(session, vm_id)
    if found is None:
        raise ObjectNotFound("screen of VM", vm_id)
    if not found.enabled:
        raise ScreenClosed(vm_id)
    return found


async def join_screen(services: Services, meetings: Meetings, vm_id: int, ends: Duplex) -> None:
    """
    Until either side ends.

    :raises ScreenClosed: it was closed meanwhile.
    :raises ScreenUnreachable: the node's agent did not call, or no VNC server lets us in.
    """
    if not meetings.path:
        raise ScreenUnreachable("this manager does not listen")
    token = meetings.token()
    waiting = Deferred.fromCoroutine(meetings.expect(token, CALL_S))
    try:
        screen = await services.database.transact(_call, vm_id, token, meetings.path)
    except BaseException:  # cancelled, too: nobody waits for the agent any more; it is raised again
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        raise
    end = await waiting
    password = vnc_password(services.policy.secret, screen.uuid, screen.generation)
    try:
        await _Joint(meetings.reactor, end, ends).run(password)
    except Broken:
        pass
    finally:
        end.close()


def _call(session: Session, vm_id: int, token: str, meeting: str) -> Screen:
    screen = open_screen(session, vm_id)
    insert_call(session, token, screen, meeting, CALL_S)
    return screen


@implementer(IPushProducer)
class _Joint:
    """A node's end and a viewer's: what the one has the other gets, no sooner than it takes it."""

    def __init__(self, reactor: Any, end: NodeEnd, ends: Duplex) -> None:
        self._reactor = reactor
        self._end = end
        self._ends = ends
        self._over: Deferred[None] = Deferred()
        self._wanted: Deferred[None] | None = None  # the handshake waits for the viewer
        self._said = b""
        self._held = False  # the node takes no more just now
        self._passing = False
        ends.attend(filled=self._filled, drained=self._drained)

    async def run(self, password: str) -> None:
        """
        :raises Broken: a side has left. ScreenUnreachable: they do not come together.
        """
        try:
            await self._shake(enter(password), self._end.read, self._end.write)
        except Broken:
            if self._ends.ended:
                raise
            raise ScreenUnreachable("its VNC server hung up") from None
        await self._shake(welcome(), self._read_viewer, self._ends.outward.offer)
        self._end.write(SHARED)
        self._passing = True
        self._end.pass_to(self._received, self._finish, self)
        self._filled()
        self._drained()
        await self._over

    async def _shake(
        self, talk: Talk, read: Callable[[int], Awaitable[bytes]], write: Callable[[bytes], object]
    ) -> None:
        asked = next(talk)
        while True:
            sent, count = asked
            if sent:
                write(sent)
            answering = Deferred.fromCoroutine(_awaited(read(count)))
            answering.addTimeout(SHAKE_S, self._reactor)
            try:
                answer = await answering
            except TimeoutError:
                raise StreamIdle(SHAKE_S) from None
            try:
                asked = talk.send(answer)
            except StopIteration:
                return

    async def _read_viewer(self, count: int) -> bytes:
        while len(self._said) < count:
            self._said += self._ends.inward.poll(count - len(self._said))
            if len(self._said) < count:
                if self._ends.ended:
                    raise Broken()
                self._wanted = Deferred()
                await self._wanted
        data, self._said = self._said[:count], self._said[count:]
        return data

    # -------------------------------------------------------------- what the viewer's side tells

    def _filled(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None and not wanted.called:
            wanted.callback(None)
        if not self._passing:
            if self._ends.ended:
                self._end.close()
            return
        while not self._held:
            try:
                data = self._ends.inward.poll(PIPE_BYTES)
            except Broken:
                self._finish()
                return
            if not data:
                break
            self._end.write(data)
        if self._ends.ended:
            self._finish()

    def _drained(self) -> None:
        if self._ends.ended:
            self._finish()
        elif self._passing and self._ends.outward.has_room:
            self._end.hold(False)

    def _finish(self) -> None:
        if not self._over.called:
            self._over.callback(None)

    # -------------------------------------------------------------- what the node's side tells

    def _received(self, data: bytes) -> None:
        if not self._ends.outward.offer(data):
            self._end.hold(True)

    def pauseProducing(self) -> None:
        self._held = True

    def resumeProducing(self) -> None:
        self._held = False
        self._filled()

    def stopProducing(self) -> None:
        """Its end is told by ``_finish``."""


async def _awaited(waiting: Awaitable[bytes]) -> bytes:
    return await waiting
