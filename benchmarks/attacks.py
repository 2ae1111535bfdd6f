"""
What one caller's doings cost another: a neighbour reads one VM of theirs (``get_by_id``) while an account, or somebody
without one, attacks. The figure is the neighbour's 95th percentile under the attack; its ratio is to the same just
before and after. An answer to the neighbour that is an error ends the benchmark.

Manager, PostgreSQL, attackers and neighbour share the machine's cores, so a part of each ratio is the attackers' own
work. Everything goes to loopback.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
import xmlrpc.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks.attackers import Attack, Attackers
from benchmarks.client import Burst, Caller
from benchmarks.clusters import Settings, federation
from benchmarks.reads import body
from benchmarks.report import Figure, Target, median
from cm.rpc.client import RpcClient
from lab.credentials import Account
from lab.federation import Federation

QUIET = "as many reads, to compare"
HELD_S = 0.5  # before the neighbour is measured
NEVER = 2**40  # an id that nothing has


def measure(settings: Settings) -> Iterator[Figure]:
    rounds = 2 if settings.quick else 3
    # One step for each attack on the way: hundreds of refusals of one login would otherwise stand in the next one's.
    with federation(settings, clusters=1) as whole, Caller() as caller, Attackers() as attackers:
        for place, port, mine, theirs, vm_id, own in places(whole):
            read = body("user.vm.get_by_id", {"vm_id": vm_id})
            for attack in attacks(place, theirs, own):
                yield _compare(caller, attackers, place, port, attack, read, mine, rounds)


def places(whole: Federation) -> Iterator[tuple[str, int, str, str, int, dict[str, Any]]]:
    """
    The managers: name, port, the neighbour's and the attacker's ``Authorization``, the neighbour's VM, and what the
    attacker has.
    """
    cluster = whole.clusters[0]
    admin = cluster.credentials.admin
    quota = {"quota_cpu": 100, "quota_memory_mib": 10**6, "quota_storage_mib": 10**6, "quota_vms": 50}
    accounts = [Account(login, secrets.token_urlsafe(12)) for login in ("neighbour", "attacker")]
    tokens, vms = [], []
    with RpcClient(cluster.url) as guest:
        told = guest.call("guest.session.login", {"login": admin.login, "password": admin.password})
        with RpcClient(cluster.url, token=told["token"]) as ruler:
            for each in accounts:
                ruler.call("admin.user.add", {"login": each.login, "password": each.password, "name": "", **quota})
        for each in accounts:
            told = guest.call("guest.session.login", {"login": each.login, "password": each.password})
            tokens.append(told["token"])
    for token in tokens:
        with RpcClient(cluster.url, token=token) as client:
            vms.append(_create(client, cluster.image_id, min(cluster.template_ids.values())))
    yield _place("cluster", cluster, cluster.url, tokens, vms)
    for each in accounts:
        whole.add_user(each)
    tokens = [whole.clm.token(each) for each in accounts]
    vms = []
    for token in tokens:
        with RpcClient(whole.clm.url, token=token) as client:
            vms.append(_create(client, cluster.image_id, min(cluster.template_ids.values())))
    yield _place("cloud", cluster, whole.clm.url, tokens, vms)


def _create(client: RpcClient, image_id: int, template_id: int) -> dict[str, Any]:
    told = {"name": "target", "description": "", "image_id": image_id, "template_id": template_id, "count": 1}
    made: dict[str, Any] = client.call("user.vm.create", told)[0]
    client.call("user.operation.wait", {"operation_id": made["operation_id"]})
    return made


def _place(
    name: str, cluster: Any, url: str, tokens: list[str], vms: list[dict[str, Any]]
) -> tuple[str, int, str, str, int, dict[str, Any]]:
    # An operation that is open for as long as this lasts, for the attacker to wait for.
    cluster.sql(
        "UPDATE operation SET state = 'waiting', finished_at = NULL, not_before = now() + interval '1 day'"
        f" WHERE id = {int(vms[1]['operation_id'])}"
    )
    mine, theirs = (f"Bearer {token}" for token in tokens)
    own = {**vms[1], "image_id": cluster.image_id, "template_id": min(cluster.template_ids.values())}
    return name, urlsplit(url).port or 0, mine, theirs, vms[0]["vm_id"], own


# ---------------------------------------------------------------------- what they do


def post(data: bytes, authorization: str = "", path: str = "/jsonrpc") -> bytes:
    kind = "text/xml" if path == "/RPC2" else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
    if authorization:
        head += f"Authorization: {authorization}\r\n"
    return head.encode() + b"\r\n" + data


def basic(login: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def attacks(place: str, as_attacker: str, own: dict[str, Any]) -> Iterator[Attack]:
    """In an order in which the ones that use up what is counted over time come last."""

    def calls(method: str, params: dict[str, Any]) -> list[bytes]:
        return [post(body(method, params), as_attacker)]

    discover = {"methodName": "rpc.discover", "params": []}
    many = {"jsonrpc": "2.0", "id": 1, "method": "system.multicall", "params": [[discover] * 100]}
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}] * 100
    yield Attack(QUIET, calls("user.vm.get_by_id", {"vm_id": own["vm_id"]}), 1)
    if place == "cluster":
        bomb = [json.dumps([many] * 100).encode(), json.dumps([many]).encode(), json.dumps(batch).encode()]
        yield Attack("bombs by repetition, nobody's", [post(each) for each in bomb], 8)
        yield Attack("bombs by repetition, an account's", [post(each, as_attacker) for each in bomb], 8)
        yield Attack("1 MB of [", [post(b"[" * 1_000_000, as_attacker)], 60)
        xml = xmlrpc.client.dumps(tuple(range(22_000)), "user.vm.get_by_id").encode()
        yield Attack("22,000 parameters of XML", [post(xml, as_attacker, "/RPC2")], 60)
        xml = xmlrpc.client.dumps(tuple(range(6_600)), "user.vm.get_by_id").encode()
        yield Attack("as many as are read, 6,600", [post(xml, as_attacker, "/RPC2")], 60)
    wait = body("user.operation.wait", {"operation_id": own["operation_id"], "timeout": 25})
    yield Attack("1,010 waits", [post(wait, as_attacker)], 1010)
    events = f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {as_attacker}\r\n\r\n".encode()
    yield Attack("1,010 event streams", [events], 1010, open_only=True)
    yield Attack("reads over 50 connections", calls("user.vm.get_list", {"limit": 100}), 50)
    told = {"name": "x", "description": "", "image_id": NEVER, "template_id": own["template_id"], "count": 1}
    yield Attack("refused creates over 50 connections", calls("user.vm.create", told), 50)
    edits = [post(body("user.vm.edit", {"vm_id": own["vm_id"], "name": f"n{n}"}), as_attacker) for n in range(10)]
    yield Attack("edits over 50 connections", edits, 50)
    wrong = [post(body("user.vm.get_list"), basic("attacker", f"wrong-{n}")) for n in range(200)]
    yield Attack("200 wrong passwords at once", wrong, 200)
    unknown = [post(body("user.vm.get_list"), basic(f"nobody-{n}", "x")) for n in range(300)]
    yield Attack("300 unknown names at once", unknown, 300)


def _compare(
    caller: Caller,
    attackers: Attackers,
    place: str,
    port: int,
    attack: Attack,
    read: bytes,
    mine: str,
    rounds: int,
) -> Figure:
    def neighbour() -> Burst:
        burst = caller.burst(port, [read], {"Authorization": mine}, seconds=1.5)
        if burst.refused:
            raise RuntimeError(f"{burst.refused} of the neighbour's calls were refused during {attack.name}")
        return burst

    neighbour()
    alone, under = [neighbour()], []
    outcomes: dict[str, int] = {}
    for _ in range(rounds):
        attackers.begin(port, attack, 1.5 + 2 * HELD_S)
        time.sleep(HELD_S)
        under.append(neighbour())
        for outcome, count in attackers.end().items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
        alone.append(neighbour())
    ratios = [
        each.p95_ms / ((before.p95_ms + after.p95_ms) / 2)
        for each, before, after in zip(under, alone, alone[1:], strict=False)
    ]
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    return Figure(
        "attacks",
        f"{place}: {attack.name}",
        median([each.p95_ms for each in under]),
        "ms",
        None if attack.name == QUIET else Target(3, "at most", "ratio"),
        median(ratios),
        f"alone {median([each.p95_ms for each in alone]):.2f} ms; ratios {min(ratios):.2f}-{max(ratios):.2f}; p50"
        f" {median([each.p50_ms for each in under]):.2f}, alone {median([each.p50_ms for each in alone]):.2f};"
        f" attackers: {told}",
    )
