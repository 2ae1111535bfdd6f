"""A cloud over clusters in one process: each with its own database, joined over real HTTP on loopback."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from twisted.internet.tcp import Server

from clm.daemon.settings import ClustersSettings, ListenSettings
from clm.services.account import open_session
from clm.store.identity import find_by_login
from cm.rpc.codec import encode_error
from cm.rpc.errors import CloudError
from support.clm import CloudBench
from support.cloud import MemoryCloud, reactor, run

_numbers = itertools.count(1)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def hanging() -> Iterator[int]:
    """A server that takes connections and never answers; its port."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(200)
        yield server.getsockname()[1]


@contextmanager
def answering(answer: Callable[[dict[str, Any]], bytes | None], port: int = 0) -> Iterator[int]:
    """
    A server of our own answers; its port.

    :param answer: from the call's JSON to the body of the answer; None closes the connection.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = answer(asked)
            if body is None:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Answers(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    server = Answers(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def result(asked: dict[str, Any], value: Any) -> bytes:
    """The JSON-RPC answer to a call."""
    return json.dumps({"jsonrpc": "2.0", "result": value, "id": asked["id"]}).encode()


def refusal(asked: dict[str, Any], error: CloudError) -> bytes:
    """Likewise, an error."""
    return json.dumps({"jsonrpc": "2.0", "error": encode_error(error), "id": asked["id"]}).encode()


class Proxy:
    """
    A way to a port that can be cut: all connections end, as on a network that fails; new ones are made.

    :param context: speaks TLS to whoever comes.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._target = port
        self._context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._server.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                inner, _ = self._server.accept()
            except OSError:
                return
            try:
                if self._context is not None:
                    inner = self._context.wrap_socket(inner, server_side=True)
                outer = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                inner.close()
                continue
            outer.settimeout(None)
            self.connections += 1
            with self._lock:
                self._open |= {inner, outer}
            for pair in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        self._close(source, sink)

    def _close(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(ends)
        for each in ends:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def cut(self) -> None:
        with self._lock:
            ends = list(self._open)
        self._close(*ends)

    def close(self) -> None:
        self._server.close()
        self.cut()


class Subscriber:
    """Reads a feed of server-sent events in a thread; ``events`` are those that came, ``cursor`` the last."""

    def __init__(self, port: int, token: str, query: str = "") -> None:
        self.events: list[dict[str, Any]] = []
        self.cursor = ""
        self.status = 0
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.request("GET", f"/events{query}", headers={"Authorization": f"Bearer {token}"})
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for line in self._response:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self.cursor = value
                elif name == "data":
                    self.events.append(json.loads(value))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # it was closed

    def seen(self, **fields: Any) -> list[dict[str, Any]]:
        """The events that have these fields."""
        return [each for each in list(self.events) if all(each.get(name) == value for name, value in fields.items())]

    def close(self) -> None:
        sock = self._connection.sock or getattr(getattr(self._response, "fp", None), "raw", None)
        try:
            if isinstance(sock, socket.socket):
                sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._connection.close()


# For tests in which no cluster is late but because the machine has other work.
PATIENT: Final = ClustersSettings(deadline_s=30.0, list_deadline_s=30.0, check_s=0.5, sync_s=1.0)


class Federation:
    """
    A ``CloudBench`` with users admin, ann and bob, and a ``MemoryCloud`` of one node for each name. The cloud listens
    on ``port`` too.

    The clusters know the cloud's key and are added to it; ``add=False`` leaves that to the test.

    :param databases: URLs: the cloud's, then one for each cluster.
    """

    def __init__(
        self,
        databases: Sequence[str],
        state_dir: Path,
        names: Sequence[str] = ("alpha", "beta"),
        *,
        add: bool = True,
        nodes: int = 1,
        cluster: dict[str, Any] | None = None,
        **tables: Any,
    ) -> None:
        """:param cluster: of each cluster's settings: ``reconcile_s`` and the like."""
        times = ClustersSettings(deadline_s=5.0, list_deadline_s=2.0, check_s=0.5, sync_s=1.0)  # see PATIENT
        self.port = free_port()
        tables = {"clusters": times, "listen": ListenSettings(rpc=f"127.0.0.1:{self.port}"), **tables}
        self.bench = CloudBench(databases[0], state_dir / "clm", **tables)
        self.clouds: dict[str, MemoryCloud] = {}
        self.ports: dict[str, int] = {}
        self.ids: dict[str, int] = {}
        for name, url in zip(names, databases[1:], strict=True):
            self.ports[name] = free_port()
            self.clouds[name] = MemoryCloud(
                url, state_dir / name, nodes=nodes, rpc=f"127.0.0.1:{self.ports[name]}", name=name, **(cluster or {})
            )
            self.trust(name)
            if add:
                self.add(name)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def trust(self, name: str) -> None:
        """Have a cluster's own administrator trust the cloud."""
        services = self.bench.manager.services
        key = services.signing_key
        told = {"key_id": key.key_id, "issuer": services.policy.issuer, "public_key": key.public_pem.decode()}
        self.clouds[name].call("admin.trust.add", told, account="admin")

    def add(self, name: str, **more: Any) -> dict[str, Any]:
        made = self.call("cloud.cluster.add", {"name": name, "url": self.url(name), **more}, login="admin")
        self.ids[name] = made["cluster_id"]
        return made

    def call(self, method: str, params: Any = (), *, login: str | None = "ann", request_id: str | None = None) -> Any:
        """Call the cloud as a user."""
        return self.bench.call(method, params, login=login, request_id=request_id)

    def create(self, name: str, /, *, login: str = "ann", request_id: str | None = None, **more: Any) -> dict[str, Any]:
        """A VM on a cluster, asked for through the cloud; its summary. ``cluster`` may say it in other words."""
        cloud = self.clouds[name]
        values = {"name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
        told = {"cluster": name, **values, **more}
        return self.call("user.vm.create", told, login=login, request_id=request_id)[0]

    def token(self, login: str) -> str:
        """A session of a user's, as their login would have opened it."""
        manager = self.bench.manager
        facts = manager.database.read_now(find_by_login, login)
        token: str = manager.database.transact_now(open_session, manager.policy, facts, "127.0.0.1", "test").token
        return token

    def subscribe(self, login: str, query: str = "") -> Subscriber:
        """The cloud's feed, over HTTP."""
        return Subscriber(self.port, self.token(login), query)

    def kill(self, name: str) -> None:
        """Have a cluster answer no more, as if its process were gone, with all that it was connected to."""
        self.clouds[name].stop()
        run(lambda: _abort(self.ports[name]))

    def revive(self, name: str) -> None:
        self.clouds[name].start()

    def stop(self) -> None:
        self.bench.stop()
        for cloud in self.clouds.values():
            cloud.stop()


async def _abort(port: int) -> None:
    """End what a server in this process has accepted: stopping to listen leaves that open."""
    for each in reactor.getReaders():
        if isinstance(each, Server) and each.getHost().port == port:
            each.abortConnection()


@contextmanager
def federated(
    postgres: Any, state_dir: Path, names: Sequence[str] = ("alpha", "beta"), **more: Any
) -> Iterator[Federation]:
    """A ``Federation`` on fresh databases of a private PostgreSQL whose templates are migrated."""
    number = next(_numbers)
    made = [f"federation_{number}_clm", *(f"federation_{number}_{name.replace('-', '_')}" for name in names)]
    for index, database in enumerate(made):
        postgres.create_database(database, template="wawel_template" if index else "wawel_clm_template")
    federation = None
    try:
        federation = Federation([postgres.url(database) for database in made], state_dir, names, **more)
        yield federation
    finally:
        if federation is not None:
            federation.stop()
        for database in made:
            postgres.drop_database(database)
