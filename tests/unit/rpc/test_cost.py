"""What a call costs the reactor, told in calls of functions: these are as many on every machine, under any load."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from cm.rpc.caller import Call, Control, Identity
from cm.rpc.credentials import StaticAuthenticator
from cm.rpc.dispatch import Dispatcher
from cm.rpc.server import make_site
from cm.rpc.view import Registry, View, user_view
from cm.rpc.vocabulary import Role

BODY = b'{"jsonrpc":"2.0","method":"user.thing.get","params":{"thing_id":5},"id":1}'
BASIC = b"Basic " + base64.b64encode(b"ann:secret")
HEAD = (
    b"POST /jsonrpc HTTP/1.1\r\nHost: here\r\nAccept-Encoding: identity\r\nContent-Length: %d\r\n"
    b"Content-Type: application/json\r\nAuthorization: %s\r\n\r\n" % (len(BODY), BASIC)
)


@user_view(name="user.thing.get")
def get(caller: Call, thing_id: int) -> Any:
    return {"thing_id": thing_id}


async def execute(view: View, identity: Identity, arguments: dict[str, Any], control: Control) -> Any:
    return view.function(Call.of(identity, control), **arguments)


class Constant(Resource):
    isLeaf = True

    def render_POST(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return b'{"jsonrpc":"2.0","result":{"thing_id":5},"id":1}'


class QuietSite(Site):
    def log(self, request: Request) -> None:
        pass


def calls_of(site: Any) -> int:
    """Functions of Python that one more request on a connection makes."""
    address = IPv4Address("TCP", "192.0.2.1", 4000)
    transport = StringTransport(peerAddress=address)
    channel = site.buildProtocol(address)
    channel.callLater = Clock().callLater
    channel.makeConnection(transport)

    def ask() -> None:
        transport.clear()
        channel.dataReceived(HEAD)
        channel.dataReceived(BODY)

    ask()
    ask()
    assert transport.value().endswith(b'"result":{"thing_id":5},"id":1}')
    made = _count(ask)
    assert transport.value().startswith(b"HTTP/1.1 200 OK\r\n")
    return made


def _count(function: Callable[[], None]) -> int:
    made = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal made
        made += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return made


def test_of_a_call() -> None:
    """
    Who calls, what they may, their share, limits and measures cost at most a tenth more than a constant resource of
    Twisted's. A line that waits for somebody is cheap; one more for each header or call of each request adds up.
    """
    known = StaticAuthenticator({"ann": ("secret", Identity(1, "ann", frozenset({Role.USER}), source="password"))})
    clock = Clock()
    ours = calls_of(make_site(clock, Dispatcher(clock, Registry([get]), execute, known)))
    constant = calls_of(QuietSite(Constant(), reactor=clock))
    assert ours < 1.1 * constant
