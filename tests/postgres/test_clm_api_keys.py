"""Keys for programs: what they open, for how long, and what they never do."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clm.rules.permission import PermissionNeeded
from clm.rules.scope import SESSION_ONLY, ScopeNeeded, SessionNeeded
from clm.services.api_key import TooManyApiKeys
from cm.rpc.errors import (
    AccountBlocked,
    CloudError,
    InvalidParameter,
    NameTaken,
    NotAuthenticated,
    ObjectNotFound,
)
from support.clm import CloudBench
from support.clm_wire import REMOTE, Wire
from support.cloud import run
from support.wait import until


@pytest.fixture
def wire(bench: CloudBench) -> Wire:
    return Wire(bench)


def create(wire: Wire, *scope: str, name: str = "robot", login: str = "ann", **more: Any) -> Any:
    return wire.bench.call("user.api_key.create", {"name": name, "scope": list(scope) or ["all"], **more}, login=login)


def ec2(wire: Wire, access_key: str) -> Any:
    return run(lambda: wire.made.by_ec2_key(access_key, REMOTE))


def test_key(wire: Wire) -> None:
    """A key is told once, kept as a hash, and opens what its user may; calls with it cost no query."""
    made = create(wire)
    assert re.fullmatch(r"wak_[A-Za-z0-9_-]{43}", made["key"]) and made["access_key"] == made["key"][:16]
    identity = wire.bearer(made["key"])
    assert (identity.login, identity.scope, identity.api_key_id) == ("ann", ("all",), made["api_key_id"])
    assert wire.call(identity, "user.account.get")["login"] == "ann"
    before = wire.reads
    assert wire.bearer(made["key"]) == identity
    assert wire.reads == before
    secret = made.pop("key")
    listed = until(lambda: [each for each in wire.bench.call("user.api_key.get_list") if each["used"]])
    assert listed == [{**made, "used": listed[0]["used"]}]
    for table in ("api_key", "audit", "change"):
        assert secret[16:] not in str(wire.bench.sql(f"SELECT string_agg({table}::text, '') FROM {table}"))
    with pytest.raises(NotAuthenticated):
        wire.bearer(secret[:-1] + ("A" if secret[-1] != "A" else "B"))
    assert wire.bench.call("user.api_key.get_list", login="bob") == []


def test_scope(wire: Wire) -> None:
    """A key does what its scope names, on views of the cloud and on ones that are passed on; guests' views are open."""
    reader = wire.bearer(create(wire, "read")["key"])
    assert wire.call(reader, "user.session.get_list") == []
    assert wire.call(reader, "guest.cloud.get_info")["name"] == "cloud"
    for method, arguments in (("user.key.generate", ["k"]), ("user.session.logout", []), ("user.vm.destroy", [[1]])):
        with pytest.raises(ScopeNeeded) as refused:
            wire.call(reader, method, arguments)
        assert refused.value.method == method
    keys = wire.bearer(create(wire, "user.key.*", name="keys")["key"])
    assert wire.call(keys, "user.key.generate", ["k"])["name"] == "k"
    with pytest.raises(ScopeNeeded):
        wire.call(keys, "user.vm.get_list")
    with pytest.raises(ScopeNeeded):
        wire.call(keys, "user.account.get")


def test_session_only(wire: Wire) -> None:
    """Nothing that a key could make itself more with is open to one, whatever its scope."""
    identity = wire.bearer(create(wire, "all", "*", login="admin")["key"])
    arguments: dict[str, Any] = {
        "user.api_key.create": ["x", ["all"]],
        "user.api_key.delete": [1],
        "user.account.set_password": ["a", "b"],
        "user.account.edit": [],
        "user.totp.begin": [],
        "user.totp.confirm": ["123456"],
        "user.totp.disable": ["123456", "a"],
        "admin.administrator.add": ["alpha", 1],
        "cloud.user.set_admin": [1, True],
        "cloud.user.set_password": [1, "a"],
        "cloud.user.reset_totp": [1],
    }
    assert set(arguments) == SESSION_ONLY
    for method, params in arguments.items():
        with pytest.raises(SessionNeeded):
            wire.call(identity, method, params)


def test_permission(wire: Wire) -> None:
    """A key gives no permission that its user lacks, and the views that are passed on ask for theirs, too."""
    key = create(wire)["key"]
    assert "cloud_create" in wire.bearer(key).permissions
    wire.bench.call("cloud.user.set_permissions", [wire.bench.ids["ann"], []], login="admin")
    until(lambda: wire.bearer(key).permissions == frozenset())
    with pytest.raises(PermissionNeeded) as refused:
        wire.bench.call("user.vm.create", {"name": "x", "image_id": 1, "template_id": 1})
    assert refused.value.permission == "cloud_create"


