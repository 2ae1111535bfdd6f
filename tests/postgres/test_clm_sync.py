"""A cluster's accounts are the cloud's: told when they change, repaired when they drift, whatever was away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clm.drivers.cluster import ClusterUnavailable
from clm.services import sync
from clm.store.sync import drop_group, enrol_user, touch_user
from cm.rpc.errors import AccountBlocked, InvalidParameter, ObjectNotFound, QuotaReached
from support.federation import Federation, federated
from support.wait import until


@pytest.fixture(scope="module")
def federation(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with federated(postgres, tmp_path_factory.mktemp("sync")) as made:
        yield made


def there(federation: Federation, cluster: str, login: str) -> dict[str, Any] | None:
    """A user's account at a cluster."""
    cloud = federation.clouds[cluster]
    user_id = federation.bench.ids[login]
    with cloud.manager.database.engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT login, name, active, quota_cpu, quota_vms, quota_networks AS networks, external_version AS version"
            " FROM account WHERE origin LIKE 'clm:%%' AND external_id = %s", (str(user_id),)
        ).first()  # fmt: skip
    return None if found is None else dict(found._mapping)


def change(federation: Federation, statement: str, login: str) -> None:
    """Change a user as the use cases of accounts do, in one transaction with what clusters are to hear."""
    user_id = federation.bench.ids[login]

    def go(session: Any) -> None:
        session.connection().exec_driver_sql(statement, (user_id,))
        touch_user(session, user_id)

    federation.bench.manager.database.transact_now(go)


def synced(federation: Federation, cluster: str = "alpha") -> bool:
    due = federation.bench.sql(
        "SELECT count(*) FROM cluster_account WHERE cluster_id = :id AND synced_version < version",
        id=federation.ids[cluster],
    )
    return due == 0


def test_active_users_are_known(federation: Federation) -> None:
    """Every active user is known to every cluster before their first call."""
    for cluster in ("alpha", "beta"):
        until(lambda: there(federation, cluster, "bob"), "bob")  # noqa: B023
        assert there(federation, cluster, "bob")["name"] == "Bob Test"  # type: ignore[index]


def test_new_user(federation: Federation) -> None:
    """Who becomes active is told to all clusters in the next moment."""
    user_id = federation.bench.user("eve")
    federation.bench.manager.database.transact_now(enrol_user, user_id)
    for cluster in ("alpha", "beta"):
        until(lambda: there(federation, cluster, "eve"), "eve")  # noqa: B023


def test_blocked(federation: Federation) -> None:
    """A block in the cloud reaches the clusters: tokens that were signed before are refused too."""
    change(federation, "UPDATE user_account SET state = 'blocked' WHERE id = %s", "bob")
    until(lambda: there(federation, "alpha", "bob")["active"] is False)  # type: ignore[index]
    with pytest.raises(AccountBlocked):
        federation.call("user.vm.get_list", {"cluster": "alpha"}, login="bob")
    change(federation, "UPDATE user_account SET state = 'active' WHERE id = %s", "bob")
    until(lambda: there(federation, "alpha", "bob")["active"])  # type: ignore[index]
    federation.call("user.vm.get_list", {"cluster": "alpha"}, login="bob")


def test_unblocked_and_untold(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whom we let in, and whom the cluster has blocked as it was away since, is told to ask again: it will hear of them.
    One that it has blocked by itself is told so.
    """

    async def away(*_: Any) -> bool:
        return False

    blocked = "UPDATE user_account SET state = 'blocked' WHERE id = %s"
    change(federation, blocked, "bob")
    until(lambda: there(federation, "alpha", "bob")["active"] is False)  # type: ignore[index]
    until(lambda: synced(federation))
    monkeypatch.setattr(sync, "push_due", away)
    change(federation, blocked.replace("blocked", "active"), "bob")
    with pytest.raises(ClusterUnavailable):
        federation.call("user.vm.get_list", {"cluster": "alpha"}, login="bob")
    told = "UPDATE cluster_account SET synced_version = version WHERE user_id = :id"
    federation.bench.sql(told, id=federation.bench.ids["bob"])
    with pytest.raises(AccountBlocked):
        federation.call("user.vm.get_list", {"cluster": "alpha"}, login="bob")
    monkeypatch.undo()
    change(federation, blocked.replace("blocked", "active"), "bob")
    until(lambda: there(federation, "alpha", "bob")["active"])  # type: ignore[index]
    federation.call("user.vm.get_list", {"cluster": "alpha"}, login="bob")


def test_quota(federation: Federation) -> None:
    """A quota that is set is in force at that cluster, for one user or many; null restores the cluster's default."""
    ann, bob = federation.bench.ids["ann"], federation.bench.ids["bob"]
    before = there(federation, "alpha", "ann")
    assert before is not None
    told = {"cluster": "alpha", "user_ids": [ann, bob], "vms": 1}
    made = federation.call("cloud.quota.edit", told, login="admin")
    assert [(each["quota_vms"], each["quota_cpu"]) for each in made] == [(1, None), (1, None)]
    until(lambda: there(federation, "alpha", "bob")["quota_vms"] == 1)  # type: ignore[index]
    assert there(federation, "alpha", "bob")["quota_cpu"] == before["quota_cpu"]  # type: ignore[index]
    assert there(federation, "beta", "bob")["quota_vms"] != 1  # type: ignore[index]
    with pytest.raises(QuotaReached):
        federation.create("alpha", login="bob", count=2)
    until(lambda: federation.call("cloud.quota.get", ["alpha", bob], login="admin")["synced"])
    made = federation.call("cloud.quota.edit", {**told, "vms": None, "networks": 3}, login="admin")
    until(lambda: there(federation, "alpha", "bob")["networks"] == 3)  # type: ignore[index]
    assert [each["quota_vms"] for each in made] == [None, None]
    until(lambda: there(federation, "alpha", "bob")["quota_vms"] == before["quota_vms"])  # type: ignore[index]
    until(lambda: synced(federation))


def test_quota_refusals(federation: Federation) -> None:
    """All or none: somebody unknown spoils the whole call."""
    ann = federation.bench.ids["ann"]
    with pytest.raises(ObjectNotFound):
        federation.call("cloud.quota.edit", {"cluster": "alpha", "user_ids": [ann, 4711], "cpu": 3}, login="admin")
    assert federation.call("cloud.quota.get", ["alpha", ann], login="admin")["quota_cpu"] is None
    with pytest.raises(InvalidParameter):
        federation.call("cloud.quota.edit", {"cluster": "alpha", "user_ids": [ann]}, login="admin")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE account SET active = false, version = version + 1 WHERE external_id = :id",
        "UPDATE account SET name = 'Somebody else' WHERE external_id = :id",
        "UPDATE account SET login = 'other' WHERE external_id = :id",
        "UPDATE account SET external_version = 4711, active = false WHERE external_id = :id",
        "DELETE FROM account WHERE external_id = :id",
    ],
)
def test_drift(federation: Federation, statement: str) -> None:
    """What somebody changes or loses at a cluster is as it should be after the next comparison."""
    federation.bench.ids.setdefault("dan", 0)
    if not federation.bench.ids["dan"]:
        federation.bench.manager.database.transact_now(enrol_user, federation.bench.user("dan"))
    until(lambda: there(federation, "beta", "dan"))
    good = ("dan", "Dan Test", True)
    federation.clouds["beta"].sql(statement, id=str(federation.bench.ids["dan"]))

    def repaired() -> bool:
        now = there(federation, "beta", "dan")
        return now is not None and (now["login"], now["name"], now["active"]) == good

    until(repaired, "the repair")
    until(lambda: synced(federation, "beta"))


