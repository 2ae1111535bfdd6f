"""Trust in cloud managers: their keys, their tokens that are good once, the accounts they keep in step."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench, cluster_bench, ended
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cm.rpc.caller import Control, Identity
from cm.rpc.credentials import PasswordCredentials, TokenCredentials
from cm.rpc.errors import AccountBlocked, InvalidParameter, NameTaken, ObjectNotFound, RoleNeeded
from cm.rpc.keys import ensure_signing_key
from cm.rpc.token import TokenRefused, TokenSigner
from cm.rpc.types import Secret
from cm.rpc.vocabulary import Role
from cm.services.authenticator import DatabaseAuthenticator
from cm.services.cloud import CloudManagerNeeded
from support.cloud import MemoryCloud, run


class Issuer:
    """A cloud manager as far as its signature goes."""

    def __init__(self, name: str, key_id: str, clock: Any = time.time) -> None:
        key = Ed25519PrivateKey.generate()
        self.name = name
        self.key_id = key_id
        self.public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._signer = TokenSigner(private, key_id, name, clock=clock)
        self.forger = partial(TokenSigner, private, key_id, clock=clock)

    def credentials(
        self, account_id: int, login: str = "jan", *roles: Role, cluster: str = "krakow", groups: tuple[int, ...] = ()
    ) -> TokenCredentials:
        identity = Identity(account_id, login, frozenset(roles or {Role.USER}), groups)
        return TokenCredentials(Secret(self._signer.sign(identity, cluster)))


class Wire:
    """An authenticator of one process; ``second`` makes that of another on the same database."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench = bench
        self.directory = directory
        self.now = 1000.0
        self.wall = 1_700_000_000.0
        self.clm = Issuer("clm:a", "a-1", lambda: self.wall)
        self.made = self.second()
        bench.services.authenticator = self.made

    def second(self, clm_keys: Any = None) -> DatabaseAuthenticator:
        services, session_key = self.bench.services, ensure_signing_key(self.directory / "session.key", "session")
        return DatabaseAuthenticator(
            services.database, services.policy, services.gate, services.logins, session_key, clm_keys,
            clock=lambda: self.now, wall=lambda: self.wall,
        )  # fmt: skip

    def add(self, issuer: Issuer | None = None) -> Any:
        issuer = issuer or self.clm
        return self.bench.call("admin.trust.add", issuer.key_id, issuer.name, issuer.public)

    def ask(self, credentials: Any, by: DatabaseAuthenticator | None = None) -> Identity:
        found: Identity = ended((by or self.made).authenticate(credentials, "192.0.2.9"))
        return found

    def refused(self, credentials: Any, by: DatabaseAuthenticator | None = None) -> str:
        with pytest.raises(TokenRefused) as caught:
            self.ask(credentials, by)
        return caught.value.reason

    def cloud(self, method: str, **named: Any) -> Any:
        """A call of the cloud manager itself."""
        return self.bench.call(method, by=self.ask(self.clm.credentials(0, "clm", Role.ADMIN)), **named)


bench = cluster_bench


@pytest.fixture
def wire(bench: Bench, tmp_path: Path) -> Wire:
    return Wire(bench, tmp_path)


@pytest.fixture
def cloud(wire: Wire) -> Wire:
    """With its cloud manager trusted."""
    wire.add()
    return wire


# ------------------------------------------------------------------ keys


def test_add(wire: Wire) -> None:
    """A key that was added is good at once, also for a process that did not hear of it; the same again is no error."""
    other = wire.second()
    assert wire.refused(wire.clm.credentials(7), other) == "its key is unknown"
    row = wire.add()
    assert (row["key_id"], row["issuer"], row["public_key"]) == ("a-1", "clm:a", wire.clm.public)
    assert wire.add() == row
    identity = wire.ask(wire.clm.credentials(7))
    assert (identity.issuer, identity.login, identity.roles) == ("clm:a", "jan", {Role.USER})
    wire.now += 1
    assert wire.ask(wire.clm.credentials(7), other).account_id == identity.account_id
    assert wire.bench.call("admin.trust.get_list") == [row]


def test_add_refused(wire: Wire) -> None:
    """An id of another key, another issuer, a name that is ours, and what is no Ed25519 key, are refused."""
    wire.add()
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    rsa_pem = rsa_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    before = wire.bench.call("admin.trust.get_list")
    for issuer in (Issuer("clm:a", "a-1"), Issuer("clm:b", "a-1")):
        with pytest.raises(NameTaken):
            wire.add(issuer)
    with pytest.raises(NameTaken):
        wire.bench.call("admin.trust.add", "a-1", "clm:b", wire.clm.public)
    for name in ("cm:krakow", "cm:warszawa", "local"):
        with pytest.raises(InvalidParameter):
            wire.add(Issuer(name, "x"))
    for key in ("", "nonsense", rsa_pem, wire.clm.public.replace("M", "N", 1)):
        with pytest.raises(InvalidParameter):
            wire.bench.call("admin.trust.add", "x", "clm:b", key)
    with pytest.raises(RoleNeeded):
        wire.bench.call("admin.trust.add", "x", "clm:b", wire.clm.public, by=wire.bench.user)
    assert wire.bench.call("admin.trust.get_list") == before


