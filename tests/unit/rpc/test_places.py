"""Places shared out between accounts and addresses; calls that wait beside those that work; connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource

from clm.views.forward import forwarded_views
from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.dispatch import Peer
from cm.rpc.errors import Overloaded, TooManyAtOnce
from cm.rpc.http.channel import StrictSite
from cm.rpc.http.request import WireSite
from cm.rpc.limits import Limits, Share
from cm.rpc.places import Places
from cm.rpc.server import make_root
from cm.rpc.turns import WRONG_S
from cm.rpc.view import Registry
from cm.rpc.vocabulary import Role
from cm.runtime import files

from .sample import ANNA, AS_ANNA, ROOT, Sample, one_round

SHARE = Share(size=10, per_account=3, per_address=4, kept=2, times=2)


def person(number: int, issuer: str = "") -> Identity:
    return Identity(number, f"user{number}", frozenset({Role.USER}), source="token", issuer=issuer)


def taken(places: Places, identity: Identity, remote: str = "") -> list[Callable[[], None]]:
    """As many as they get, and what ended that."""
    found = []
    while True:
        try:
            found.append(places.take(identity, remote))
        except (TooManyAtOnce, Overloaded):
            return found


def test_account() -> None:
    """An account gets its share, whatever is free, and others theirs; what it gives back it gets again."""
    places = Places("calls", SHARE)
    mine = taken(places, person(1))
    assert len(mine) == 3
    with pytest.raises(TooManyAtOnce, match="You have 3 calls at once already"):
        places.take(person(1))
    assert len(taken(places, person(2))) == 3
    mine.pop()()
    assert len(places) == 5 and len(taken(places, person(1))) == 1


def test_address() -> None:
    """An address has a share over all its accounts and those without one; an IPv6 address is its /64."""
    for first, second in (("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2:1")):
        places = Places("calls", SHARE)
        assert len(taken(places, ANONYMOUS, first)) == 4
        assert not taken(places, person(1), second)
        assert len(taken(places, person(1), "192.0.2.9")) == 3


@pytest.mark.parametrize(
    ("issuer", "remote"), [("clm:cloud", "192.0.2.1"), ("", "127.0.0.1"), ("", "::1"), ("", "local")]
)
def test_proxies(issuer: str, remote: str) -> None:
    """What comes by a cloud manager or a proxy on this machine counts for its account alone."""
    places = Places("calls", SHARE)
    assert [len(taken(places, person(number, issuer), remote)) for number in (1, 2)] == [3, 3]


def test_kept() -> None:
    """The last places are for administrators, whose share is larger and whose address does not count."""
    places = Places("calls", SHARE)
    others = [len(taken(places, person(number))) for number in range(1, 10)]
    assert sum(others) == 8
    with pytest.raises(Overloaded):
        places.take(person(99))
    assert len(taken(places, ROOT, "192.0.2.1")) == 2
    assert len(places) == 10
    assert len(taken(Places("calls", SHARE), ROOT, "192.0.2.1")) == 6


def test_given_back() -> None:
    """Nothing is remembered of who has no place."""
    places = Places("calls", SHARE)
    for give_back in taken(places, ANNA, "192.0.2.1"):
        give_back()
    assert len(places) == 0 and not places._taken


@pytest.mark.parametrize("settings", [{"waits": 10, "waits_kept": 10}, {"calls": 0}, {"streams_kept": -1}])
def test_settings(settings: dict[str, int]) -> None:
    assert len(Limits(**settings).problems()) == 1 and not Limits().problems()  # type: ignore[arg-type]


def test_waiting_holds_no_working_place() -> None:
    """Calls that only wait leave the places of those that work to them, and have their own bound."""
    limits = Limits(under_way=3, under_way_kept=0, waits=40, waits_per_account=20, waits_kept=0)
    sample = Sample(limits=limits)
    answers: list[Any] = []
    body = b'{"jsonrpc": "2.0", "method": "user.slow_wait", "id": 1}'
    for _ in range(25):
        peer = Peer("192.0.2.1", identity=ANNA)
        Deferred.fromCoroutine(sample.json.answer(body, peer)).addCallback(answers.append)
    assert len(sample.waiting) == 20 and len(answers) == 5
    assert all(b"too_many_at_once" in each for each in answers)
    assert "result" in sample.call("get_data")
    for gate in list(sample.waiting):
        gate.callback("done")
    assert len(answers) == 25 and sample.dispatcher.under_way == 0


def test_connections() -> None:
    """An address has its share of connections; one more is closed before it is read, and others are served."""
    site = StrictSite(Resource())
    site.connections, site.connections_per_address = 5, 3
    made: list[Any] = []

    def connect(host: str) -> bool:
        """Whether it stays."""
        protocol = site.buildProtocol(IPv4Address("TCP", host, 1))
        transport = StringTransport()
        transport.abortConnection = transport.loseConnection
        protocol.makeConnection(transport)
        made.append(protocol)
        return not transport.disconnecting

    assert [connect("192.0.2.1") for _ in range(4)] == [True, True, True, False]
    assert [connect("192.0.2.2") for _ in range(3)] == [True, True, False]
    made[0].connectionLost(None)
    assert connect("192.0.2.3") and not connect("192.0.2.3")
    assert site._open == {"192.0.2.1": 2, "192.0.2.2": 2, "192.0.2.3": 1}


def test_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that begins with few files may have as many as it is let."""
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(files.resource, "getrlimit", lambda _: (1024, 20_000))
    monkeypatch.setattr(files.resource, "setrlimit", lambda _, both: set_to.append(both))
    assert files.raise_file_limit() == 20_000 and set_to == [(20_000, 20_000)]


