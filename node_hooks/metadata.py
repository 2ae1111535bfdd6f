"""
The metadata forwarder: a guest asks 169.254.169.254, the endpoint answers.

One listening socket per bridge, bound to that device: addresses of tenants may be equal, so only the bridge and the
address together say who asks, and a socket without the binding gives one tenant's answer to another.
"""

import http
import logging
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node_hooks.allowance import Allowance
from node_hooks.client import Answer, Client
from node_hooks.errors import EndpointUnavailable
from node_hooks.guest_request import HEAD_LIMIT, GuestRequest, RefusedRequest, parse_head
from node_hooks.signature import HOP_LIMIT_HEADER

log = logging.getLogger("wawel.node.metadata")

LISTEN = ("169.254.169.254", 80)
TIMEOUT_S = 5.0  # each for reading a request, for the endpoint's answer and for writing it
CONCURRENT = 64
CONCURRENT_PER_GUEST = 16  # so that no guest takes all the places of its bridge
PER_S, BURST = 50.0, 500.0  # requests of a guest: a boot has some dozens, and reading the whole tree some hundreds
KEPT_CLIENTS = 8
POLL_S = 25  # for which a guest's agent may wait for something to do, as the endpoint is told
POLLS = 256  # of the guests of a bridge; they take no places of the others'
POLLS_PER_GUEST = 2  # the one before may not have ended yet
WAIT_HEADER = "X-Wawel-Wait"
# <linux/in.h>, <linux/in6.h>: the bridge may be down, or its address not there yet
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
_HOPS = ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS))  # by family
_RETURNED = ("content-type", "x-aws-ec2-metadata-token-ttl-seconds")