def test_stranger(federation: Federation) -> None:
    """An account of ours that we do not know is blocked, not deleted."""
    cloud = federation.clouds["beta"]
    issuer = federation.bench.manager.policy.issuer
    cloud.sql(
        "INSERT INTO account (origin, external_id, login, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms)"
        " VALUES (:issuer, '4711', 'stranger', 1, 1, 1, 1)",
        issuer=issuer,
    )
    until(lambda: cloud.sql("SELECT NOT active FROM account WHERE login = 'stranger'"))
    assert cloud.sql("SELECT active FROM account WHERE origin = :issuer AND external_id = '0'", issuer=issuer)


def test_away(federation: Federation) -> None:
    """A cluster that was away hears of everything when it is back; the others hear at once."""
    federation.kill("beta")
    change(federation, "UPDATE user_account SET first_name = 'Anna' WHERE id = %s", "ann")
    until(lambda: there(federation, "alpha", "ann")["name"] == "Anna Test")  # type: ignore[index]
    assert not synced(federation, "beta")
    federation.revive("beta")
    until(lambda: there(federation, "beta", "ann")["name"] == "Anna Test", "beta's Anna")  # type: ignore[index]
    until(lambda: synced(federation, "beta"))
    change(federation, "UPDATE user_account SET first_name = 'Ann' WHERE id = %s", "ann")


def test_locked(federation: Federation) -> None:
    """A locked cluster hears of nothing; unlocked, of everything."""
    until(lambda: synced(federation, "alpha") and synced(federation, "beta"))
    alpha = federation.ids["alpha"]
    federation.call("cloud.cluster.lock", [alpha], login="admin")
    until(lambda: federation.bench.manager.clusters.find(alpha).facts.locked)
    change(federation, "UPDATE user_account SET last_name = 'Locked' WHERE id = %s", "bob")
    until(lambda: there(federation, "beta", "bob")["name"] == "Bob Locked")  # type: ignore[index]
    assert there(federation, "alpha", "bob")["name"] == "Bob Test"  # type: ignore[index]
    federation.call("cloud.cluster.unlock", [alpha], login="admin")
    until(lambda: there(federation, "alpha", "bob")["name"] == "Bob Locked")  # type: ignore[index]
    change(federation, "UPDATE user_account SET last_name = 'Test' WHERE id = %s", "bob")


def test_bad_record(federation: Federation) -> None:
    """A record that a cluster cannot take does not keep the others from it."""
    federation.bench.ids["odd"] = federation.bench.sql(
        "INSERT INTO user_account (login, first_name, state) VALUES ('odd', E'a\\tb', 'active') RETURNING id"
    )
    federation.bench.user("fine")
    for login in ("odd", "fine"):
        federation.bench.manager.database.transact_now(enrol_user, federation.bench.ids[login])
    until(lambda: there(federation, "alpha", "fine"))
    assert there(federation, "alpha", "odd") is None and not synced(federation)
    federation.bench.sql("DELETE FROM user_account WHERE login = 'odd'")
    until(lambda: synced(federation))


def test_dropped_group(federation: Federation) -> None:
    """Clusters forget a group that is gone, and are told once."""
    federation.bench.manager.database.transact_now(drop_group, 4711)
    until(lambda: federation.bench.sql("SELECT count(*) FROM dropped_group") == 0)


def test_synced_at(federation: Federation) -> None:
    """Administrators see when a cluster last was as it should be, and how many it has still to hear of."""
    until(lambda: federation.call("cloud.cluster.get_by_id", [federation.ids["alpha"]], login="admin")["synced_at"])
    shown = federation.call("cloud.cluster.get_by_id", [federation.ids["alpha"]], login="admin")
    assert shown["accounts_due"] == 0