def test_settings_and_database(wire: Wire) -> None:
    """The keys of the settings stay whatever the database holds, and their ids are taken."""
    own = Issuer("clm:own", "own-1", lambda: wire.wall)
    wire.made = wire.second({"own-1": own.public})
    wire.bench.services.authenticator = wire.made
    wire.add()
    for issuer in (own, wire.clm):
        assert wire.ask(issuer.credentials(7)).issuer == issuer.name
    with pytest.raises(NameTaken):
        wire.add(Issuer("clm:b", "own-1"))
    wire.bench.call("admin.trust.delete", "a-1")
    assert wire.ask(own.credentials(7)).issuer == "clm:own"


def test_own_issuer_alone(cloud: Wire) -> None:
    """A key speaks for its issuer: neither for another cloud manager nor for the cluster's own accounts."""
    for name in ("clm:b", "cm:krakow", "local"):
        token = cloud.clm.forger(name).sign(Identity(7, "jan", frozenset({Role.ADMIN})), "krakow")
        assert cloud.refused(TokenCredentials(Secret(token))) == "its key may not speak for its issuer"
    assert cloud.refused(cloud.clm.credentials(7, cluster="warszawa")) == "it is for another cluster"
    # A key of the settings may speak for any issuer, but not for our own accounts either.
    own = Issuer("local", "own-1", lambda: cloud.wall)
    settled = cloud.second({"own-1": own.public})
    assert cloud.refused(own.credentials(1, "root", Role.ADMIN), settled) == "its key may not speak for its subject"


def test_delete(cloud: Wire) -> None:
    """A key that was removed is refused at once here, elsewhere with the notification, or else with the time."""
    other, deaf = cloud.second(), cloud.second()
    unused = cloud.clm.credentials(7)
    for each in (cloud.made, other, deaf):
        cloud.ask(cloud.clm.credentials(7), each)
    cloud.bench.call("admin.trust.delete", "a-1")
    assert cloud.refused(unused) == "its key is unknown"
    other.trust_changed()
    assert cloud.refused(cloud.clm.credentials(7), other) == "its key is unknown"
    cloud.ask(cloud.clm.credentials(7), deaf)
    cloud.now += 30
    assert cloud.refused(cloud.clm.credentials(7), deaf) == "its key is unknown"
    with pytest.raises(ObjectNotFound):
        cloud.bench.call("admin.trust.delete", "a-1")


def test_unknown_keys_cost_little(wire: Wire) -> None:
    """Tokens of keys that nobody knows make no more than ten queries a second."""
    threads: Any = wire.bench.services.threads
    wire.refused(wire.clm.credentials(7))
    before = len(threads.pools)
    for _ in range(20):
        assert wire.refused(wire.clm.credentials(7)) == "its key is unknown"
    assert len(threads.pools) == before
    wire.now += 0.1
    wire.refused(wire.clm.credentials(7))
    assert len(threads.pools) == before + 1


def test_used_once(cloud: Wire) -> None:
    """A token is good for one request in a process; sessions of our own accounts for all."""
    token = cloud.clm.credentials(7)
    cloud.ask(token)
    assert cloud.refused(token) == "it was used before"
    cloud.bench.call("admin.user.set_password", cloud.bench.user.account_id, "correct horse")
    session = cloud.bench.anonymous("guest.session.login", login="ala", password="correct horse")
    credentials = TokenCredentials(Secret(session["token"]))
    assert cloud.ask(credentials) == cloud.ask(credentials)
    assert cloud.ask(credentials).issuer == ""


def test_still_good(cloud: Wire) -> None:
    """A connection goes on while its account is active and its cloud manager trusted."""
    identity = cloud.ask(cloud.clm.credentials(7))
    assert ended(cloud.made.still_good(identity))
    cloud.cloud("admin.cloud.put_users", users=[{"external_id": "7", "login": "jan", "version": 1, "active": False}])
    cloud.made.account_changed(str(identity.account_id))
    assert not ended(cloud.made.still_good(identity))
    cloud.cloud("admin.cloud.put_users", users=[{"external_id": "7", "login": "jan", "version": 2}])
    cloud.made.account_changed(str(identity.account_id))
    assert ended(cloud.made.still_good(identity))
    cloud.bench.call("admin.trust.delete", "a-1")
    assert not ended(cloud.made.still_good(identity))


