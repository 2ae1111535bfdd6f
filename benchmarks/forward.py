"""
What the way through the cloud manager adds to a call: the same call, of the same VM, made at the cluster manager and at
the cloud manager in turns, and the difference of their medians, round by round.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.client import Burst, Caller
from benchmarks.clusters import Settings, federation
from benchmarks.reads import body
from benchmarks.report import Figure, Target, median, spread
from cm.rpc.client import RpcClient

METHODS = ("user.template.get_list", "admin.vm.get_by_id", "admin.vm.get_list")
VMS = 20


def measure(settings: Settings) -> Iterator[Figure]:
    rounds = 3 if settings.quick else 15
    with federation(settings, clusters=1) as whole, Caller() as caller:
        cluster = whole.clusters[0]
        made = cluster.user.call(
            "user.vm.create",
            {
                "name": "forward",
                "description": "",
                "image_id": cluster.image_id,
                "template_id": min(cluster.template_ids.values()),
                "count": VMS,
            },
        )
        admin = cluster.credentials.admin
        with RpcClient(cluster.url) as guest:
            told = guest.call("guest.session.login", {"login": admin.login, "password": admin.password})
        direct = {"Authorization": f"Bearer {told['token']}"}
        through = {"Authorization": f"Bearer {whole.clm.token(whole.credentials.admin)}"}
        parameters: dict[str, dict[str, object]] = {"admin.vm.get_by_id": {"vm_id": made[0]["vm_id"]}}
        for method in METHODS:
            here = body(method, parameters.get(method, {}))
            there = body(method, {**parameters.get(method, {}), "cluster": cluster.name})
            for connections in (1, 8):

                def at(url: str, what: bytes, headers: dict[str, str], many: int = connections) -> Burst:
                    return caller.burst(urlsplit(url).port or 0, [what], headers, connections=many, seconds=0.6)

                at(cluster.url, here, direct)
                at(whole.clm.url, there, through)
                plain = [at(cluster.url, here, direct)]
                passed: list[Burst] = []
                for _ in range(rounds):
                    passed.append(at(whole.clm.url, there, through))
                    plain.append(at(cluster.url, here, direct))
                added = [
                    each.p50_ms - (before.p50_ms + after.p50_ms) / 2
                    for each, before, after in zip(passed, plain, plain[1:], strict=False)
                ]
                # Eight connections keep both cores busy with two managers and the client: no target stands on that.
                target = Target(3, "at most", unit="ms") if connections == 1 else None
                yield Figure(
                    "forward",
                    f"{method} ({passed[0].answer_bytes:,} bytes), {connections} connection{'s'[: connections > 1]}",
                    median(added),
                    "ms",
                    target,
                    median([each.p50_ms for each in passed]) / median([each.p50_ms for each in plain]),
                    f"added {spread(added)}; there {median([each.p50_ms for each in plain]):.2f} ms",
                )
