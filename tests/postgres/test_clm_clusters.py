"""Clusters of the cloud: added when they have proved themselves, changed, locked, looked at, taken out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clm.daemon.settings import ClustersSettings
from clm.drivers.cluster import ClusterIncompatible, ClusterUnavailable
from clm.services.cluster import ClusterNotAdded
from cm.rpc.errors import (
    InvalidParameter,
    NameTaken,
    ObjectNotFound,
    Overloaded,
    RequestIdReused,
    RoleNeeded,
    VersionChanged,
)
from cm.rpc.limits import Share
from cm.rpc.places import Places
from support.clm import CloudBench
from support.cloud import run
from support.federation import Federation, answering, federated, hanging, refusal, result


@pytest.fixture
def federation(postgres: Any, tmp_path: Path) -> Iterator[Federation]:
    """Two clusters that know the cloud's key and are not yet in it. The loops look seldom."""
    times = ClustersSettings(deadline_s=5.0, list_deadline_s=2.0, check_s=600.0, sync_s=600.0)
    with federated(postgres, tmp_path, add=False, clusters=times) as made:
        yield made


@pytest.fixture
def bench(clm_url: str, tmp_path: Path) -> Iterator[CloudBench]:
    """A cloud without a cluster."""
    made = CloudBench(clm_url, tmp_path / "clm", clusters=ClustersSettings(deadline_s=2.0))
    yield made
    made.stop()


def count(federation: Federation, table: str = "cluster") -> int:
    return federation.bench.sql(f"SELECT count(*) FROM {table}")


def get(federation: Federation, name: str) -> dict[str, Any]:
    return federation.call("cloud.cluster.get_by_id", [federation.ids[name]], login="admin")


def trusted(federation: Federation, name: str) -> list[dict[str, Any]]:
    return federation.clouds[name].call("admin.trust.get_list", account="admin")


# ------------------------------------------------------------------ adding


def test_add(federation: Federation) -> None:
    """A cluster that answers, is named so and believes us is there at once; the first is everybody's default."""
    made = federation.add("alpha")
    assert (made["name"], made["state"], made["locked"]) == ("alpha", "ok", False)
    assert made["release"] and made["latency_ms"] > 0 and made["seen_at"]
    federation.add("beta")
    assert count(federation) == 2
    defaults = "SELECT count(*) FROM user_account WHERE default_cluster_id = :id"
    assert federation.bench.sql(defaults, id=federation.ids["alpha"]) == 3
    shown = federation.call("user.cluster.get_list")
    assert [(each["name"], each["state"], each["is_default"]) for each in shown] == [
        ("alpha", "ok", True),
        ("beta", "ok", False),
    ]
    assert "url" not in shown[0] and "error" not in shown[0]
    names = federation.call("guest.cluster.list_names", login=None)
    assert names[0] == {"cluster_id": federation.ids["alpha"], "name": "alpha", "state": "ok"}
    federation.create("beta")


def test_add_by_password(federation: Federation) -> None:
    """With an administrator's login and password the cluster learns our key; they are kept nowhere."""
    cloud = federation.clouds["alpha"]
    key_id = federation.bench.manager.services.signing_key.key_id
    cloud.call("admin.trust.delete", [key_id], account="admin")
    with pytest.raises(ClusterNotAdded, match="does not believe"):
        federation.add("alpha")
    cloud.call("admin.user.set_password", [cloud.admin_id, "a long password"], account="admin")
    with pytest.raises(ClusterNotAdded, match="login or password"):
        federation.add("alpha", login="admin", password="another password")
    assert count(federation) == 0 and not trusted(federation, "alpha")
    federation.add("alpha", login="admin", password="a long password")
    assert [each["key_id"] for each in trusted(federation, "alpha")] == [key_id]
    federation.create("alpha")
    kept = federation.bench.sql("SELECT string_agg(arguments::text, ' ') FROM audit")
    assert "a long password" not in kept


