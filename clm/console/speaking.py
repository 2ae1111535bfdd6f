"""Speaking to a VM's serial console: this terminal, or a pipe, joined to a WebSocket of the server that we call."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from clm.console.context import Console
from clm.console.names import Found
from clm.console.problems import REFUSED, UNREACHABLE, Problem, one_line
from cm.rpc.errors import CloudError

if TYPE_CHECKING:
    from cm.rpc.websocket_client import Socket

ESCAPE: Final = b"\x1d"  # Ctrl-], as telnet and virsh have it
READ_BYTES: Final = 65_536
NORMAL: Final = 1000  # the close of a console whose guest has ended, or which somebody else took by force


def speak(console: Console, vm: Found, *, force: bool, linger_s: float) -> None:
    """
    Until Ctrl-] on a terminal; the end of what comes by a pipe, and then a silence; or the console's own end.

    :param linger_s: after the end of a pipe, seconds without a word of the guest's.
    :raises Problem: it cannot be opened, or was ended for a reason that its user should know.
    """
    params = {"vm_id": vm.id, **({"force": True} if force else {})}
    ticket = console.change("user.vm.open_console", params, cluster=vm.cluster)
    terminal = sys.stdin.isatty()
    with _opened(console, ticket, vm.cluster) as socket, _raw(sys.stdin.fileno() if terminal else None):
        if terminal:
            console.say(f"Speaking to VM {one_line(vm.shown)}; Ctrl-] leaves.\r")
        left = _join(socket, sys.stdin.fileno(), sys.stdout.fileno(), ESCAPE if terminal else None, linger_s)
    if terminal:
        console.say("")
    if left or socket.code == NORMAL:
        return
    slug, _, text = socket.reason.partition(": ")
    if slug == "console_in_use":
        text += " --force takes it."
    ended = text or socket.reason or "The connection was lost."
    raise Problem(ended, REFUSED if text else UNREACHABLE)


def _opened(console: Console, ticket: Any, cluster: str) -> Socket:
    """:raises Problem: it cannot be reached from here, or refuses."""
    from cm.rpc.schemes import ServerUnreachable
    from cm.rpc.websocket_client import Socket

    ca = console.options.ca or console.profile().ca or None
    unreached: ServerUnreachable | None = None
    try:
        for url, path, headers in _ways(console, ticket, cluster):
            try:
                return Socket(url, ca, console.options.timeout, path, headers)
            except ServerUnreachable as error:
                unreached = unreached or error
        assert unreached is not None
        raise unreached
    except CloudError as error:
        raise console.problem(error) from error
    except OSError as error:
        raise Problem(f"The certificates cannot be read: {error.strerror or error}.") from None


def _ways(console: Console, ticket: Any, cluster: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """
    Address, path and headers by which it can be had: the way that the call came is open; what a cluster thinks of its
    own address may not be.
    """
    server, path = console.profile().url, str(ticket["path"])
    if not console.is_cloud:
        local = server.startswith("unix:")
        yield (server if local else f"ws{server.removeprefix('http')}{path}"), path, {}
        return
    session = console.session()
    by_cloud = f"{path}&cluster={quote(str(ticket.get('cluster') or cluster))}"
    credentials = {"Authorization": f"Bearer {session.token}"} if session is not None else {}
    yield f"ws{server.removeprefix('http')}{by_cloud}", by_cloud, credentials
    # A cloud of a release before passes none on. What goes to the cloud over TLS does not go to the cluster without.
    if ticket["url"] and (ticket["url"].startswith("wss:") or not server.startswith("https:")):
        yield ticket["url"], path, {}


def _join(socket: Socket, source: int, sink: int, escape: bytes | None, linger_s: float) -> bool:
    """:return: whether this side left; else the other did."""
    reading = True
    heard_at = time.monotonic()
    while socket.open:
        wait_s = None if reading else max(0.0, heard_at + linger_s - time.monotonic())
        if socket.pending:
            wait_s = 0.0
        ready = select.select([socket.fileno(), *([source] if reading else [])], [], [], wait_s)[0]
        if source in ready:
            data = os.read(source, READ_BYTES)
            if escape is not None and escape in data:
                socket.send(data[: data.index(escape)])
                return True
            if data:
                socket.send(data)
            else:
                reading, heard_at = False, time.monotonic()
        if socket.fileno() in ready or socket.pending:
            data = socket.receive(0)
            heard_at = time.monotonic()
            while data:
                data = data[os.write(sink, data) :]
        elif not reading and not ready:
            return True
    return False


@contextmanager
def _raw(terminal: int | None) -> Iterator[None]:
    """Every key goes to the guest; whatever ends the block, even a signal, the terminal is as it was."""
    if terminal is None:
        yield
        return
    before = termios.tcgetattr(terminal)
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(terminal, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, frame: object) -> None:
    raise click.exceptions.Exit(128 + number)  # of SystemExit click's end would be made: a broken pipe's
