"""Accounts: added, changed and recognised: by password, by session, by a cloud manager's token."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench, ended
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.credentials import PasswordCredentials, TokenCredentials
from cm.rpc.errors import (
    AccountBlocked,
    CloudError,
    InUse,
    InvalidParameter,
    NameTaken,
    NotAuthenticated,
    ObjectNotFound,
    QuotaReached,
    RoleNeeded,
    TooManyLogins,
    VersionChanged,
)
from cm.rpc.gate import PasswordGate
from cm.rpc.keys import ensure_signing_key
from cm.rpc.password import Passwords
from cm.rpc.token import TokenSigner
from cm.rpc.types import Secret
from cm.rpc.vocabulary import Role
from cm.services.account import LastAdmin, NotLocal
from cm.services.authenticator import DatabaseAuthenticator
from cm.store.claim import claim_quota
from support.cloud import MemoryCloud, run

PASSWORD = "correct horse"


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    made.services.gate.passwords = Passwords(time_cost=1, memory_kib=64)
    yield made
    made.close()


class Wire:
    """An authenticator with a clock of its own, and the count of its queries."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench = bench
        self.now = 1000.0
        self.wall = 1_700_000_000.0
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.clm = TokenSigner(private, "clm-1", "clm", clock=lambda: self.wall)
        services = bench.services
        services.gate = PasswordGate(services.threads, lambda: self.now, passwords=services.gate.passwords)
        services.authenticator = self.made = DatabaseAuthenticator(
            services.database, services.policy, services.gate, services.logins,
            ensure_signing_key(directory / "session.key", "session"), {"clm-1": public},
            clock=lambda: self.now, wall=lambda: self.wall,
        )  # fmt: skip

    def password(self, login: str, password: str = PASSWORD) -> Identity:
        return self._ask(PasswordCredentials(login, Secret(password)))

    def token(self, token: str) -> Identity:
        return self._ask(TokenCredentials(Secret(token)))

    def _ask(self, credentials: Any) -> Identity:
        found: Identity = ended(self.made.authenticate(credentials, "192.0.2.9"))
        return found

    def from_clm(self, account_id: int, login: str, *roles: Role) -> Identity:
        identity = Identity(account_id, login, frozenset(roles or {Role.USER}))
        return self.token(self.clm.sign(identity, "krakow"))

    def heard(self) -> None:
        """Every notification that the listener would have brought."""
        self.made.account_changed("")

    def queries(self, function: Any) -> int:
        threads: Any = self.bench.services.threads
        before = len(threads.pools)
        function()
        return len(threads.pools) - before


@pytest.fixture
def wire(bench: Bench, tmp_path: Path) -> Wire:
    return Wire(bench, tmp_path)


# ------------------------------------------------------------------ views


def test_add(bench: Bench) -> None:
    """Quotas that are not given are the cluster's; the password is kept as a hash alone."""
    made = bench.call("admin.user.add", login="ola", password=PASSWORD, name="Ola", quota_cpu=0)
    assert (made["quota_cpu"], made["quota_memory_mib"], made["quota_storage_mib"]) == (0, 32_768, 100)
    assert (made["origin"], made["active"], made["is_admin"], made["has_password"]) == ("local", True, False, True)
    assert "password_hash" not in made
    assert str(bench.sql("SELECT password_hash FROM account WHERE login = 'ola'")).startswith("$argon2id$")
    assert bench.sql("SELECT count(*) FROM audit WHERE arguments::text LIKE '%horse%'") == 0
    assert [a["login"] for a in bench.call("admin.user.get_list")] == ["root", "ala", "ola"]
    page = bench.call("admin.user.get_list", limit=1, after=bench.admin.account_id)
    assert [a["login"] for a in page] == ["ala"]


def test_add_refused(bench: Bench) -> None:
    before = bench.trace()
    with pytest.raises(NameTaken):
        bench.call("admin.user.add", login="ala")
    for parameter, values in (
        ("password", {"password": "short"}),
        ("login", {"login": "a b"}),
        ("quota_vms", {"quota_vms": -1}),
        ("name", {"name": "a\nb"}),
    ):
        with pytest.raises(InvalidParameter) as refused:
            bench.call("admin.user.add", **{"login": "ola", **values})
        assert refused.value.parameter == parameter
    with pytest.raises(RoleNeeded):
        bench.call("admin.user.add", by=bench.user, login="ola")
    assert bench.trace() == before