def test_add_again(federation: Federation) -> None:
    """A name is taken once; what is there does not suffer from the second try."""
    federation.add("alpha")
    with pytest.raises(NameTaken):
        federation.add("alpha")
    assert len(trusted(federation, "alpha")) == 1
    federation.create("alpha")


def test_add_repeated(federation: Federation) -> None:
    """A repeat with the same request id gives the first answer; with other arguments it is refused."""
    values = {"name": "alpha", "url": federation.url("alpha")}
    first = federation.call("cloud.cluster.add", values, login="admin", request_id="add-1")
    assert federation.call("cloud.cluster.add", values, login="admin", request_id="add-1") == first
    with pytest.raises(RequestIdReused):
        federation.call("cloud.cluster.add", {**values, "name": "beta"}, login="admin", request_id="add-1")


def test_wrong_name(federation: Federation) -> None:
    """A cluster of another name would refuse our tokens, so it is not added by this one."""
    with pytest.raises(ClusterNotAdded, match="named alpha"):
        federation.call("cloud.cluster.add", {"name": "gamma", "url": federation.url("alpha")}, login="admin")
    assert count(federation) == 0


@pytest.mark.parametrize("told", [{}, {"protocol": 99}])
def test_old_protocol(bench: CloudBench, told: dict[str, Any]) -> None:
    """A cluster of another protocol is not added."""
    info = {"name": "old", "version": "0.0.1", **told}
    with answering(lambda asked: result(asked, info)) as port:
        with pytest.raises(ClusterIncompatible):
            bench.call("cloud.cluster.add", {"name": "old", "url": f"http://127.0.0.1:{port}"}, login="admin")
    assert bench.sql("SELECT count(*) FROM cluster") == 0


@pytest.mark.parametrize("body", [b"rubbish", b"[]", b'{"jsonrpc":"2.0","id":0,"result":{}}'])
def test_no_cluster(bench: CloudBench, body: bytes) -> None:
    """What answers there may be anything."""
    with answering(lambda asked: body) as port:
        with pytest.raises(ClusterUnavailable):
            bench.call("cloud.cluster.add", {"name": "x", "url": f"http://127.0.0.1:{port}"}, login="admin")
    with answering(lambda asked: result(asked, ["another", "service"])) as port:
        with pytest.raises(ClusterNotAdded):
            bench.call("cloud.cluster.add", {"name": "x", "url": f"http://127.0.0.1:{port}"}, login="admin")
    assert bench.sql("SELECT count(*) FROM cluster") == 0


def test_nobody_there(bench: CloudBench) -> None:
    """Nothing listens, or what listens never answers: told within the deadline."""
    with pytest.raises(ClusterUnavailable):
        bench.call("cloud.cluster.add", {"name": "x", "url": "http://127.0.0.1:1"}, login="admin")
    with hanging() as port:
        with pytest.raises(ClusterUnavailable, match="within 2 s"):
            bench.call("cloud.cluster.add", {"name": "x", "url": f"http://127.0.0.1:{port}"}, login="admin")
    assert bench.sql("SELECT count(*) FROM cluster") == 0


@pytest.mark.parametrize(
    "name, url, parameter",
    [("Alpha", "http://127.0.0.1:1", "name"), ("a.b", "http://127.0.0.1:1", "name"), ("a", "http://192.0.2.1", "url")],
)
def test_bad_input(bench: CloudBench, name: str, url: str, parameter: str) -> None:
    """Names are labels of DNS; plain http stays on this machine."""
    with pytest.raises(InvalidParameter) as refused:
        bench.call("cloud.cluster.add", {"name": name, "url": url}, login="admin")
    assert refused.value.parameter == parameter
    with pytest.raises(RoleNeeded):
        bench.call("cloud.cluster.add", {"name": name, "url": url}, login="ann")


# ------------------------------------------------------------------ changing


