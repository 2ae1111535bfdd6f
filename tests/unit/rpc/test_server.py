"""HTTP around the dialects, on a real port: methods, sizes, headers, hang-ups; and both clients."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import xmlrpc.client
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.web.resource import Resource

from cm.rpc.client import RpcClient, ServerUnreachable
from cm.rpc.credentials import PasswordCredentials, TokenCredentials
from cm.rpc.errors import (
    DeadlineExceeded,
    Incident,
    InvalidParameter,
    NotAuthenticated,
    ObjectNotFound,
    RoleNeeded,
    UnknownMethod,
    VMBusy,
)
from cm.rpc.http.channel import StrictSite
from cm.rpc.limits import Limits
from cm.rpc.types import Secret
from cm.runtime.log import call_id
from support.wait import until

from .sample import AS_ANNA, Server

JSON = {"Content-Type": "application/json", "Authorization": AS_ANNA.decode()}
GET_DATA = b'{"jsonrpc":"2.0","method":"get_data","id":1}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server(Limits(call_s=0.6))
    yield made
    made.stop()


def ask(
    server: Server, path: str, body: bytes | None, headers: dict[str, str] | None = None, method: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, JSON if headers is None else headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def raw(server: Server, data: bytes, half_close: bool = True) -> bytes:
    """What comes back for these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
        return received


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GET_DATA), GET_DATA)
SMUGGLED = {
    "two encodings": (b"1.1", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKED),
    "identity, then chunked": (b"1.1", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", CHUNKED),
    "chunked, then identity": (b"1.1", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", CHUNKED),
    "identity with a length": (b"1.1", b"Transfer-Encoding: identity\r\nContent-Length: %d" % len(GET_DATA), GET_DATA),
    "a list": (b"1.1", b"Transfer-Encoding: identity, chunked", CHUNKED),
    "encoding and length": (b"1.1", b"Content-Length: 5\r\nTransfer-Encoding: chunked", CHUNKED),
    "length and encoding": (b"1.1", b"Transfer-Encoding: chunked\r\nContent-Length: 5", CHUNKED),
    "HTTP/1.0": (b"1.0", b"Transfer-Encoding: chunked", CHUNKED),
    "two lengths": (b"1.1", b"Content-Length: %d\r\nContent-Length: 5" % len(GET_DATA), GET_DATA),
    "the same length twice": (b"1.1", (b"Content-Length: %d\r\n" % len(GET_DATA) * 2)[:-2], GET_DATA),
    "a list of lengths": (b"1.1", b"Content-Length: %d, 5" % len(GET_DATA), GET_DATA),
    "a sign": (b"1.1", b"Content-Length: +%d" % len(GET_DATA), GET_DATA),
    "a long number": (b"1.1", b"Content-Length: " + b"0" * 5000 + b"%d" % len(GET_DATA), GET_DATA),
    "a folded encoding": (b"1.1", b"Transfer-Encoding:\r\n chunked", CHUNKED),
    "a folded length": (b"1.1", b"X: y\r\n Content-Length: 5\r\nContent-Length: %d" % len(GET_DATA), GET_DATA),
    "a blank before the colon": (b"1.1", b"Transfer-Encoding : chunked", CHUNKED),
    "a line feed alone": (b"1.1", b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: %d" % len(GET_DATA), GET_DATA),
    "two callers": (b"1.1", b"Authorization: Bearer x\r\nContent-Length: %d" % len(GET_DATA), GET_DATA),
    "two hosts": (b"1.1", b"Host: y\r\nContent-Length: %d" % len(GET_DATA), GET_DATA),
    "two ids": (b"1.1", b"X-Request-Id: a\r\nX-Request-Id: b\r\nContent-Length: %d" % len(GET_DATA), GET_DATA),
}


class TestOneReading:
    @pytest.mark.parametrize("version, headers, body", SMUGGLED.values(), ids=SMUGGLED)
    def test_refused(self, server: Server, version: bytes, headers: bytes, body: bytes) -> None:
        """What two readers could take for different requests is none, and nothing behind it on the connection is."""
        head = b"POST /jsonrpc HTTP/%b\r\nHost: x\r\nAuthorization: %b\r\nContent-Type: application/json\r\n%b\r\n\r\n"
        behind = head % (b"1.1", AS_ANNA, b"Content-Length: %d" % len(GET_DATA)) + GET_DATA
        answer = raw(server, head % (version, AS_ANNA, headers) + body + behind)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"hello" not in answer and answer.count(b"HTTP/1.") == 1

    def test_chunked(self, server: Server) -> None:
        """One Transfer-Encoding alone is fine."""
        head = b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %b\r\n" % AS_ANNA
        # Whoever closes their side before the answer has hung up, unless it is there at once.
        answer = raw(server, head + b"Transfer-Encoding: Chunked\r\n\r\n" + CHUNKED, half_close=False)
        assert b"hello" in answer

    def test_no_http_2(self) -> None:
        assert StrictSite(Resource()).acceptableProtocols() == [b"http/1.1"]


class TestHTTP:
    def test_answer(self, server: Server) -> None:
        """A call is answered with its id in a header, and a length."""
        status, headers, body = ask(server, "/jsonrpc", GET_DATA)
        assert (status, json.loads(body)["result"]) == (200, ["hello", 5])
        assert len(headers["x-wawel-call"]) == 16 and headers["content-length"] == str(len(body))
        assert headers["content-type"] == "application/json"

    def test_notification(self, server: Server) -> None:
        status, headers, body = ask(server, "/jsonrpc", b'{"jsonrpc":"2.0","method":"get_data"}')
        assert (status, body) == (204, b"") and headers["x-wawel-call"]

    @pytest.mark.parametrize("path", ["/jsonrpc", "/RPC2"])
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
    def test_methods(self, server: Server, path: str, method: str) -> None:
        status, headers, _ = ask(server, path, None, {}, method)
        assert status == 405 and headers["allow"] == "POST"

    @pytest.mark.parametrize("path", ["/jsonrpc", "/RPC2"])
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    )
    def test_content_types(self, server: Server, path: str, kind: str) -> None:
        """What a web page elsewhere can post without asking is refused."""
        status, _, body = ask(server, path, GET_DATA, {"Content-Type": kind})
        assert status == 415 and b"malformed_request" in body

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json-rpc"])
    def test_accepted_types(self, server: Server, kind: str) -> None:
        assert ask(server, "/jsonrpc", GET_DATA, {**JSON, "Content-Type": kind})[0] == 200

    @pytest.mark.parametrize("path", ["/jsonrpc", "/RPC2"])
    @pytest.mark.parametrize("chunked", [False, True])
    def test_large_body(self, server: Server, path: str, chunked: bool) -> None:
        """2 MB are refused in this dialect's words, however they are sent."""
        kind = "application/json" if path == "/jsonrpc" else "text/xml"
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        body: Any = iter([b"x" * 500_000] * 4) if chunked else b"x" * 2_000_000
        connection.request("POST", path, body, {"Content-Type": kind}, encode_chunked=chunked)
        response = connection.getresponse()
        assert response.status == 413 and b"too_large" in response.read()
        connection.close()

    @pytest.mark.parametrize("path", ["/jsonrpc", "/RPC2"])
    def test_guests_body(self, server: Server, path: str) -> None:
        """Without credentials a body may be smaller; with bad ones it is no longer read."""
        kind = {"Content-Type": "application/json" if path == "/jsonrpc" else "text/xml"}
        large = b"x" * 100_000
        status, _, answer = ask(server, path, large, kind)
        assert status == 413 and b"larger than 65536" in answer
        answer = ask(server, path, large, {**kind, "Authorization": "Basic YW5uYTp3cm9uZw=="})[2]
        assert b"not_authenticated" in answer or b"-32001" in answer
        answer = ask(server, path, large, {**kind, "Authorization": AS_ANNA.decode()})[2]
        assert b"unparsable_request" in answer

    def test_call_id_in_threads(self, server: Server) -> None:
        """What a call does in a thread knows the call's id; the next call has its own."""
        ids = []
        for _ in range(2):
            _, headers, body = ask(server, "/jsonrpc", b'{"jsonrpc":"2.0","method":"user.call_id","id":1}')
            assert json.loads(body)["result"] == headers["x-wawel-call"]
            ids.append(headers["x-wawel-call"])
        assert ids[0] != ids[1]
        assert server.thread.do(call_id.get) == ""

    def test_endless_body(self, server: Server) -> None:
        """Who goes on sending is cut off."""
        with pytest.raises(OSError):
            ask(server, "/jsonrpc", b"x" * 60_000_000)

    def test_chunked(self, server: Server) -> None:
        answer = raw(
            server,
            b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nAuthorization: " + AS_ANNA + b"\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + GET_DATA[:5] + b"\r\n%x\r\n" % (len(GET_DATA) - 5)
            + GET_DATA[5:] + b"\r\n0\r\n\r\n",
            half_close=False,
        )  # fmt: skip
        assert b'"hello"' in answer

    def test_pipelined(self, server: Server) -> None:
        """Requests sent at once on one connection are answered in order."""
        one = b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
        bodies = [b'{"jsonrpc":"2.0","method":"guest.time","id":%d}' % n for n in range(3)]
        last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = raw(server, b"".join(one % (len(body), body) for body in bodies) + last, half_close=False)
        assert [answer.find(b'"id":%d' % n) for n in range(3)] == sorted(answer.find(b'"id":%d' % n) for n in range(3))
        assert answer.count(b"200 OK") == 4

    def test_truncated(self, server: Server) -> None:
        """A body that ends early is no call."""
        before = len(server.sample.ended)
        assert b"200" not in raw(server, b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n" + GET_DATA)
        assert len(server.sample.ended) == before

    @pytest.mark.parametrize("name", ["X-Request-Id", "Idempotency-Key"])
    def test_request_id(self, server: Server, name: str) -> None:
        body = b'{"jsonrpc":"2.0","method":"user.vm.create","params":["a"],"id":1}'
        answer = json.loads(ask(server, "/jsonrpc", body, {**JSON, name: "abc"})[2])
        assert answer["result"]["request_id"] == "abc"
        answer = json.loads(ask(server, "/jsonrpc", body, {**JSON, name: "a b"})[2])
        assert answer["error"]["data"]["fields"]["parameter"] == "X-Request-Id"

    def test_gzip_body(self, server: Server) -> None:
        """A compressed body is read; what is made of it is bounded as a plain one is."""
        headers = {**JSON, "Content-Encoding": "gzip"}
        status, _, body = ask(server, "/jsonrpc", gzip.compress(GET_DATA), headers)
        assert (status, json.loads(body)["result"]) == (200, ["hello", 5])
        bomb = gzip.compress(b"[" * 50_000_000)
        status, _, body = ask(server, "/jsonrpc", bomb, headers)
        assert status == 413 and b"too_large" in body

    @pytest.mark.parametrize(
        ("encoding", "body", "status", "slug"),
        [
            ("br", GET_DATA, 415, "malformed_request"),
            ("gzip", GET_DATA, 200, "unparsable_request"),
            ("gzip", gzip.compress(GET_DATA)[:-4], 200, "unparsable_request"),
            ("gzip", gzip.compress(GET_DATA) + b"more", 200, "unparsable_request"),
            ("gzip, gzip", gzip.compress(gzip.compress(GET_DATA)), 415, "malformed_request"),
        ],
    )
    def test_wrong_encodings(self, server: Server, encoding: str, body: bytes, status: int, slug: str) -> None:
        got, _, answer = ask(server, "/jsonrpc", body, {**JSON, "Content-Encoding": encoding})
        assert (got, json.loads(answer)["error"]["data"]["slug"]) == (status, slug)

    def test_gzip_answer(self, server: Server) -> None:
        """Answers are compressed for who asks, when they are worth it."""
        large = json.dumps({"jsonrpc": "2.0", "method": "user.echo", "params": ["x" * 400_000], "id": 1}).encode()
        for accepted in (None, "identity", "gzip;q=0", "br, *"):
            headers = JSON if accepted is None else {**JSON, "Accept-Encoding": accepted}
            _, told, body = ask(server, "/jsonrpc", large, headers)
            assert "content-encoding" not in told and told["vary"] == "accept-encoding" and len(body) > 400_000
        echo = xmlrpc.client.dumps(("x" * 9_000,), "user.echo").encode()
        for path, sent, kind in (("/jsonrpc", large, "application/json"), ("/RPC2", echo, "text/xml")):
            headers = {**JSON, "Content-Type": kind, "Accept-Encoding": "deflate, gzip;q=0.5"}
            _, told, body = ask(server, path, sent, headers)
            assert told["content-encoding"] == "gzip" and len(body) < 10_000
            assert b"x" * 9_000 in gzip.decompress(body)
        _, told, _ = ask(server, "/jsonrpc", GET_DATA, {**JSON, "Accept-Encoding": "gzip"})
        assert "content-encoding" not in told and "vary" not in told

    def test_null_params_and_mark(self, server: Server) -> None:
        """Some clients send null for no parameters, and a byte order mark before the text."""
        for body in (GET_DATA.replace(b'"id"', b'"params":null,"id"'), b"\xef\xbb\xbf" + GET_DATA):
            assert json.loads(ask(server, "/jsonrpc", body)[2])["result"] == ["hello", 5]
        batch = b"\xef\xbb\xbf[" + GET_DATA + b"]"
        assert json.loads(ask(server, "/jsonrpc", batch)[2])[0]["result"] == ["hello", 5]
        sent = b"\xef\xbb\xbf" + xmlrpc.client.dumps((), "get_data").encode()
        assert b"hello" in ask(server, "/RPC2", sent, {**JSON, "Content-Type": "text/xml"})[2]

    @pytest.mark.parametrize("path", ["/jsonrpc", "/RPC2"])
    def test_failure_headers(self, server: Server, path: str) -> None:
        """An error's fields, which an XML-RPC fault has no room for, and how to say who one is, stand in headers."""
        kind = "application/json" if path == "/jsonrpc" else "text/xml"

        def asked(method: str, params: list[Any], **headers: str) -> dict[str, str]:
            body = (
                json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
                if path == "/jsonrpc"
                else xmlrpc.client.dumps(tuple(params), method)
            )
            return ask(server, path, body.encode(), {"Content-Type": kind, **headers})[1]

        who = {"Authorization": AS_ANNA.decode()}
        told = json.loads(asked("user.vm.destroy", [[13]], **who)["x-wawel-error"])
        assert told["slug"] == "vm_busy" and told["fields"]["operation_id"] == 4
        assert "www-authenticate" not in asked("user.vm.destroy", [[13]], **who)
        wrongs: list[dict[str, str]] = [{}, {"Authorization": "Basic YW5uYTp3cm9uZw=="}]
        for wrong in wrongs:  # of several lines of a header the last is seen here
            assert asked("get_data", [], **wrong)["www-authenticate"] == 'Bearer realm="Wawel"'
        good = asked("get_data", [], **who)
        assert "x-wawel-error" not in good and "www-authenticate" not in good

    @pytest.mark.parametrize("path", ["/", "/rpc2", "/xmlrpc", "/json-rpc"])
    def test_elsewhere(self, server: Server, path: str) -> None:
        """Who calls a wrong address is told the right ones."""
        status, _, body = ask(server, path, GET_DATA)
        assert status == 404 and b"/jsonrpc" in body and b"/RPC2" in body

    def test_health_and_metrics(self, server: Server) -> None:
        assert ask(server, "/health", None, {}, "GET")[::2] == (200, b"ok\n")
        ask(server, "/jsonrpc", GET_DATA)
        assert b'wawel_calls_total{method="get_data",outcome="ok"}' in ask(server, "/metrics", None, {}, "GET")[2]
        assert ask(server, "/nowhere", None, {}, "GET")[0] == 404

    @pytest.mark.parametrize("data", [b"\x00\xff" * 50, b"GET\r\n\r\n", b"POST /jsonrpc HTTP/9.9\r\n\r\n", b"\r\n" * 9])
    def test_no_http(self, server: Server, data: bytes) -> None:
        assert b"500" not in raw(server, data)[:20]

    def test_hang_up_in_change(self, server: Server) -> None:
        """A change whose client hung up goes on to its end; a read is given up."""
        for method, outcome in (("user.slow_change", "done"), ("user.slow", "CancelledError")):
            waiting, ended = len(server.sample.waiting), len(server.sample.ended)
            body = b'{"jsonrpc":"2.0","method":"%s","id":1}' % method.encode()
            head = b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n"
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(head % (AS_ANNA, len(body)) + body)
                until(lambda n=waiting: len(server.sample.waiting) > n)
            if outcome == "done":
                time.sleep(0.05)
                assert len(server.sample.ended) == ended
                server.thread.do(server.sample.waiting[-1].callback, "done")
            until(lambda n=ended: len(server.sample.ended) > n)
            assert server.sample.ended[-1] == outcome


class TestClient:
    @pytest.fixture
    def client(self, server: Server) -> Iterator[RpcClient]:
        with RpcClient(server.url, login="anna", password="secret", timeout_s=5) as made:
            yield made

    def test_calls(self, client: RpcClient) -> None:
        """Results come plain, errors as their classes; one connection serves all."""
        assert client.call("user.vm.get_by_id", [5])["id"] == 5
        first = client._connection
        assert client.call("user.vm.create", {"name": "a"}, request_id="r")["request_id"] == "r"
        for params, error in (([13], VMBusy), ([0], InvalidParameter)):
            with pytest.raises(error):
                client.call("user.vm.destroy", [params])
        with pytest.raises(ObjectNotFound) as caught:
            client.call("user.vm.get_by_id", [5000])
        assert caught.value.object_id == 5000
        for method, failure in (("nope", UnknownMethod), ("user.broken", Incident), ("admin.node.lock", RoleNeeded)):
            with pytest.raises(failure):
                client.call(method, [1] if method.startswith("admin") else [])
        assert client._connection is first is not None

    def test_credentials(self, server: Server) -> None:
        with RpcClient(server.url, login="anna", password="wrong") as client, pytest.raises(NotAuthenticated):
            client.call("get_data")
        with RpcClient(server.url, token="node-token") as client:
            assert client.call("node.hook.report", [3]) == {"node_id": 1, "sequence": 3}
        with RpcClient(server.url) as client:
            assert client.call("guest.time") == "2026-01-02T03:04:05Z"

    def test_deadline(self, client: RpcClient) -> None:
        """The server's deadline is told; the client's own stops waiting."""
        with pytest.raises(DeadlineExceeded, match="user.slow did not end"):
            client.call("user.slow")
        client._timeout_s = 0.05
        client.close()
        with pytest.raises(DeadlineExceeded, match="127.0.0.1"):
            client.call("user.slow")

    def test_unreachable(self, server: Server) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            with RpcClient(url, timeout_s=1) as client, pytest.raises(ServerUnreachable):
                client.call("get_data")

    def test_stale_connection(self, server: Server, client: RpcClient) -> None:
        """A kept connection that the server closed is replaced, without a repeat."""
        client.call("get_data")
        assert client._connection is not None
        client._connection.sock.shutdown(socket.SHUT_RDWR)
        assert client.call("get_data") == ["hello", 5]

    def test_xmlrpc_client(self, server: Server) -> None:
        """Python's own XML-RPC client works with it."""
        proxy = xmlrpc.client.ServerProxy(f"http://anna:secret@127.0.0.1:{server.port}/RPC2", allow_none=True)
        assert proxy.sum(1, 2, 3) == 6
        multi = xmlrpc.client.MultiCall(proxy)
        multi.sum(1, 2, 3)
        multi.get_data()
        assert list(multi()) == [6, ["hello", 5]]
        assert "sum" in proxy.system.listMethods()
        proxy("close")()


class TestHttpCaller:
    def make(self, server: Server, **options: Any) -> Any:
        from cm.rpc.http_caller import HttpCaller

        anna = PasswordCredentials("anna", Secret("secret"))
        return server.thread.do(lambda: HttpCaller(server.thread.reactor, server.url, anna, **options))

    def call(self, server: Server, caller: Any, *args: Any, **options: Any) -> Any:
        return server.thread.do(lambda: caller.call(*args, **options))

    def test_calls(self, server: Server) -> None:
        """It is an ICaller: plain results, errors as their classes, credentials per call."""
        from zope.interface.verify import verifyObject

        from cm.rpc.caller import ICaller

        caller = self.make(server)
        verifyObject(ICaller, caller)
        assert self.call(server, caller, "user.vm.get_by_id", {"vm_id": 3})["id"] == 3
        assert self.call(server, caller, "guest.time", {}) == "2026-01-02T03:04:05Z"
        assert self.call(server, caller, "user.vm.create", ["a"], request_id="r")["request_id"] == "r"
        with pytest.raises(VMBusy):
            self.call(server, caller, "user.vm.destroy", [[13]])
        node = TokenCredentials(Secret("node-token"))
        assert self.call(server, caller, "node.hook.report", [1], credentials=node)["node_id"] == 1
        server.thread.do(caller.close)

    def test_deadline(self, server: Server) -> None:
        caller = self.make(server, deadline_s=0.1)
        with pytest.raises(DeadlineExceeded, match="0.1 s"):
            self.call(server, caller, "user.slow")
        server.thread.do(caller.close)

    def test_unreachable(self, server: Server) -> None:
        from cm.rpc.http_caller import HttpCaller

        caller = server.thread.do(lambda: HttpCaller(server.thread.reactor, "http://127.0.0.1:1"))
        with pytest.raises(ServerUnreachable):
            self.call(server, caller, "get_data")

    def test_foreign_client(self, server: Server) -> None:
        """txjsonrpc-ng's own client works with it, in version 2."""
        from twisted.web.client import Agent
        from txjsonrpc_ng.web.jsonrpc import QueryFactory

        def query() -> Any:
            agent = Agent(server.thread.reactor)
            made = QueryFactory(agent, f"{server.url}/jsonrpc", "sum", "anna", "secret", 2, False, 1, 2, 3)
            made._makeRequest()
            return made.deferred

        assert server.thread.do(query) == 6