def test_edit(bench: Bench) -> None:
    """What is given changes; role and activity make a new version, names and quotas do not."""
    user_id = bench.user.account_id
    was = bench.call("admin.user.get_by_id", user_id=user_id)
    now = bench.call("admin.user.edit", user_id=user_id, name="Ala M.", quota_vms=0)
    assert now == {**was, "name": "Ala M.", "quota_vms": 0}
    now = bench.call("admin.user.edit", user_id=user_id, is_admin=True)
    assert (now["is_admin"], now["version"]) == (True, was["version"] + 1)
    with pytest.raises(VersionChanged):
        bench.call("admin.user.edit", user_id=user_id, active=False, if_version=was["version"])
    before = bench.trace()
    bench.call("admin.user.edit", user_id=user_id, active=False, dry_run=True)
    with pytest.raises(ObjectNotFound):
        bench.call("admin.user.edit", user_id=99, active=False)
    assert bench.trace() == before


def test_last_admin(bench: Bench) -> None:
    """The last administrator who can log in stays one; two who remove each other at once leave one."""
    root = bench.admin.account_id
    bench.call("admin.user.set_password", user_id=root, new_password=PASSWORD)
    for refused in ({"is_admin": False}, {"active": False}):
        with pytest.raises(LastAdmin):
            bench.call("admin.user.edit", user_id=root, **refused)
    with pytest.raises(LastAdmin):
        bench.call("admin.user.delete", user_id=root)
    other = bench.call("admin.user.add", login="ola", password=PASSWORD, is_admin=True)["user_id"]
    outcomes: list[str] = []

    def demote(user_id: int) -> None:
        try:
            bench.call("admin.user.edit", user_id=user_id, is_admin=False)
            outcomes.append("ok")
        except CloudError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=demote, args=(user_id,)) for user_id in (root, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["last_admin", "ok"]


def test_delete(bench: Bench) -> None:
    """An account with VMs or images stays; a deleted one's login is free."""
    node_id = bench.node()
    storage_id = bench.storage(node_id)
    user_id = bench.user.account_id
    bench.image(storage_id)
    before = bench.trace()
    with pytest.raises(InUse) as refused:
        bench.call("admin.user.delete", user_id=user_id)
    assert refused.value.users == "0 VMs and 1 images"
    assert bench.trace() == before
    bench.change("UPDATE image SET deleted_at = now(), volume_id = NULL")
    bench.call("admin.user.delete", user_id=user_id)
    with pytest.raises(ObjectNotFound):
        bench.call("admin.user.get_by_id", user_id=user_id)
    bench.call("admin.user.add", login="ala")


def test_quota(bench: Bench) -> None:
    """Quota, usage and what is left; both of CC1's names tell the same."""
    bench.change("UPDATE account SET used_cpu = 25 WHERE login = 'ala'")
    own = bench.call("user.user.check_quota", by=bench.user)
    assert own == bench.call("admin.user.check_quota", user_id=bench.user.account_id)
    assert (own["quota_cpu"], own["used_cpu"], own["free_cpu"], own["free_vms"]) == (20, 25, 0, 20)
    assert bench.call("user.account.get", by=bench.user)["login"] == "ala"


def test_quota_race(bench: Bench) -> None:
    """Many who claim at once get exactly what the quota allows."""
    outcomes: list[str] = []

    def claim() -> None:
        try:
            bench.database.transact_now(lambda session: claim_quota(session, bench.user.account_id, cpu=3))
            outcomes.append("ok")
        except QuotaReached:
            outcomes.append("reached")

    threads = [threading.Thread(target=claim) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("ok") == 6  # of 20 CPUs
    assert bench.call("user.account.get", by=bench.user)["used_cpu"] == 18


# ------------------------------------------------------------------ passwords


def test_password(wire: Wire) -> None:
    """A right password is recognised, and remembered without a query; a wrong one is not."""
    bench = wire.bench
    bench.call("admin.user.set_password", user_id=bench.user.account_id, new_password=PASSWORD)
    identity = wire.password("ala")
    assert identity == Identity(bench.user.account_id, "ala", frozenset({Role.USER}), source="password")
    assert wire.queries(lambda: wire.password("ala")) == 0
    for login, password in (("ala", "wrong"), ("nobody", PASSWORD), ("root", PASSWORD)):
        with pytest.raises(NotAuthenticated):
            wire.password(login, password)
    wire.now += 31
    assert wire.queries(lambda: wire.password("ala")) == 3
    assert ended(wire.made.authenticate(None, "")) is ANONYMOUS


def test_unknown_login(wire: Wire) -> None:
    """A login that does not exist takes the same steps: one query, one hash."""

    def refused(login: str) -> None:
        with pytest.raises(NotAuthenticated):
            wire.password(login)

    wire.bench.call("admin.user.set_password", user_id=wire.bench.admin.account_id, new_password="another password")
    assert wire.queries(lambda: refused("nobody")) == wire.queries(lambda: refused("root")) == 2


def test_password_changed(wire: Wire) -> None:
    """Old password and old sessions end with the notification of the change."""
    bench = wire.bench
    bench.call("admin.user.set_password", user_id=bench.user.account_id, new_password=PASSWORD)
    wire.password("ala")
    session = bench.anonymous("guest.session.login", login="ala", password=PASSWORD)
    assert wire.token(session["token"]).account_id == bench.user.account_id
    with pytest.raises(NotAuthenticated):
        bench.call("user.account.set_password", by=bench.user, old_password="wrong one", new_password="next password")
    with pytest.raises(InvalidParameter):
        bench.call("user.account.set_password", by=bench.user, old_password=PASSWORD, new_password="short")
    bench.call("user.account.set_password", by=bench.user, old_password=PASSWORD, new_password="next password")
    wire.heard()
    for stale in (lambda: wire.password("ala"), lambda: wire.token(session["token"])):
        with pytest.raises(NotAuthenticated):
            stale()
    assert wire.password("ala", "next password").login == "ala"


def test_stale_read(wire: Wire) -> None:
    """What was read before a notification that comes during the check is not kept."""
    bench = wire.bench
    bench.call("admin.user.set_password", user_id=bench.user.account_id, new_password=PASSWORD)
    passwords = bench.services.gate.passwords
    verify = passwords.verify

    def interrupted(stored: str | None, password: str) -> bool:
        wire.made.account_changed(str(bench.user.account_id))
        return bool(verify(stored, password))

    passwords.verify = interrupted
    wire.password("ala")
    assert wire.queries(lambda: wire.password("ala")) == 3


def test_throttle(wire: Wire) -> None:
    """After ten wrong passwords even the right one waits."""
    wire.bench.call("admin.user.set_password", user_id=wire.bench.user.account_id, new_password=PASSWORD)
    for _ in range(10):
        with pytest.raises(NotAuthenticated):
            wire.password("ala", "wrong")
    with pytest.raises(TooManyLogins):
        wire.password("ala")
    wire.now += 60
    wire.password("ala")


def test_blocked(wire: Wire) -> None:
    """A blocked account is told so, by password and by session, and only with the right one."""
    bench = wire.bench
    bench.call("admin.user.set_password", user_id=bench.user.account_id, new_password=PASSWORD)
    session = bench.anonymous("guest.session.login", login="ala", password=PASSWORD)
    bench.call("admin.user.edit", user_id=bench.user.account_id, active=False)
    wire.heard()
    with pytest.raises(AccountBlocked):
        wire.password("ala")
    with pytest.raises(AccountBlocked):
        wire.token(session["token"])
    with pytest.raises(NotAuthenticated):
        wire.password("ala", "wrong")
    with pytest.raises(AccountBlocked):
        bench.anonymous("guest.session.login", login="ala", password=PASSWORD)


# ------------------------------------------------------------------ tokens


def test_session(wire: Wire, tmp_path: Path) -> None:
    """A session lives for twelve hours, costs no query, and carries the account's role of now."""
    bench = wire.bench
    bench.call("admin.user.set_password", user_id=bench.admin.account_id, new_password=PASSWORD)
    session = bench.anonymous("guest.session.login", login="root", password=PASSWORD)
    identity = wire.token(session["token"])
    assert (identity.account_id, identity.roles) == (bench.admin.account_id, {Role.USER, Role.ADMIN})
    assert wire.queries(lambda: wire.token(session["token"])) == 0
    wire.wall += 12 * 3600 + 6
    with pytest.raises(NotAuthenticated):
        wire.token(session["token"])
    mode = (tmp_path / "session.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_session_key(tmp_path: Path) -> None:
    """Whoever asks gets the one key; something else in its place is refused."""
    found = []
    make = partial(ensure_signing_key, tmp_path / "k", "session")
    threads = [threading.Thread(target=lambda: found.append(make())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.key_id for key in found}) == 1 and len(found) == 8
    assert [entry.name for entry in tmp_path.iterdir()] == ["k"]
    (tmp_path / "bad").write_text("nonsense")
    with pytest.raises(ValueError):
        ensure_signing_key(tmp_path / "bad", "session")


def test_cloud_manager(wire: Wire) -> None:
    """A cloud manager's caller gets an account with default quotas, once; roles are those of the token."""
    bench = wire.bench
    identity = wire.from_clm(17, "jan")
    row = bench.call("admin.user.get_by_id", user_id=identity.account_id)
    assert (row["origin"], row["external_id"], row["login"], row["quota_cpu"]) == ("clm", "17", "jan", 20)
    assert identity.roles == {Role.USER}
    assert wire.queries(lambda: wire.from_clm(17, "jan")) == 0
    admin = wire.from_clm(17, "jan", Role.USER, Role.ADMIN, Role.NODE)
    assert (admin.account_id, admin.roles) == (identity.account_id, {Role.USER, Role.ADMIN})
    # A local account of the same login is another one.
    assert wire.from_clm(18, "ala").account_id != bench.user.account_id
    assert wire.from_clm(17, "janek").account_id == identity.account_id
    assert bench.call("admin.user.get_by_id", user_id=identity.account_id)["login"] == "janek"
    with pytest.raises(NotLocal):
        bench.call("admin.user.set_password", user_id=identity.account_id, new_password=PASSWORD)
    with pytest.raises(NotLocal):
        bench.call("admin.user.edit", user_id=identity.account_id, is_admin=True)
    bench.call("admin.user.edit", user_id=identity.account_id, active=False)
    wire.heard()
    with pytest.raises(AccountBlocked):
        wire.from_clm(17, "janek")


def test_cloud_manager_race(wire: Wire) -> None:
    """Many first calls at once make one account."""
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(wire.from_clm(17, "jan").account_id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_forged(wire: Wire) -> None:
    """A cloud manager cannot speak for the cluster's own accounts, nor for another cluster."""
    wire.clm._issuer = "cm:krakow"
    with pytest.raises(NotAuthenticated):
        wire.from_clm(wire.bench.admin.account_id, "root", Role.ADMIN)
    wire.clm._issuer = "clm"
    with pytest.raises(NotAuthenticated):
        wire.token(wire.clm.sign(Identity(1, "x", frozenset({Role.USER})), "warszawa"))
    with pytest.raises(NotAuthenticated):
        wire.token("nonsense")


def test_get_info(bench: Bench) -> None:
    """Anybody may ask for the name, the version and the time."""
    info = bench.anonymous("guest.cluster.get_info")
    assert info["name"] == "krakow" and set(info) == {"name", "version", "protocol", "time"}


def test_notified(database_url: str, tmp_path: Path) -> None:
    """In a whole process a blocked account's password and session end by the notification, long before they would."""
    cloud = MemoryCloud(database_url, tmp_path)
    try:
        cloud.call("admin.user.set_password", [cloud.user_id, PASSWORD], account="admin")
        session = cloud.call("guest.session.login", ["user", PASSWORD])
        made = cloud.manager.services.authenticator
        credentials = (PasswordCredentials("user", Secret(PASSWORD)), TokenCredentials(Secret(session["token"])))
        for each in credentials:
            assert run(partial(made.authenticate, each, "192.0.2.9")).account_id == cloud.user_id
        cloud.call("admin.user.edit", {"user_id": cloud.user_id, "active": False}, account="admin")
        deadline = time.monotonic() + 3
        for each in credentials:
            while time.monotonic() < deadline:
                try:
                    run(partial(made.authenticate, each, "192.0.2.9"))
                except AccountBlocked:
                    break
                time.sleep(0.01)
            else:
                raise AssertionError("it is still let in")
    finally:
        cloud.stop()