def test_edit(federation: Federation) -> None:
    """Another address has to prove itself; a wrong one changes nothing."""
    federation.add("alpha")
    cluster_id = federation.ids["alpha"]
    with pytest.raises(ClusterUnavailable):
        federation.call("cloud.cluster.edit", {"cluster_id": cluster_id, "url": "http://127.0.0.1:1"}, login="admin")
    with pytest.raises(ClusterNotAdded):
        federation.call("cloud.cluster.edit", {"cluster_id": cluster_id, "url": federation.url("beta")}, login="admin")
    assert get(federation, "alpha")["url"] == federation.url("alpha")
    localhost = federation.url("alpha").replace("127.0.0.1", "localhost")
    told = {"cluster_id": cluster_id, "url": localhost, "if_version": get(federation, "alpha")["version"]}
    assert federation.call("cloud.cluster.edit", told, login="admin")["url"] == localhost
    with pytest.raises(VersionChanged):
        federation.call("cloud.cluster.edit", told, login="admin")
    federation.create("alpha")


def test_key_is_told_again(federation: Federation) -> None:
    """A cluster that no longer knows the cloud's key is told it again by its administrator's password."""
    federation.add("alpha")
    cloud, cluster_id = federation.clouds["alpha"], federation.ids["alpha"]
    cloud.call("admin.user.set_password", [cloud.admin_id, "a long password"], account="admin")
    cloud.call("admin.trust.delete", [trusted(federation, "alpha")[0]["key_id"]], account="admin")
    assert federation.call("cloud.cluster.check", [cluster_id], login="admin")["state"] == "refused"
    told = {"cluster_id": cluster_id, "login": "admin", "password": "a long password"}
    assert federation.call("cloud.cluster.edit", told, login="admin")["state"] == "ok"
    federation.create("alpha")


def test_lock(federation: Federation) -> None:
    """A dry run locks nothing; a lock is shown to users."""
    federation.add("alpha")
    cluster_id = federation.ids["alpha"]
    plan = federation.call("cloud.cluster.lock", {"cluster_id": cluster_id, "dry_run": True}, login="admin")
    assert plan["plan"] == [{"step": "lock cluster", "cluster_id": cluster_id}]
    assert not get(federation, "alpha")["locked"]
    assert federation.call("cloud.cluster.lock", [cluster_id], login="admin")["locked"]
    assert federation.call("user.cluster.get_list")[0]["state"] == "locked"
    assert not federation.call("cloud.cluster.unlock", [cluster_id], login="admin")["locked"]


def test_delete(federation: Federation) -> None:
    """A cluster goes with what was known of people there; its users' default moves on; it no longer trusts us."""
    federation.add("alpha")
    federation.add("beta")
    federation.call("admin.administrator.add", ["alpha", federation.bench.ids["bob"]], login="admin")
    assert count(federation, "cluster_account") == 6
    federation.call("cloud.cluster.delete", [federation.ids["alpha"]], login="admin")
    assert count(federation, "cluster_account") == 3 and count(federation, "cluster_admin") == 0
    assert not trusted(federation, "alpha") and len(trusted(federation, "beta")) == 1
    with pytest.raises(ObjectNotFound):
        get(federation, "alpha")
    with pytest.raises(ObjectNotFound):
        federation.call("user.vm.get_list", {"cluster": "alpha"})
    assert federation.call("user.vm.get_list") == [], "beta is the default now"
    federation.trust("alpha")
    assert federation.add("alpha")["state"] == "ok", "it may come back"


def test_delete_dead(federation: Federation) -> None:
    """A cluster that is gone for good can be taken out."""
    federation.add("alpha")
    federation.kill("alpha")
    federation.call("cloud.cluster.delete", [federation.ids["alpha"]], login="admin")
    assert federation.call("cloud.cluster.get_list", login="admin") == []


# ------------------------------------------------------------------ looking


