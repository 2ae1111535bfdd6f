"""
Ends flows that rules no longer allow, by the kernel's table of connections (nf_conntrack, over netlink).

Forgotten by the kernel, a flow's next packet is a first one again, which the rules look at; ``ended`` sees to it that
it is not taken for one that began on the other side.
"""

import errno
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from node_hooks.reading import Address

_NETLINK_NETFILTER, _CTNETLINK = 12, 1
_GET, _DELETE = 1, 2  # IPCTNL_MSG_CT_*
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ORIGINAL, _REPLY, _ZONE = 1, 2, 18  # CTA_*
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_NESTED = 0x8000
_TYPE = 0x3FFF
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Ends:
    """Of packets of one direction, as they are on that side."""

    source: Address
    source_port: int
    to: Address
    to_port: int


@dataclass(frozen=True)
class Flow:
    """
    One that the kernel knows.

    :ivar sender: who began it. :ivar receiver: who answers, after any translation.
    :ivar port: the receiver's; ``None``: its protocol has none.
    :ivar zone: of the network that it is bridged on; 0: routed.
    :ivar ends: of what was asked, and of what was answered; empty: its protocol has no ports.
    :ivar asked: the receiver's address, and port, as the sender knows it; ``answered``: the sender's, as the receiver
        does: before, and after, any translation.
    :ivar key: what the kernel knows it by.
    """

    sender: Address
    receiver: Address
    protocol: int
    port: int | None
    zone: int
    ends: tuple[Ends, ...] = ()
    key: bytes = b""
    asked: tuple[Address, int | None] | None = None
    answered: tuple[Address, int | None] | None = None


def end_flows(unwanted: Callable[[Flow], bool], first: Callable[[Sequence[Flow]], None] = lambda flows: None) -> int:
    """
    :param unwanted: asked of every flow; those are ended. :param first: told of them, before they are.
    :return: how many.
    :raises OSError: the kernel does not say, or in its own time.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as link:
        link.settimeout(_TIMEOUT_S)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        link.bind((0, 0))
        found = [flow for family in (socket.AF_INET, socket.AF_INET6) for flow in _list(link, family) if unwanted(flow)]
        first(found)
        for flow in found:
            family = socket.AF_INET if flow.sender.version == 4 else socket.AF_INET6
            link.send(_message(_DELETE, _REQUEST | _ACK, family, flow.key))
            for _ in _answers(link):
                pass
    return len(found)


def _list(link: socket.socket, family: int) -> Iterator[Flow]:
    link.send(_message(_GET, _REQUEST | _DUMP, family, b""))
    for content in _answers(link):
        flow = _read(content[4:])
        if flow is not None:
            yield flow


def _message(kind: int, flags: int, family: int, content: bytes) -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + content
    return struct.pack("=IHHII", 16 + len(body), _CTNETLINK << 8 | kind, flags, 1, 0) + body


def _answers(link: socket.socket) -> Iterator[bytes]:
    """Of one request, until the kernel says that this was all. One that is gone already is no error."""
    while True:
        told = link.recv(1 << 17)
        while told:
            length, kind = struct.unpack_from("=IH", told)
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -struct.unpack_from("=i", told, 16)[0]
                if number not in (0, errno.ENOENT):
                    raise OSError(number, "the kernel's table of connections")
                return
            yield told[16:length]
            told = told[(length + 3) & ~3 :]


def _attributes(content: bytes) -> dict[int, bytes]:
    found = {}
    while len(content) >= 4:
        length, kind = struct.unpack_from("=HH", content)
        if length < 4:
            break
        found[kind & _TYPE] = content[4:length]
        content = content[(length + 3) & ~3 :]
    return found


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def _read(content: bytes) -> Flow | None:
    told = _attributes(content)
    try:
        original, reply = _attributes(told[_ORIGINAL]), _attributes(told[_REPLY])
        sender, receiver = _source(original), _source(reply)
        protocol = _attributes(original[_TUPLE_PROTOCOL])
        number = protocol[1][0]
        # The one who answers has the port that answers come from.
        port = int.from_bytes(_attributes(reply[_TUPLE_PROTOCOL])[2], "big") if 2 in protocol else None
        ends = () if port is None else (_ends(original), _ends(reply))
        asked, answered = _to(original), _to(reply)
    except (KeyError, IndexError, ValueError):
        return None
    key = _attribute(_ORIGINAL | _NESTED, told[_ORIGINAL])
    zone = told.get(_ZONE)
    if zone is not None:
        key += _attribute(_ZONE, zone)
    return Flow(sender, receiver, number, port, int.from_bytes(zone or b"", "big"), ends, key, asked, answered)


def _source(tuple_: dict[int, bytes]) -> Address:
    addresses = _attributes(tuple_[_TUPLE_IP])
    return ip_address(addresses[1] if 1 in addresses else addresses[3])


def _destination(tuple_: dict[int, bytes]) -> Address:
    addresses = _attributes(tuple_[_TUPLE_IP])
    return ip_address(addresses[2] if 2 in addresses else addresses[4])


def _to(tuple_: dict[int, bytes]) -> tuple[Address, int | None]:
    ports = _attributes(tuple_[_TUPLE_PROTOCOL])
    return _destination(tuple_), int.from_bytes(ports[3], "big") if 3 in ports else None


def _ends(tuple_: dict[int, bytes]) -> Ends:
    ports = _attributes(tuple_[_TUPLE_PROTOCOL])
    source_port, to_port = int.from_bytes(ports[2], "big"), int.from_bytes(ports[3], "big")
    return Ends(_source(tuple_), source_port, _destination(tuple_), to_port)