def test_processes(database_url: str, tmp_path: Path) -> None:
    """Two whole processes take up and forget a key by its notification."""
    first = MemoryCloud(database_url, tmp_path)
    second = MemoryCloud(database_url, tmp_path, start=False)
    second.start()
    issuer = Issuer("clm:a", "a-1")
    try:
        clouds = [cloud.manager.services.authenticator for cloud in (first, second)]
        name = first.manager.policy.name

        def ask(made: Any) -> bool:
            try:
                run(partial(made.authenticate, issuer.credentials(7, cluster=name), "192.0.2.9"))
            except TokenRefused:
                return False
            return True

        def agree(wanted: bool) -> None:
            until = time.monotonic() + 5
            while not all(ask(made) == wanted for made in clouds):
                assert time.monotonic() < until, "a process did not hear of it"
                time.sleep(0.01)

        agree(False)
        first.call("admin.trust.add", ["a-1", "clm:a", issuer.public], account="admin")
        assert ask(clouds[0])
        agree(True)
        first.call("admin.trust.delete", ["a-1"], account="admin")
        assert not ask(clouds[0])
        agree(False)
    finally:
        second.stop()
        first.stop()


# ------------------------------------------------------------------ accounts


def user(external_id: int, version: int = 1, **more: Any) -> dict[str, Any]:
    return {"external_id": str(external_id), "login": f"user{external_id}", "version": version, **more}


def test_put_users(cloud: Wire) -> None:
    """Records make accounts, whoever called before; null quotas are the cluster's for the new, kept for the others."""
    called = cloud.ask(cloud.clm.credentials(9, "user9"))
    records = [user(9, quota_cpu=3, name="Jan"), user(10), user(11, active=False, quota_vms=0)]
    assert cloud.cloud("admin.cloud.put_users", users=records) == {"applied": 3, "stale": []}
    assert cloud.ask(cloud.clm.credentials(9, "user9")).account_id == called.account_id
    with pytest.raises(AccountBlocked):
        cloud.ask(cloud.clm.credentials(11, "user11"))
    cloud.cloud("admin.cloud.put_users", users=[user(9, 2, quota_vms=4)])
    found = cloud.cloud("admin.cloud.get_users")
    assert [(row["external_id"], row["version"], row["active"]) for row in found] == [
        ("9", 2, True), ("10", 1, True), ("11", 1, False),
    ]  # fmt: skip
    assert [(row["quota_cpu"], row["quota_vms"], row["quota_memory_mib"]) for row in found] == [
        (3, 4, 32_768), (20, 20, 32_768), (20, 0, 32_768),
    ]  # fmt: skip
    assert [row["name"] for row in found] == ["", "", ""]
    page = cloud.cloud("admin.cloud.get_users", after="9", limit=1)
    assert [row["external_id"] for row in page] == ["10"]


def test_put_users_stale(cloud: Wire) -> None:
    """An older record that comes late is told and changes nothing; an equal one repairs, and only then is a change."""
    cloud.cloud("admin.cloud.put_users", users=[user(9, 5, quota_cpu=5), user(10, 1)])
    answer = cloud.cloud("admin.cloud.put_users", users=[user(9, 4, quota_cpu=4), user(10, 2, quota_cpu=2)])
    assert answer == {"applied": 1, "stale": ["9"]}
    assert [row["quota_cpu"] for row in cloud.cloud("admin.cloud.get_users")] == [5, 2]
    account_id = cloud.ask(cloud.clm.credentials(9, "user9")).account_id
    cloud.bench.call("admin.user.edit", user_id=account_id, quota_cpu=50)
    assert cloud.cloud("admin.cloud.get_users")[0]["quota_cpu"] == 50
    changes = "SELECT count(*) FROM change WHERE kind = 'user' AND object_id = :id"
    before = cloud.bench.sql(changes, id=account_id)
    for _ in range(2):
        cloud.cloud("admin.cloud.put_users", users=[user(9, 5, quota_cpu=5)])
    assert cloud.cloud("admin.cloud.get_users")[0]["quota_cpu"] == 5
    assert cloud.bench.sql(changes, id=account_id) == before + 1


def test_put_users_blocks(cloud: Wire) -> None:
    """Whoever is blocked is refused at once, by a token that was signed before and never used."""
    account_id = cloud.ask(cloud.clm.credentials(9, "user9")).account_id
    signed = cloud.clm.credentials(9, "user9")
    cloud.cloud("admin.cloud.put_users", users=[user(9, active=False)])
    cloud.made.account_changed(str(account_id))  # as the notification does
    with pytest.raises(AccountBlocked):
        cloud.ask(signed)


