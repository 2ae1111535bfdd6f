"""Calls that the cloud passes on: to the right cluster, in its caller's name, with its answer and its refusals."""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from clm.daemon.settings import ClustersSettings
from clm.drivers.cluster import ClusterLocked, ClusterRefused, ClusterUnavailable
from clm.services import audit as trail_module
from clm.services.connection import speaker
from clm.services.forward import AmbiguousUuid, NotClusterAdministrator
from cm.rpc.client import RpcClient
from cm.rpc.errors import (
    DatabaseUnavailable,
    InvalidParameter,
    NotAuthenticated,
    ObjectNotFound,
    QuotaReached,
    RoleNeeded,
    VersionChanged,
)
from cm.rpc.token import TokenSigner
from cm.runtime.database import CommitUnknown
from cm.runtime.wall import unix_seconds
from support import answers
from support.cloud import run
from support.federation import Federation, answering, federated, hanging, result


@pytest.fixture(scope="module")
def federation(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    # The loops look seldom: these tests point clusters elsewhere.
    times = ClustersSettings(deadline_s=5.0, list_deadline_s=2.0, check_s=600.0, sync_s=600.0)
    with federated(postgres, tmp_path_factory.mktemp("federation"), clusters=times) as made:
        yield made


def point(federation: Federation, name: str, port: int) -> None:
    """Have a cluster's row lead elsewhere, behind the back of whoever would check it."""
    bench = federation.bench
    bench.sql(
        "UPDATE cluster SET url = :url, state = 'ok' WHERE name = :name", url=f"http://127.0.0.1:{port}", name=name
    )
    reload(federation)


def reload(federation: Federation) -> None:
    run(federation.bench.manager.clusters.reload)


@pytest.fixture
def elsewhere(federation: Federation) -> Iterator[Any]:
    """``point`` for one test; the cluster's own address comes back."""
    pointed: list[str] = []

    def move(name: str, port: int) -> None:
        pointed.append(name)
        point(federation, name, port)

    yield move
    for name in pointed:
        point(federation, name, federation.ports[name])
    answers.take()  # what stood there for a cluster declares nothing


# ------------------------------------------------------------------ which cluster


def test_named(federation: Federation) -> None:
    """A VM is made where the caller says: by name, id or uuid of the cluster; and found there alone."""
    beta = federation.ids["beta"]
    uuid = federation.bench.sql("SELECT uuid::text FROM cluster WHERE id = :id", id=beta)
    for reference in ("beta", beta, uuid, str(beta)):
        made = federation.create("beta", name="there", cluster=reference)
        assert federation.call("user.vm.get_by_id", {"vm_id": made["vm_id"], "cluster": "beta"})["name"] == "there"
    assert all(vm["name"] != "there" for vm in federation.call("user.vm.get_list", {"cluster": "alpha"}))


def test_default(federation: Federation) -> None:
    """Without a cluster it is the user's default; without one of those, the call says which there are."""
    bench = federation.bench
    name = federation.create("alpha", name="by-default", cluster=None)["name"]
    assert name in [vm["name"] for vm in federation.call("user.vm.get_list", {"cluster": "alpha"})]
    bench.sql("UPDATE user_account SET default_cluster_id = NULL WHERE login = 'ann'")
    try:
        with pytest.raises(InvalidParameter, match="say which: alpha, beta"):
            federation.call("user.vm.get_list")
    finally:
        bench.sql("UPDATE user_account SET default_cluster_id = :id WHERE login = 'ann'", id=federation.ids["alpha"])


def test_unknown_cluster(federation: Federation) -> None:
    """A cluster that is not there is told by what it was called."""
    for reference in ("gamma", 4711, "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(ObjectNotFound) as refused:
            federation.call("user.vm.get_list", {"cluster": reference})
        assert refused.value.object_id == reference


def test_by_position(federation: Federation) -> None:
    """Parameters may be given by position, as at the cluster itself; too many are refused."""
    made = federation.create("alpha")
    assert federation.call("user.vm.get_by_id", [made["vm_id"]])["vm_id"] == made["vm_id"]
    with pytest.raises(InvalidParameter, match="takes 1"):
        federation.call("user.vm.get_by_id", [made["vm_id"], 2])


def test_unknown_parameter(federation: Federation) -> None:
    """A name that the cluster's method does not have is refused here already."""
    with pytest.raises(InvalidParameter) as refused:
        federation.call("user.vm.get_list", {"colour": "red"})
    assert refused.value.parameter == "colour"


# ------------------------------------------------------------------ in whose name


def test_own_alone(federation: Federation) -> None:
    """A user's VM is nobody else's, through the cloud as well."""
    made = federation.create("alpha", login="ann")
    with pytest.raises(ObjectNotFound):
        federation.call("user.vm.get_by_id", {"vm_id": made["vm_id"], "cluster": "alpha"}, login="bob")


def test_administration(federation: Federation) -> None:
    """A cluster's ``admin`` views are for its administrators: not for users, and not for those of another."""
    with pytest.raises(RoleNeeded):
        federation.call("admin.node.get_list", {"cluster": "alpha"}, login="bob")
    federation.call("admin.administrator.add", ["alpha", federation.bench.ids["bob"]], login="admin")
    assert federation.call("admin.node.get_list", {"cluster": "alpha"}, login="bob")
    assert federation.call("admin.node.get_list", login="bob"), "the only one administered"
    with pytest.raises(NotClusterAdministrator) as refused:
        federation.call("admin.node.get_list", {"cluster": "beta"}, login="bob")
    assert refused.value.cluster == "beta"
    everywhere = federation.call("admin.node.get_list", {"cluster": "*"}, login="bob")
    assert {node["cluster"] for node in everywhere["items"]} == {"alpha"} and not everywhere["missing"]
    with pytest.raises(NotClusterAdministrator):
        federation.call("admin.administrator.add", ["beta", federation.bench.ids["bob"]], login="bob")
    federation.call("admin.administrator.delete", ["alpha", federation.bench.ids["bob"]], login="bob")
    with pytest.raises(RoleNeeded):
        federation.call("admin.node.get_list", {"cluster": "alpha"}, login="bob")


def test_refusals_pass(federation: Federation) -> None:
    """What a cluster refuses comes back as the error it is, with its fields."""
    with pytest.raises(QuotaReached) as quota:
        federation.create("alpha", count=50)
    assert quota.value.details()
    with pytest.raises(InvalidParameter) as wrong:
        federation.create("alpha", image_id="no number")
    assert wrong.value.parameter == "image_id"


def test_own_token_refused(federation: Federation) -> None:
    """That a cluster does not believe the cloud is no word on who the user is."""
    cloud = federation.clouds["beta"]
    key_id = federation.bench.manager.services.signing_key.key_id
    cloud.call("admin.trust.delete", [key_id], account="admin")
    try:
        with pytest.raises(ClusterRefused) as refused:
            federation.call("user.vm.get_list", {"cluster": "beta"})
        assert refused.value.cluster == "beta" and not isinstance(refused.value, NotAuthenticated)
    finally:
        federation.trust("beta")
    federation.call("user.vm.get_list", {"cluster": "beta"})


# ------------------------------------------------------------------ what accompanies a change


def test_dry_run(federation: Federation) -> None:
    """A dry run is the cluster's: its plan, and nothing made."""
    before = len(federation.call("user.vm.get_list", {"cluster": "alpha"}))
    cloud = federation.clouds["alpha"]
    told = {"name": "n", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
    answer = federation.call("user.vm.create", {**told, "cluster": "alpha", "dry_run": True})
    assert answer["dry_run"] is True and answer["plan"]
    assert len(federation.call("user.vm.get_list", {"cluster": "alpha"})) == before


def test_request_id(federation: Federation) -> None:
    """A repeat with the same request id gives the first answer, and one VM."""
    first = federation.create("alpha", name="once", request_id="r-1")
    again = federation.create("alpha", name="once", request_id="r-1")
    assert again == first
    assert [vm["name"] for vm in federation.call("user.vm.get_list", {"cluster": "alpha"})].count("once") == 1


def test_version(federation: Federation) -> None:
    """``if_version`` reaches the cluster."""
    with pytest.raises(VersionChanged):
        federation.call(
            "admin.node.edit", {"node_id": 1, "comment": "x", "cluster": "alpha", "if_version": 4711}, login="admin"
        )


def test_trail(federation: Federation) -> None:
    """The cloud's audit tells who changed what at which cluster; without secrets."""
    federation.create("alpha", name="audited")
    federation.call(
        "admin.user.add", {"login": "local", "password": "a secret of theirs", "cluster": "alpha"}, login="admin"
    )
    run(federation.bench.manager.forwarder.stop)
    row = federation.bench.sql(
        "SELECT count(*) FROM audit WHERE method = 'user.vm.create' AND login = 'ann'"
        " AND arguments->>'name' = 'audited' AND arguments->>'cluster' = 'alpha'"
    )
    assert row == 1
    assert federation.bench.sql("SELECT count(*) FROM audit WHERE method = 'admin.user.add'") == 1
    assert federation.bench.sql("SELECT count(*) FROM audit WHERE arguments::text LIKE '%a secret%'") == 0


@pytest.mark.parametrize("lost", ["before", "in the commit"])
def test_trail_outlives_the_database(federation: Federation, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    """What cannot be written at once is written later, unasked, and once."""
    database = federation.bench.manager.services.database
    transact, failed = database.transact, []

    async def failing(function: Any, *args: Any) -> Any:
        if function.__module__ == "clm.services.audit" and len(failed) < 2:
            failed.append(function)
            if lost == "in the commit":
                await transact(function, *args)
                raise CommitUnknown
            raise DatabaseUnavailable
        return await transact(function, *args)

    monkeypatch.setattr(database, "transact", failing)
    federation.create("alpha", name=f"lost {lost}")
    counted = (
        "SELECT count(*) FROM audit WHERE method = 'user.vm.create' AND arguments->>'name' = :name"
        " AND arguments->>'cluster' = 'alpha'"
    )
    trail = federation.bench.manager.forwarder._trail
    until = time.monotonic() + 20
    while len(failed) < 2 or trail._kept or trail._lock.locked:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert federation.bench.sql(counted, name=f"lost {lost}") == 1


def test_trail_refused(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that the database refuses does not take others with it, and is not tried for ever."""
    trail = federation.bench.manager.forwarder._trail

    async def refused() -> None:
        (kept, *_), call = trail._kept, "a test"
        trail._kept.append((call, replace(kept[1], call_id="refused"), {"name": "\0"}))
        await trail.flush()

    monkeypatch.setattr(trail_module, "DELAY_S", 60.0)
    federation.create("alpha", name="beside")
    run(refused)
    assert trail._kept == []
    assert federation.bench.sql("SELECT count(*) FROM audit WHERE arguments->>'name' = 'beside'") == 1
    assert federation.bench.sql("SELECT count(*) FROM audit WHERE method = 'a test'") == 0


# ------------------------------------------------------------------ all at once


def test_everywhere(federation: Federation) -> None:
    """A list of all clusters names the cluster of each item."""
    federation.create("alpha", name="one")
    federation.create("beta", name="two")
    answer = federation.call("user.vm.get_list", {"cluster": "*"})
    found = {(vm["cluster"], vm["name"]) for vm in answer["items"]}
    assert {("alpha", "one"), ("beta", "two")} <= found and answer["missing"] == []


def test_everywhere_refuses(federation: Federation) -> None:
    """Only lists are of all clusters, and neither ids nor pages are."""
    with pytest.raises(InvalidParameter, match="only lists"):
        federation.create("alpha", cluster="*")
    with pytest.raises(InvalidParameter) as refused:
        federation.call("user.vm.get_list", {"cluster": "*", "before": 3})
    assert refused.value.parameter == "before"
    with pytest.raises(InvalidParameter) as wrong:
        federation.call("user.vm.get_list", {"cluster": "*", "limit": 0})
    assert wrong.value.parameter == "limit"


def test_dead_is_named(federation: Federation, elsewhere: Any) -> None:
    """A cluster that is gone is missing by name; the others' items are there."""
    federation.create("alpha", name="still-here")
    elsewhere("beta", 1)
    answer = federation.call("user.vm.get_list", {"cluster": "*"})
    assert [each["cluster"] for each in answer["missing"]] == ["beta"]
    assert answer["missing"][0]["code"] == "cluster_unavailable"
    assert "still-here" in [vm["name"] for vm in answer["items"]]


def test_hanging_is_named(federation: Federation, elsewhere: Any) -> None:
    """A cluster that never answers costs its deadline, once; then little. The others never notice."""
    clock = federation.bench.manager.reactor.seconds
    with hanging() as port:
        elsewhere("beta", port)
        began = clock()
        answer = federation.call("user.vm.get_list", {"cluster": "*"})
        first = clock() - began
        assert [each["cluster"] for each in answer["missing"]] == ["beta"] and answer["items"]
        assert first < 2.3  # less where somebody has looked meanwhile
        began = clock()
        with pytest.raises(ClusterUnavailable):
            federation.call("user.vm.get_list", {"cluster": "beta"})
        assert clock() - began < 1.3, "it was seen dead a moment ago"
        began = clock()
        federation.call("user.vm.get_list", {"cluster": "alpha"})
        assert clock() - began < 0.5


@pytest.mark.parametrize(
    "body",
    [
        b"rubbish",
        b"<html>A page</html>",
        b"[]",
        b"{}",
        b'{"jsonrpc":"2.0","result":[],"id":0}',
        b'{"result":"\xff"}',
        b"",
    ],
)
def test_garbage(federation: Federation, elsewhere: Any, body: bytes) -> None:
    """What is no answer of a cluster is as good as none."""
    with answering(lambda asked: body) as port:
        elsewhere("beta", port)
        with pytest.raises(ClusterUnavailable):
            federation.call("user.vm.get_list", {"cluster": "beta"})
        answer = federation.call("user.vm.get_list", {"cluster": "*"})
        assert [each["cluster"] for each in answer["missing"]] == ["beta"] and answer["items"]


@pytest.mark.parametrize("wrong", [{"not": "a list"}, [1, 2], None, "text"])
def test_list_of_rubbish(federation: Federation, elsewhere: Any, wrong: Any) -> None:
    """A list that is none does not spoil the others."""
    with answering(lambda asked: result(asked, wrong)) as port:
        elsewhere("beta", port)
        answer = federation.call("user.vm.get_list", {"cluster": "*"})
        assert [each["cluster"] for each in answer["missing"]] == ["beta"] and answer["items"]


@pytest.mark.parametrize("name", ["cluster", "\\u0063luster"])
def test_spoofed_cluster(federation: Federation, elsewhere: Any, name: str) -> None:
    """Which cluster an item of a list is of, is not for the cluster to say, however it writes the word."""

    def answer(asked: dict[str, Any]) -> bytes:
        items = b'[{"vm_id": 4711, "%s": "alpha", "name": "x"}]' % name.encode()
        return b'{"jsonrpc": "2.0", "id": %d, "result": %s}' % (asked["id"], items)

    with answering(answer) as port:
        elsewhere("beta", port)
        items = federation.call("user.vm.get_list", {"cluster": "*"})["items"]
    assert [item for item in items if item["vm_id"] == 4711] == [{"cluster": "beta", "vm_id": 4711, "name": "x"}]


def test_deep_list(federation: Federation, elsewhere: Any) -> None:
    """A list that is nested deeper than can be read does not spoil the others, whoever finds that first."""
    for depth in (400, 2_000, 100_000):

        def answer(asked: dict[str, Any], deep: bytes = b"[" * depth + b"]" * depth) -> bytes:
            return b'{"jsonrpc": "2.0", "id": %d, "result": [{"a": %s}]}' % (asked["id"], deep)

        with answering(answer) as port:
            elsewhere("beta", port)
            told = federation.call("user.vm.get_list", {"cluster": "*"})
        assert any(item["cluster"] == "alpha" for item in told["items"])
    assert [each["cluster"] for each in told["missing"]] == ["beta"]


def test_claimed_uuid(federation: Federation, elsewhere: Any) -> None:
    """A cluster that says it has what another has gets no calls for it; who names the cluster reaches the right one."""
    made = federation.create("alpha", name="wanted")
    uuid = made["uuid"]
    claim = [{"uuid": uuid, "kind": "vm", "id": 1}]
    federation.bench.manager.services.forwarder._places.forget(lambda _: True)
    with answering(lambda asked: result(asked, claim)) as port:
        elsewhere("beta", port)
        with pytest.raises(AmbiguousUuid, match="alpha, beta"):
            federation.call("user.vm.get_by_id", {"vm_id": uuid})
        assert federation.call("user.vm.get_by_id", {"vm_id": uuid, "cluster": "alpha"})["name"] == "wanted"


def test_locked(federation: Federation) -> None:
    """Nothing is passed on to a locked cluster, for administrators neither; in lists it is missing."""
    federation.call("cloud.cluster.lock", [federation.ids["beta"]], login="admin")
    reload(federation)
    try:
        for login in ("ann", "admin"):
            with pytest.raises(ClusterLocked):
                federation.call("user.vm.get_list", {"cluster": "beta"}, login=login)
        answer = federation.call("user.vm.get_list", {"cluster": "*"})
        assert [each["code"] for each in answer["missing"]] == ["cluster_locked"]
    finally:
        federation.call("cloud.cluster.unlock", [federation.ids["beta"]], login="admin")
        reload(federation)
    federation.call("user.vm.get_list", {"cluster": "beta"})


def test_lost_connection(federation: Federation, elsewhere: Any) -> None:
    """A call whose connection ends before the answer is made again, once, with the same request id and a new token."""
    seen: list[dict[str, Any]] = []

    def answer(asked: dict[str, Any]) -> bytes | None:
        if asked["method"] != "user.vm.create":
            return None
        seen.append(asked)
        return None if len(seen) == 1 else result(asked, [{"vm_id": 1}])

    with answering(answer) as port:
        elsewhere("beta", port)
        assert federation.create("beta")["vm_id"] == 1
    assert len(seen) == 2 and seen[0]["params"] == seen[1]["params"]


# ------------------------------------------------------------------ uuids


def test_uuid(federation: Federation) -> None:
    """An object's uuid is enough: its cluster is found, whatever the default is."""
    made = federation.create("beta", name="by-uuid")
    assert federation.call("user.vm.get_by_id", {"vm_id": made["uuid"]})["name"] == "by-uuid"
    assert federation.call("user.vm.get_by_id", [made["uuid"].upper()])["vm_id"] == made["vm_id"]
    edited = federation.call("user.vm.edit", {"vm_id": made["uuid"], "description": "found"})
    assert edited["description"] == "found"
    found = federation.call("user.object.find", [[made["uuid"], "00000000-0000-0000-0000-000000000000"]])
    assert found == [{"uuid": made["uuid"], "kind": "vm", "id": made["vm_id"], "cluster": "beta"}]


def test_uuids_choose_the_cluster(federation: Federation) -> None:
    """A VM is made where its image is."""
    cloud = federation.clouds["beta"]
    image = cloud.sql("SELECT uuid::text FROM image WHERE id = :id", id=cloud.image_id)
    template = cloud.sql("SELECT uuid::text FROM template WHERE id = :id", id=cloud.template_id)
    federation.create("beta", name="at-its-image", image_id=image, template_id=template, cluster=None)
    assert "at-its-image" in [vm["name"] for vm in federation.call("user.vm.get_list", {"cluster": "beta"})]
    elsewhere = federation.clouds["alpha"].sql("SELECT uuid::text FROM template LIMIT 1")
    with pytest.raises(InvalidParameter, match="two clusters, alpha and beta"):
        federation.create("beta", image_id=image, template_id=elsewhere, cluster=None)
    with pytest.raises(ObjectNotFound):
        federation.create("beta", image_id=template, template_id=template, cluster=None)
    with pytest.raises(ObjectNotFound):
        federation.create("beta", image_id=image, template_id=template, cluster="alpha")


def test_shared_by_uuid(federation: Federation) -> None:
    """An object whose kind another parameter tells may be said by its uuid too; the kind has to be the right one."""
    made = federation.create("beta")
    federation.call("user.vm.get_list", {"cluster": "beta"}, login="bob")
    federation.call("user.acl.set", {"kind": "vm", "object_id": made["uuid"], "level": "operator", "login": "bob"})
    assert federation.call("user.vm.get_by_id", [made["uuid"]], login="bob")["vm_id"] == made["vm_id"]
    with pytest.raises(ObjectNotFound):
        federation.call("user.acl.get_list", {"kind": "image", "object_id": made["uuid"]})


def test_foreign_uuid(federation: Federation) -> None:
    """Somebody else's object and none at all are told in the same words, remembered places or not."""
    made = federation.create("beta")
    nobody = "00000000-0000-4000-8000-000000000000"
    refusals = []
    federation.call("user.vm.get_by_id", [made["uuid"]])
    for uuid in (made["uuid"], nobody):
        for parameters in ({"vm_id": uuid}, {"vm_id": uuid, "cluster": "beta"}):
            with pytest.raises(ObjectNotFound) as refused:
                federation.call("user.vm.get_by_id", parameters, login="bob")
            refusals.append(str(refused.value).replace(uuid, "it"))
    assert set(refusals) == {"There is no vm it."}


def test_uuid_while_one_is_gone(federation: Federation, elsewhere: Any) -> None:
    """What is found is found; what is not may be where nobody answered."""
    made = federation.create("alpha")
    elsewhere("beta", 1)
    federation.bench.manager.forwarder._places.forget()
    assert federation.call("user.vm.get_by_id", [made["uuid"]])["vm_id"] == made["vm_id"]
    with pytest.raises(ClusterUnavailable) as refused:
        federation.call("user.vm.get_by_id", ["00000000-0000-4000-8000-000000000000"])
    assert refused.value.cluster == "beta"


def test_administrators_uuid(federation: Federation) -> None:
    """Administrators find everybody's objects at the clusters that they administer."""
    made = federation.create("beta")
    shown = federation.call("admin.vm.get_by_id", [made["uuid"]], login="admin")
    assert shown["vm_id"] == made["vm_id"]
    federation.call("admin.administrator.add", ["alpha", federation.bench.ids["bob"]], login="admin")
    federation.bench.manager.forwarder._places.forget()
    with pytest.raises(ObjectNotFound):
        federation.call("admin.vm.get_by_id", [made["uuid"]], login="bob")
    federation.call("admin.vm.get_by_id", [made["uuid"]], login="admin")
    with pytest.raises(NotClusterAdministrator):
        federation.call("admin.vm.get_by_id", [made["uuid"]], login="bob")
    federation.call("admin.administrator.delete", ["alpha", federation.bench.ids["bob"]], login="admin")


# ------------------------------------------------------------------ a cloud that ends


def test_killed_while_creating(federation: Federation) -> None:
    """A cloud that ends between a create and its answer: repeated with the same request id, there is one VM."""
    bench = federation.bench
    manager = bench.manager
    connection = next(each for each in manager.clusters.all() if each.facts.name == "beta")
    exchange = connection._exchange

    async def lost(*arguments: Any) -> Any:
        await exchange(*arguments)  # the cluster has done it, and nobody hears of it
        raise SystemError("killed")

    connection._exchange = lost
    with pytest.raises(SystemError):
        federation.create("beta", name="killed", request_id="k-1")
    bench.stop()
    bench.start()
    again = federation.create("beta", name="killed", request_id="k-1")
    named = [vm for vm in federation.call("user.vm.get_list", {"cluster": "beta"}) if vm["name"] == "killed"]
    assert [vm["vm_id"] for vm in named] == [again["vm_id"]]


# ------------------------------------------------------------------ over the wire


def test_over_the_wire(federation: Federation) -> None:
    """Both dialects, batches and errors, as at a cluster itself."""
    with RpcClient(f"http://127.0.0.1:{federation.port}", token=federation.token("ann")) as client:
        cloud = federation.clouds["beta"]
        told = {"name": "wire", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
        made = client.call("user.vm.create", {**told, "cluster": "beta"}, request_id="x" * 120)
        assert client.call("user.vm.create", {**told, "cluster": "beta"}, request_id="x" * 120) == made
        with pytest.raises(ObjectNotFound) as refused:
            client.call("user.vm.get_by_id", {"vm_id": 4711, "cluster": "beta"})
        assert refused.value.object_id == 4711
        assert client.call("user.vm.get_list", {"cluster": "*"})["missing"] == []
        document = client.call("rpc.discover")
        assert "user.vm.create" in [method["name"] for method in document["methods"]]
    address = f"http://127.0.0.1:{federation.port}/RPC2"
    headers = [("Authorization", f"Bearer {federation.token('ann')}")]
    with xmlrpc.client.ServerProxy(address, allow_none=True, headers=headers) as proxy:
        shown = proxy.user.vm.get_by_id(made[0]["uuid"])
        assert isinstance(shown, dict) and shown["vm_id"] == made[0]["vm_id"]
        with pytest.raises(xmlrpc.client.Fault, match="object_not_found"):
            proxy.user.vm.get_by_id("00000000-0000-4000-8000-000000000000")


def test_guests(federation: Federation) -> None:
    """Nothing is passed on for somebody whom nobody knows."""
    with RpcClient(f"http://127.0.0.1:{federation.port}") as client:
        with pytest.raises(NotAuthenticated):
            client.call("user.vm.get_list", {"cluster": "beta"})
    with RpcClient(f"http://127.0.0.1:{federation.port}", token="x.y.z") as client:
        with pytest.raises(NotAuthenticated):
            client.call("user.vm.get_list", {"cluster": "beta"})


def test_single_use(federation: Federation) -> None:
    """A token that the cloud showed to one cluster is good neither there again nor at another."""
    bench = federation.bench
    key = bench.manager.services.signing_key
    signer = TokenSigner(key.private_pem, key.key_id, bench.manager.policy.issuer, clock=unix_seconds)
    facts = next(each.facts for each in bench.manager.clusters.all() if each.facts.name == "beta")
    token = signer.sign(speaker(bench.identity("ann"), facts), "beta")
    with RpcClient(federation.url("beta"), token=token) as client:
        client.call("user.vm.get_list")
        with pytest.raises(NotAuthenticated, match="used before"):
            client.call("user.vm.get_list")
    with RpcClient(federation.url("alpha"), token=token) as client:
        with pytest.raises(NotAuthenticated, match="another cluster"):
            client.call("user.vm.get_list")