def test_ends(wire: Wire) -> None:
    """Deleted, expired, or its user blocked: it opens nothing, at once; a new password leaves it."""
    key, other = create(wire), create(wire, name="other")
    wire.bearer(key["key"])
    with pytest.raises(ObjectNotFound):
        wire.bench.call("user.api_key.delete", [key["api_key_id"]], login="bob")
    wire.bench.call("user.api_key.delete", [key["api_key_id"]])
    wire.ends(lambda: wire.bearer(key["key"]))
    wire.bench.call("cloud.user.set_password", [wire.bench.ids["ann"], "another horse"], login="admin")
    assert wire.bearer(other["key"]).login == "ann"
    wire.bench.call("cloud.user.block", [wire.bench.ids["ann"], True], login="admin")
    wire.ends(lambda: wire.bearer(other["key"]), AccountBlocked)
    brief = create(wire, name="brief", expires_days=1, login="bob")
    assert wire.bearer(brief["key"]).login == "bob"
    wire.wall += 86_401
    with pytest.raises(NotAuthenticated):
        wire.bearer(brief["key"])


def test_ec2(wire: Wire) -> None:
    """An EC2 pair: as EC2 clients know them; the secret is sealed and read again; it is no bearer token."""
    made = create(wire, "user.vm.*", ec2=True)
    assert re.fullmatch(r"WAKI[A-Z0-9]{16}", made["access_key"]) and re.fullmatch(
        r"[A-Za-z0-9]{40}", made["secret_key"]
    )
    assert made["ec2"] and "key" not in made
    identity, secret = ec2(wire, made["access_key"])
    assert secret.reveal() == made["secret_key"] and identity.scope == ("user.vm.*",) and identity.login == "ann"
    before = wire.reads
    assert ec2(wire, made["access_key"]) == (identity, secret)
    assert wire.reads == before
    assert made["secret_key"] not in str(wire.bench.sql("SELECT string_agg(api_key::text, '') FROM api_key"))
    for token in (made["secret_key"], made["access_key"]):
        with pytest.raises(NotAuthenticated):
            wire.bearer(token)
    bearer = create(wire, name="other")["access_key"]
    for unknown in ("", "WAKI" + "A" * 16, bearer, "AKIAIOSFODNN7EXAMPLE"):
        with pytest.raises(NotAuthenticated):
            ec2(wire, unknown)
    wire.bench.call("user.api_key.delete", [made["api_key_id"]])
    wire.ends(lambda: ec2(wire, made["access_key"]))


def test_limits(wire: Wire) -> None:
    """Names are a user's own; their number is bounded, also for many at once; a scope has to make sense."""
    create(wire)
    with pytest.raises(NameTaken):
        create(wire)
    create(wire, login="bob")
    for scope in (["nonsense word"], ["a.b.c.d"], [""]):
        with pytest.raises(InvalidParameter) as refused:
            create(wire, *scope, name="x")
        assert refused.value.parameter.startswith("scope")
    wire.bench.sql(
        "INSERT INTO api_key (user_id, name, access_key, scope) SELECT :u, n::text, n::text, '{}'"
        " FROM generate_series(1, 47) n",
        u=wire.bench.ids["ann"],
    )

    def go(number: int) -> str:
        try:
            return str(create(wire, name=f"at once {number}")["ec2"])
        except TooManyApiKeys as error:
            return error.code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(go, range(5))) == ["False"] * 2 + ["api_key_limit"] * 3


def test_still_good(wire: Wire) -> None:
    """A connection by a key ends with the key."""
    made = create(wire)
    identity = wire.bearer(made["key"])
    assert run(lambda: wire.made.still_good(identity))
    wire.bench.call("user.api_key.delete", [made["api_key_id"]])
    assert not run(lambda: wire.made.still_good(identity))


def test_wrong_call(wire: Wire) -> None:
    """Numbers of days that make no date are refused."""
    for days in (0, -1, 4000):
        with pytest.raises(CloudError):
            create(wire, name="x", expires_days=days)


def test_keys_make_no_administrators(wire: Wire) -> None:
    """With whatever scope, a key makes nobody an administrator, and sends nobody's new password elsewhere."""
    key = create(wire, "cloud.*", "admin.*", login="admin")["key"]
    ann = wire.bench.ids["ann"]
    for method, params in (
        ("cloud.user.add", {"login": "eve", "is_cloud_admin": True}),
        ("cloud.user.edit", {"user_id": ann, "email": "eve@example.org"}),
        ("admin.administrator.add", {"cluster": "alpha", "user_id": ann}),
    ):
        with pytest.raises(SessionNeeded):
            wire.call(wire.bearer(key), method, params)
    assert wire.call(wire.bearer(key), "cloud.user.add", {"login": "eve"})["is_cloud_admin"] is False
    kept = {"user_id": ann, "email": "ann@example.org", "first_name": "Anna"}
    assert wire.call(wire.bearer(key), "cloud.user.edit", kept)["first_name"] == "Anna"