def test_put_users_is_notified(database_url: str, tmp_path: Path) -> None:
    """In a whole process the notification of a blocked account comes by itself."""
    cloud = MemoryCloud(database_url, tmp_path)
    try:
        issuer = Issuer("clm:a", "a-1")
        cloud.call("admin.trust.add", ["a-1", "clm:a", issuer.public], account="admin")
        made, name = cloud.manager.services.authenticator, cloud.manager.policy.name

        def ask(account_id: int, *roles: Role) -> Identity:
            credentials = issuer.credentials(account_id, "jan", *roles, cluster=name)
            found: Identity = run(partial(made.authenticate, credentials, "192.0.2.9"))
            return found

        ask(7)
        caller = ask(0, Role.ADMIN)
        records = [{"external_id": "7", "login": "jan", "version": 1, "active": False}]
        execute, view = cloud.manager.executor.execute, cloud.manager.registry.get("admin.cloud.put_users")
        arguments, _ = view.bind({"users": records})
        run(lambda: execute(view, caller, arguments, Control("test")))
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                ask(7)
            except AccountBlocked:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the account is still let in")
    finally:
        cloud.stop()


def test_put_users_refused(cloud: Wire) -> None:
    """Only a cloud manager keeps accounts, its own alone; a bad record spoils the whole call."""
    for method, more in (("put_users", {"users": []}), ("get_users", {})):
        with pytest.raises(CloudManagerNeeded):
            cloud.bench.call(f"admin.cloud.{method}", **more)
    somebody = cloud.ask(cloud.clm.credentials(9, "user9"))
    with pytest.raises(RoleNeeded):
        cloud.bench.call("admin.cloud.put_users", by=somebody, users=[])
    other = Issuer("clm:b", "b-1", lambda: cloud.wall)
    cloud.add(other)
    cloud.cloud("admin.cloud.put_users", users=[user(9, quota_cpu=3)])
    theirs = cloud.ask(other.credentials(0, "clm", Role.ADMIN))
    assert cloud.bench.call("admin.cloud.get_users", by=theirs) == []
    cloud.bench.call("admin.cloud.put_users", by=theirs, users=[user(9, quota_cpu=7)])
    assert [row["quota_cpu"] for row in cloud.cloud("admin.cloud.get_users")] == [3]
    for wrong in (
        [user(9, 9), {**user(10), "external_id": "0"}],
        [user(9, 9), {**user(10), "external_id": "x"}],
        [user(9, 9), user(9, 8)],
        [user(9, 9), {**user(10), "is_admin": True}],
        [user(n) for n in range(1, 502)],
    ):
        with pytest.raises(InvalidParameter):
            cloud.cloud("admin.cloud.put_users", users=wrong)
    assert [row["version"] for row in cloud.cloud("admin.cloud.get_users")] == [1]


RECORDS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 4), st.booleans(), st.none() | st.integers(0, 9)),
    max_size=3,
    unique_by=lambda record: record[0],
)


@given(st.lists(RECORDS, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_newest_wins(cloud: Wire, calls: list[list[tuple[int, int, bool, int | None]]]) -> None:
    """Whatever order records come in, each account is as the last of its highest versions said."""
    cloud.bench.change("DELETE FROM account WHERE origin = 'clm:a' AND external_id <> '0'")
    cloud.made.account_changed("")
    model: dict[int, tuple[int, bool, int]] = {}
    for records in calls:
        sent = [user(n, version, active=active, quota_cpu=cpu) for n, version, active, cpu in records]
        answer = cloud.cloud("admin.cloud.put_users", users=sent)
        stale = [n for n, version, _, _ in records if n in model and version < model[n][0]]
        assert answer == {"applied": len(records) - len(stale), "stale": [str(n) for n in sorted(stale)]}
        for n, version, active, cpu in records:
            if n not in stale:
                model[n] = (version, active, cpu if cpu is not None else model[n][2] if n in model else 20)
    found = cloud.cloud("admin.cloud.get_users")
    assert {int(row["external_id"]): (row["version"], row["active"], row["quota_cpu"]) for row in found} == model


def test_password_caller(cloud: Wire) -> None:
    """An administrator with a password is no cloud manager."""
    cloud.bench.call("admin.user.set_password", cloud.bench.admin.account_id, "correct horse")
    identity = cloud.ask(PasswordCredentials("root", Secret("correct horse")))
    with pytest.raises(CloudManagerNeeded):
        cloud.bench.call("admin.cloud.get_users", by=identity)