ASKING_GUESTS: Final = {
    *(f"user.instance.{name}" for name in ("password_reset", "install_keys", "remove_keys", "reboot")),
    *(f"user.vm.{name}" for name in (
        "guest_info", "password_reset", "install_keys", "remove_keys", "set_time", "reboot", "set_hostname",
        "set_hosts", "mount_share", "unmount_share", "generate_key", "grow_root",
    )),
}  # fmt: skip


def test_views() -> None:
    """
    What takes a time to wait, or asks a guest, is a view that waits, at the cluster and where the cloud passes it on.
    """
    own = [*Registry.collect("cm.views"), *Registry.collect("clm.views")]
    views = [*own, *forwarded_views(Registry.collect("clm.views"))]
    patient = {view.name for view in views if any(each.name == "timeout" for each in view.parameters)}
    assert patient == {"user.operation.wait", "admin.operation.wait"}
    assert patient | ASKING_GUESTS == {view.name for view in views if view.waiting}


def test_wrong_credentials_wait() -> None:
    """
    Of one address wrong credentials are answered one after the other, with pauses; who comes from there with none, to
    log in, and who is known do not wait for them.
    """
    sample = Sample()
    site = WireSite(make_root(sample.dispatcher), sample.dispatcher.limits, sample.clock)

    def ask(authorization: bytes = b"") -> StringTransport:
        protocol = site.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
        transport = StringTransport()
        protocol.makeConnection(transport)
        body = b'{"jsonrpc": "2.0", "method": "guest.time", "id": 1}'
        head = b"Authorization: %b\r\n" % authorization if authorization else b""
        protocol.dataReceived(
            b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (head, len(body)) + body
        )
        return transport

    wrong = [ask(b"Basic YW5uYTp3cm9uZw==") for _ in range(3)]
    one_round(sample.clock)
    assert [bool(each.value()) for each in wrong] == [True, False, False]
    assert b"2026-01-02" in ask().value() and b"2026-01-02" in ask(AS_ANNA).value()
    sample.clock.advance(WRONG_S + 0.001)
    one_round(sample.clock)
    assert [bool(each.value()) for each in wrong] == [True, True, False]
    sample.clock.advance(WRONG_S + 0.001)
    sample.clock.advance(0)
    assert all(b"not_authenticated" in each.value() for each in wrong)