def test_check(federation: Federation) -> None:
    """What a look finds is written down: gone, back, of another protocol, not believing us."""
    federation.add("alpha")
    cluster_id = federation.ids["alpha"]

    def look() -> dict[str, Any]:
        return federation.call("cloud.cluster.check", [cluster_id], login="admin")

    seen_at = look()["seen_at"]
    federation.kill("alpha")
    gone = look()
    assert gone["state"] == "unreachable" and gone["error"] and gone["seen_at"] == seen_at
    assert gone["latency_ms"] is None
    federation.revive("alpha")
    back = look()
    assert (back["state"], back["error"]) == ("ok", "")
    key_id = federation.bench.manager.services.signing_key.key_id
    federation.clouds["alpha"].call("admin.trust.delete", [key_id], account="admin")
    assert look()["state"] == "refused"
    federation.kill("alpha")
    with answering(lambda asked: result(asked, {"name": "alpha", "protocol": 2}), federation.ports["alpha"]):
        assert look()["state"] == "incompatible"
        with pytest.raises(ClusterIncompatible):
            federation.call("user.vm.get_list", {"cluster": "alpha"})
    changes = federation.bench.sql(
        "SELECT string_agg(coalesce(object::json->>'state', ''), ' ' ORDER BY id) FROM change"
        " WHERE kind = 'cluster' AND public AND event <> 'reset'"
    )
    assert changes == "ok unreachable ok refused incompatible"


def test_busy_is_not_silent(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that answers "overloaded" answers; and calls of ours that wait for it are no evidence of it."""
    federation.add("alpha")
    cluster_id = federation.ids["alpha"]

    def look() -> dict[str, Any]:
        return federation.call("cloud.cluster.check", [cluster_id], login="admin")

    seen_at = look()["seen_at"]
    [connection] = federation.bench.manager.clusters.all()
    none = Share(size=0, per_account=9, per_address=9, kept=0)
    monkeypatch.setattr(connection, "_working", Places("calls of a cluster", none))
    with pytest.raises(ClusterUnavailable, match="too many calls wait for it"):
        federation.call("user.vm.get_list", {"cluster": "alpha"})
    well = look()
    assert (well["state"], well["error"]) == ("ok", "") and well["seen_at"] > seen_at
    federation.kill("alpha")
    with answering(lambda asked: refusal(asked, Overloaded()), federation.ports["alpha"]):
        busy = look()
    assert (busy["state"], busy["error"], busy["seen_at"]) == ("ok", "", well["seen_at"])


# ------------------------------------------------------------------ administrators


def test_administrators(federation: Federation) -> None:
    """Administrators decide about each other; the last may go, since the cloud's remain."""
    federation.add("alpha")
    ann, bob = federation.bench.ids["ann"], federation.bench.ids["bob"]
    federation.call("admin.administrator.add", ["alpha", ann], login="admin")
    added = federation.call(
        "admin.administrator.add", {"cluster": federation.ids["alpha"], "user_id": bob}, login="ann"
    )
    assert [each["login"] for each in added] == ["ann", "bob"]
    federation.call("admin.administrator.delete", ["alpha", ann], login="bob")
    federation.call("admin.administrator.delete", ["alpha", bob], login="bob")
    assert federation.call("admin.administrator.get_list", ["alpha"], login="admin") == []
    with pytest.raises(ObjectNotFound):
        federation.call("admin.administrator.delete", ["alpha", bob], login="admin")
    with pytest.raises(ObjectNotFound):
        federation.call("admin.administrator.add", ["alpha", 4711], login="admin")
    with pytest.raises(RoleNeeded):
        federation.call("admin.administrator.get_list", ["alpha"], login="bob")


def test_other_process(federation: Federation) -> None:
    """A cluster that another process added is known here as soon as somebody names it."""
    bench = federation.bench
    federation.add("alpha")
    bench.sql("INSERT INTO cluster (name, url, state) VALUES ('beta', :url, 'ok')", url=federation.url("beta"))

    async def later() -> None:
        from twisted.internet.task import deferLater

        await deferLater(bench.manager.reactor, 1.05)

    run(later)
    assert federation.call("user.vm.get_list", {"cluster": "beta"}) == []
