"""
Whose metadata a guest gets, on a real host with two of them: its own, whatever it says of itself. Source: what has
happened to others, OSSN-0074 (an instance id in a header), CVE-2024-29006 (X-Forwarded-For believed), and requests that
an application within a guest was talked into (SSRF).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from functional.machine import PATIENCE_S, Machine
from lab.cloud import Cloud
from lab.processes import wait_until

SERVICE = "169.254.169.254"
SOME = 4  # requests in a line: the shell of the guest takes 1,023 characters
# On the node: the hops that answers with a token may still take, of packets that carry one.
HOPS = f"""
import socket, struct, time
seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
seen.settimeout(0.5)
print("ready", flush=True)
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        frame = seen.recv(65535)
    except TimeoutError:
        continue
    if frame[12:14] == b"\\x08\\x00" and frame[26:30] == socket.inet_aton("{SERVICE}") and b"HTTP/1.1 200" in frame:
        print(frame[22])
        break
"""


class Two(NamedTuple):
    a: Machine
    b: Machine


@pytest.fixture(scope="module")
def two(start_cloud) -> Iterator[Two]:
    cloud: Cloud = start_cloud(nodes=1, durable=False)
    made = Two(Machine(cloud, name="a"), Machine(cloud, name="b", imds_tokens="required"))
    for each in made:
        cloud.wait_running(each.id, contextualized=False)
    yield made
    for each in made:
        each.hang_up()


def uuid(machine: Machine) -> str:
    return str(machine.vm["uuid"])


def address(machine: Machine) -> str:
    found: str = machine.cloud.vm(machine.id)["leases"][0]["address"]
    return found


def asks(machine: Machine, *requests: tuple[str, ...]) -> list[str]:
    """What is answered, each on one line; "" where nothing is. :param requests: method and path, then headers."""
    said = [" ".join(("a", *(f"'{each}'" for each in (f"{first} HTTP/1.1", *headers)))) for first, *headers in requests]
    way = "a() { { printf '%s\\r\\n' \"$@\" 'Host: x' 'Connection: close' ''; } | nc -w 4 " + SERVICE + " 80; echo @; }"
    found: list[str] = []
    for first in range(0, len(said), SOME):
        told = machine.run("; ".join([way, *said[first : first + SOME]]))
        found += [each.strip() for each in told.split("@")[:-1]]
    return found


def status(answer: str) -> int:
    return int(answer.split()[1]) if answer else 0


def told(answer: str) -> str:
    """The body of what was answered well."""
    assert status(answer) == 200, answer
    return answer.split()[-1]


OWN = "GET /latest/meta-data/local-ipv4"
TOKEN = ("PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60")
WITH = "X-aws-ec2-metadata-token: "


def test_says_it_is_another(two: Two) -> None:
    """Whatever a header claims, once or twice: it is refused, or the answer is the asker's own."""
    other = address(two.b)
    claims = [
        *(f"{name}: {other}" for name in ("X-Forwarded-For", "x-forwarded-FOR", "X-Real-IP", "X-Wawel-Address")),
        f"Forwarded: for={other}", f"X-Instance-ID: {uuid(two.b)}",
    ]  # fmt: skip
    answers = asks(two.a, *((OWN, *[claim] * times) for claim in claims for times in (1, 2)))
    assert len(answers) == 2 * len(claims)
    for answer in answers:
        assert status(answer) in (400, 403) or told(answer) == address(two.a)
    assert [status(answer) for answer in answers[:10]] == [403] * 10


def test_takes_anothers_address(two: Two) -> None:
    """From another's address no packet leaves, and whoever took it gets what is its own when it has its own again."""
    other, (gateway,) = address(two.b), two.a.run("ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'").split()
    two.a.run(f"ip address add {other}/32 dev eth0; ip route add {SERVICE} via {gateway} src {other}; echo done")
    assert other in two.a.run(f"ip route get {SERVICE}")
    assert asks(two.a, (OWN,)) == [""]
    two.a.run(f"ip route del {SERVICE}; ip address del {other}/32 dev eth0; echo done")
    # Its questions for the gateway's MAC address were dropped, too, so it has to ask again.
    wait_until(lambda: asks(two.a, (OWN,)) != [""], "that it has its own address again", PATIENCE_S)
    assert [told(answer) for answer in asks(two.a, (OWN,))] == [address(two.a)]


def test_tokens(two: Two) -> None:
    """Where tokens are required nothing is told without one, and one is good for whom it was made alone."""
    bare, forwarded, token = asks(two.b, (OWN,), (*TOKEN, f"X-Forwarded-For: {address(two.b)}"), TOKEN)
    assert (status(bare), status(forwarded)) == (401, 403)
    (others,) = asks(two.a, TOKEN)
    own, stolen = asks(two.b, (OWN, WITH + told(token)), (OWN, WITH + told(others)))
    assert told(own) == address(two.b) and status(stolen) == 401
    (stolen,) = asks(two.a, (OWN, WITH + told(token)))
    assert status(stolen) == 401


def test_token_goes_no_further(two: Two) -> None:
    """The answer with a token dies at the first router: what a guest forwards for others does not reach them."""
    host = two.a.node.host
    found: list[str] = []

    def listen() -> None:
        found.append(host.run(["python3", "-c", HOPS], timeout=120).stdout)

    listener = threading.Thread(target=listen)
    listener.start()
    while listener.is_alive():
        asks(two.a, TOKEN)
    assert found[0].split() == ["ready", "1"]