class Forwarder:
    """
    Serves the guests of one bridge from when it is made until ``close``.

    :param connect: a new signed client of the endpoint.
    :param bind_device: ``False`` listens on any device, for tests without a bridge.
    :raises OSError: the address cannot be bound now.
    """

    def __init__(
        self, bridge: str, connect: Callable[[], Client], listen: tuple[str, int] = LISTEN, bind_device: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.bridge = bridge
        self._connect = connect
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._allowance = Allowance(PER_S, BURST)
        self._guests: Counter[str] = Counter()
        self._polls: Counter[str] = Counter()
        self._clients: list[Client] = []
        self._closed = False
        self._ipv6 = ":" in listen[0]
        self._socket = socket.socket(socket.AF_INET6 if self._ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._ipv6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            if bind_device:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode() + b"\0")
            self._socket.bind(listen)
            self._socket.listen(CONCURRENT)
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, name=f"metadata:{bridge}", daemon=True).start()

    def close(self) -> None:
        """Stop listening; requests under way end by themselves."""
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, []
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # close() alone would leave the thread in accept()
        except OSError:
            pass
        self._socket.close()
        for client in clients:
            client.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(0.05)  # out of descriptors, or a guest that left at once
                continue
            address = str(peer[0]).partition("%")[0]  # of a link's own address the link is known
            with self._lock:
                full = self._guests.total() >= CONCURRENT or self._guests[address] >= CONCURRENT_PER_GUEST
                full = full or not self._allowance.takes(address, time.monotonic())
                if not full:
                    self._guests[address] += 1
            if full:
                connection.settimeout(0)
                self._answer(connection, Answer(503, {}, b"too many requests\n"))
                connection.close()
                continue
            try:
                threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()
            except RuntimeError:
                connection.close()
                self._leave(address)

    def _leave(self, address: str) -> None:
        with self._lock:
            _less(self._guests, address)

    @contextmanager
    def _polling(self, address: str) -> Iterator[None]:
        """The guest's place goes to others while it waits."""
        with self._lock:
            full = self._polls.total() >= POLLS or self._polls[address] >= POLLS_PER_GUEST
            if not full:
                self._polls[address] += 1
                _less(self._guests, address)
        if full:
            raise RefusedRequest(503, "too many requests at once")
        try:
            yield
        finally:
            with self._lock:
                _less(self._polls, address)
                self._guests[address] += 1  # which _leave takes back

    def _serve(self, connection: socket.socket, address: str) -> None:
        """One request, then the connection ends: simple to reason about, and a guest asks a few dozen times a boot."""
        try:
            with connection:
                try:
                    request, body = self._read(connection)
                    if request.waits:
                        with self._polling(address):
                            answer = self._forward(request, body, address, POLL_S + self._timeout_s)
                    else:
                        answer = self._forward(request, body, address, self._timeout_s)
                    if request.asks_token:
                        connection.setsockopt(*_HOPS[self._ipv6], _hop_limit(answer))
                except RefusedRequest as refusal:
                    answer = Answer(refusal.status, {}, refusal.reason.encode() + b"\n")
                except EndpointUnavailable as error:
                    log.warning("bridge %s: the request of %s is not answered: %s", self.bridge, address, error)
                    answer = Answer(502, {}, b"the metadata service does not answer\n")
                connection.settimeout(self._timeout_s)
                self._answer(connection, answer)
                if answer.status == 413:
                    _drain(connection)
        except OSError:
            pass  # the guest left, or does not read
        except Exception:
            log.exception("bridge %s: a request of %s failed", self.bridge, address)
        finally:
            self._leave(address)

    def _read(self, connection: socket.socket) -> tuple[GuestRequest, bytes]:
        deadline = time.monotonic() + self._timeout_s
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > HEAD_LIMIT:
                raise RefusedRequest(431, "headers too large")
            received += _receive(connection, deadline)
        if end > HEAD_LIMIT:
            raise RefusedRequest(431, "headers too large")
        request = parse_head(received[:end])
        body = received[end + 4 :]
        if request.expects_continue and len(body) < request.body_bytes:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < request.body_bytes:
            body += _receive(connection, deadline)
        return request, body[: request.body_bytes]

    def _forward(self, request: GuestRequest, body: bytes, address: str, timeout_s: float) -> Answer:
        with self._lock:
            client = self._clients.pop() if self._clients else None
        client = client or self._connect()
        if request.method == "POST":
            client.close()  # a kept connection that turns out dead is tried twice, which only a repeatable request may
        try:
            headers = request.headers | ({WAIT_HEADER: str(POLL_S)} if request.waits else {})
            answer = client.request(
                request.method, "/guest" + request.path, body, headers,
                bridge=self.bridge, address=address, timeout_s=timeout_s,
            )
        except BaseException:
            client.close()
            raise
        with self._lock:
            keep = not self._closed and len(self._clients) < KEPT_CLIENTS
            if keep:
                self._clients.append(client)
        if not keep:
            client.close()
        log.debug("bridge %s: %s asked %s %s: %d", self.bridge, address, request.method, request.path, answer.status)
        return answer

    def _answer(self, connection: socket.socket, answer: Answer) -> None:
        try:
            phrase = http.HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Content-Length: {len(answer.body)}", "Connection: close"]
        kept = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
        kept.setdefault("content-type", "text/plain")
        lines += [f"{name.title()}: {value}" for name, value in kept.items()]
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body)
        except OSError:
            pass


def _less(counter: Counter[str], address: str) -> None:
    counter[address] -= 1
    if counter[address] <= 0:
        del counter[address]


def _hop_limit(answer: Answer) -> int:
    """The IP TTL of an answer that carries a token: 1, which keeps it from being routed on, unless its VM's is more."""
    told = answer.headers.get(HOP_LIMIT_HEADER.lower(), "")
    return int(told) if re.fullmatch(r"[1-9][0-9]?", told) else 1


def _receive(connection: socket.socket, deadline: float) -> bytes:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise RefusedRequest(408, "the request took too long")
    connection.settimeout(left_s)
    try:
        piece = connection.recv(65536)
    except TimeoutError:
        raise RefusedRequest(408, "the request took too long") from None
    if not piece:
        raise ConnectionResetError
    return piece


def _drain(connection: socket.socket) -> None:
    """Closing with unread bytes would reset the connection and take our answer away with it."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(0.5)
    for _ in range(16):
        if not connection.recv(65536):
            return
