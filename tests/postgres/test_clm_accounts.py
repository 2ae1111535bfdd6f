"""People: edited, blocked, deleted, made administrators; passwords changed and forgotten; what is not told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from accounts_bench import PASSWORD, Make, admin, guest, log_in, make_accounts, register

from clm.rules.permission import PermissionNeeded
from clm.rules.user import WrongUserState
from clm.services.token import OneTimeTokenRefused
from clm.services.user import LastCloudAdmin
from cm.rpc.errors import (
    AccountBlocked,
    CloudError,
    InUse,
    InvalidParameter,
    NameTaken,
    NotAuthenticated,
    ObjectNotFound,
    RoleNeeded,
    Unavailable,
    VersionChanged,
)
from support.clm import CloudBench
from support.clm_mail import outbox
from support.federation import federated
from support.wait import until

make = make_accounts


# ------------------------------------------------------------------ passwords


def with_password(bench: CloudBench, login: str = "ann", password: str = PASSWORD) -> None:
    admin(bench, "user.set_password", [bench.ids[login], password])


def test_forgotten(make: Make) -> None:
    """A new password by mail: the old one and all sessions end, the token is used up."""
    bench = make()
    with_password(bench)
    log_in(bench, "ann")
    assert guest(bench, "reset_password_mail", "Ann@example.org") is None
    (mail,) = until(lambda: outbox(bench, "password_reset"))
    assert mail.recipient == "ann@example.org"
    assert guest(bench, "check_token", mail.token)["purpose"] == "password"
    with pytest.raises(OneTimeTokenRefused):
        guest(bench, "activate", mail.token)
    guest(bench, "reset_password_mail", "ann@example.org")
    until(lambda: len(outbox(bench, "password_reset")) == 2)
    token = outbox(bench)[-1].token
    with pytest.raises(InvalidParameter):
        guest(bench, "set_password_token", token, "password")
    assert guest(bench, "set_password_token", token, "another horse") is None
    assert bench.sql("SELECT count(*) FROM user_session") == 0
    until(lambda: refused(bench, "ann", PASSWORD))
    assert log_in(bench, "ann", "another horse")["login"] == "ann"
    for used in (mail.token, token):
        with pytest.raises(OneTimeTokenRefused):
            guest(bench, "set_password_token", used, "a third horse")


def refused(bench: CloudBench, login: str, password: str) -> bool:
    try:
        log_in(bench, login, password)
    except NotAuthenticated:
        return True
    return False


def test_forgotten_by_nobody(make: Make) -> None:
    """Asking for an address that nobody has is answered in the same way, before either is looked at; none is mailed."""
    bench = make()
    bench.sql("UPDATE user_account SET state = 'blocked' WHERE login = 'bob'")
    for email in ("nobody@example.net", "bob@example.org", "ann@example.org"):
        assert guest(bench, "reset_password_mail", email) is None
    (mail,) = until(lambda: outbox(bench))
    assert mail.recipient == "ann@example.org"


def test_own_password(make: Make) -> None:
    """The old one is needed; the sessions of others who have it end, and so do tokens that were mailed."""
    bench = make()
    with_password(bench)
    guest(bench, "reset_password_mail", "ann@example.org")
    (mail,) = until(lambda: outbox(bench))
    log_in(bench, "ann")
    with pytest.raises(NotAuthenticated):
        bench.call("user.account.set_password", ["wrong horse", "another horse"])
    with pytest.raises(InvalidParameter):
        bench.call("user.account.set_password", [PASSWORD, "ann"])
    bench.call("user.account.set_password", [PASSWORD, "another horse"])
    assert bench.sql("SELECT count(*) FROM user_session") == 0
    until(lambda: refused(bench, "ann", PASSWORD))
    with pytest.raises(OneTimeTokenRefused):
        guest(bench, "set_password_token", mail.token, "a third horse")
    codes = []
    for _ in range(13):
        with pytest.raises(CloudError) as error:
            bench.call("user.account.set_password", ["wrong horse", "another horse"])
        codes.append(error.value.code)
    assert codes[0] == "not_authenticated" and codes[-1] == "too_many_logins"


def test_secrets_are_untold(make: Make) -> None:
    """No password, token or hash in the audit, in kept answers, in the feed or in what views show."""
    bench = make()
    register(bench)
    token = outbox(bench)[0].token
    guest(bench, "activate", token)
    with_password(bench, password="a very secret one")
    guest(bench, "reset_password_mail", "ann@example.org")
    reset = until(lambda: outbox(bench, "password_reset"))[0].token
    guest(bench, "set_password_token", reset, "a very secret two")
    stored = "".join(
        str(bench.sql(f"SELECT string_agg({table}::text, '') FROM {table}")) for table in ("audit", "change", "request")
    )
    shown = str(admin(bench, "user.get_list")) + str(admin(bench, "audit.get_list"))
    for secret in (PASSWORD, token, reset, "very secret", "argon2"):
        assert secret not in stored + shown
    assert "guest.user.set_password_token" in shown


# ------------------------------------------------------------------ own account


def test_account(make: Make) -> None:
    """What people see of themselves, and may change."""
    bench = make()
    krakow = bench.sql("INSERT INTO cluster (name, url) VALUES ('krakow', 'http://127.0.0.1:1') RETURNING id")
    bench.sql("INSERT INTO cluster_admin (cluster_id, user_id) VALUES (:c, :u)", c=krakow, u=bench.ids["ann"])
    account = bench.call("user.account.get")
    assert (account["login"], account["roles"]) == ("ann", ["admin", "user"])
    assert account["administers"] == [{"cluster_id": krakow, "name": "krakow"}]
    assert "cloud_create" in account["permissions"] and "password_hash" not in account
    edited = bench.call("user.account.edit", {"first_name": "Anna", "default_cluster_id": krakow})
    assert (edited["first_name"], edited["last_name"], edited["default_cluster"]) == ("Anna", "Test", "krakow")
    assert bench.sql("SELECT version FROM cluster_account WHERE user_id = :u", u=bench.ids["ann"]) == 1
    with pytest.raises(ObjectNotFound):
        bench.call("user.account.edit", {"default_cluster_id": krakow + 1})
    assert bench.call("user.account.get") == edited


def test_new_address(make: Make) -> None:
    """A new address counts once it has been confirmed; the old one is told. Another's is not told to be that."""
    bench = make()
    before = bench.call("user.account.get")
    assert bench.call("user.account.edit", {"email": "anna@example.net"}) == before
    assert bench.call("user.account.edit", {"email": "BOB@example.org"}) == before
    change, taken = outbox(bench)
    assert (change.recipient, change.template) == ("anna@example.net", "email_change")
    assert (taken.recipient, taken.template) == ("BOB@example.org", "email_taken")
    assert guest(bench, "activate", change.token) == {"state": "completed"}
    assert bench.call("user.account.get")["email"] == "anna@example.net"
    assert (outbox(bench)[-1].recipient, outbox(bench)[-1].template) == ("ann@example.org", "email_changed")
    # Meanwhile taken by somebody else: the token is worth nothing.
    bench.call("user.account.edit", {"email": "third@example.net"})
    token = outbox(bench)[-1].token
    admin(bench, "user.edit", {"user_id": bench.ids["bob"], "email": "third@example.net"})
    with pytest.raises(OneTimeTokenRefused):
        guest(bench, "activate", token)


def test_new_address_unmailed(make: Make) -> None:
    bench = make(mail=False)
    assert bench.call("user.account.edit", {"email": "anna@example.net"})["email"] == "anna@example.net"
    with pytest.raises(NameTaken):
        bench.call("user.account.edit", {"email": "bob@example.org"})


# ------------------------------------------------------------------ administrators


def test_block(make: Make) -> None:
    """Blocked: mailed, kept out at once with password, session and all; unblocked, sessions do not come back."""
    bench = make()
    bench.sql("INSERT INTO cluster (name, url) VALUES ('krakow', 'http://127.0.0.1:1')")
    with_password(bench)
    log_in(bench, "ann")
    ann = bench.ids["ann"]
    assert admin(bench, "user.block", [ann, True])["state"] == "blocked"
    assert bench.sql("SELECT count(*) FROM user_session") == 0
    with pytest.raises(AccountBlocked):
        log_in(bench, "ann")
    with pytest.raises(WrongUserState):
        admin(bench, "user.block", [ann, True])
    version = bench.sql("SELECT version FROM cluster_account WHERE user_id = :u", u=ann)
    assert admin(bench, "user.block", [ann, False])["state"] == "active"
    assert bench.sql("SELECT version FROM cluster_account WHERE user_id = :u", u=ann) == version + 1
    assert [mail.template for mail in outbox(bench)] == ["blocked", "unblocked"]
    until(lambda: not refused_or_blocked(bench))
    with pytest.raises(WrongUserState):
        admin(bench, "user.activate", [ann])


def refused_or_blocked(bench: CloudBench) -> bool:
    try:
        log_in(bench, "ann")
    except CloudError:
        return True
    return False


def test_last_admin(make: Make) -> None:
    """The last administrator of the cloud stays one; of two who depose each other at once one stays."""
    bench = make()
    me, ann = bench.ids["admin"], bench.ids["ann"]
    for method, arguments in (("set_admin", [me, False]), ("block", [me, True]), ("delete", [me])):
        with pytest.raises(LastCloudAdmin):
            admin(bench, f"user.{method}", arguments)
    assert admin(bench, "user.set_admin", [ann, True])["is_cloud_admin"]
    outcomes: list[str] = []

    def depose(login: str, user_id: int) -> None:
        try:
            bench.call("cloud.user.set_admin", [user_id, False], login=login)
            outcomes.append("ok")
        except CloudError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=depose, args=each) for each in (("admin", ann), ("ann", me))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("ok") == 1
    assert bench.sql("SELECT count(*) FROM user_account WHERE is_cloud_admin") == 1


def test_add_and_edit(make: Make) -> None:
    """An administrator adds people, who are active at once, and changes what is theirs; versions settle races."""
    bench = make()
    bench.sql("INSERT INTO cluster (name, url) VALUES ('krakow', 'http://127.0.0.1:1')")
    user = admin(bench, "user.add", {"login": "ola", "email": "ola@example.net", "password": PASSWORD})
    assert user["state"] == "active" and log_in(bench, "ola")["user_id"] == user["user_id"]
    for taken, kind in (({"login": "OLA"}, "user"), ({"login": "jan", "email": "OLA@example.net"}, "email")):
        with pytest.raises(NameTaken) as refused:
            admin(bench, "user.add", taken)
        assert refused.value.kind == kind
    edited = admin(bench, "user.edit", {"user_id": user["user_id"], "login": "ola2", "email": ""})
    assert (edited["login"], edited["email"]) == ("ola2", "")
    assert bench.sql("SELECT version FROM cluster_account WHERE user_id = :u", u=user["user_id"]) == 2
    with pytest.raises(NameTaken):
        admin(bench, "user.edit", {"user_id": user["user_id"], "login": "Ann"})
    admin(bench, "user.block", {"user_id": user["user_id"], "block": True, "if_version": edited["version"]})
    with pytest.raises(VersionChanged):
        admin(bench, "user.block", {"user_id": user["user_id"], "block": False, "if_version": edited["version"]})
    assert [each["login"] for each in admin(bench, "user.get_list", {"search": "OLA"})] == ["ola2"]
    assert [each["login"] for each in admin(bench, "user.get_list", {"state": "blocked"})] == ["ola2"]
    assert len(admin(bench, "user.get_list", {"after": bench.ids["ann"], "limit": 1})) == 1
    events = bench.sql(
        "SELECT string_agg(event, ' ' ORDER BY id) FROM change WHERE kind = 'user' AND object_id = :u",
        u=user["user_id"],
    )
    assert events == "enter change change"


def test_delete(make: Make) -> None:
    """Whoever leads a group or has VMs stays; once gone, login and address are free, and the audit remains."""
    bench = make()
    with_password(bench)
    log_in(bench, "ann")
    ann = bench.ids["ann"]
    bench.call("user.key.generate", ["laptop"])
    bench.sql("INSERT INTO user_group (name, leader_id) VALUES ('physics', :u)", u=ann)
    with pytest.raises(InUse) as led:
        admin(bench, "user.delete", [ann])
    assert "physics" in led.value.users
    bench.sql("UPDATE user_group SET deleted_at = now()")

    admin(bench, "user.delete", [ann])
    with pytest.raises(ObjectNotFound):
        admin(bench, "user.get_by_id", [ann])
    until(lambda: refused(bench, "ann", PASSWORD))
    for table in ("user_session", "ssh_key"):
        assert bench.sql(f"SELECT count(*) FROM {table}") == 0
    assert any(entry["user_id"] == ann for entry in admin(bench, "audit.get_list"))
    admin(bench, "user.add", {"login": "ann", "email": "ann@example.org"})


def test_delete_holder(postgres: Any, tmp_path: Path) -> None:
    """Whoever has something on a cluster stays, and so does everybody while a cluster cannot tell."""
    with federated(postgres, tmp_path) as federation:
        bench = federation.bench
        ann, bob = bench.ids["ann"], bench.ids["bob"]
        federation.create("alpha", login="ann")
        with pytest.raises(InUse) as held:
            admin(bench, "user.delete", [ann])
        assert held.value.users.startswith("1 VMs and ") and held.value.users.endswith(" on alpha")
        federation.kill("beta")
        with pytest.raises(Unavailable):
            admin(bench, "user.delete", [bob])
        assert admin(bench, "user.get_by_id", [bob])["state"] == "active"
        federation.revive("beta")
        until(lambda: deleted(bench, bob))
        with pytest.raises(ObjectNotFound):
            admin(bench, "user.get_by_id", [bob])
        waiting = bench.user("jan", state="registered")
        federation.kill("beta")
        assert deleted(bench, waiting)  # no cluster knows them


def deleted(bench: CloudBench, user_id: int) -> bool:
    try:
        admin(bench, "user.delete", [user_id])
    except Unavailable:
        return False
    return True


def test_permissions(make: Make) -> None:
    """A user's own set outweighs the settings'; what it lacks is refused by the name of the permission."""
    bench = make()
    ann = bench.ids["ann"]
    assert {each["name"] for each in admin(bench, "permission.get_list")} >= {"cloud_create", "group_create"}
    assert admin(bench, "user.set_permissions", [ann, ["share"]])["permissions"] == ["share"]
    for method in ("user.api_key.create", "user.group.create"):
        with pytest.raises(PermissionNeeded):
            bench.call(method, {"name": "x", **({"scope": ["all"]} if "key" in method else {"description": ""})})
    with pytest.raises(InvalidParameter):
        admin(bench, "user.set_permissions", [ann, ["fly"]])
    admin(bench, "user.set_permissions", [ann, None])
    bench.call("user.api_key.create", {"name": "x", "scope": ["all"]})


def test_audit(make: Make) -> None:
    """Who did what, by user and by method; refused calls are not in it."""
    bench = make()
    with pytest.raises(NotAuthenticated):
        bench.call("user.account.set_password", ["wrong horse", "another horse"])
    bench.call("user.account.edit", {"first_name": "Anna"})
    admin(bench, "user.block", [bench.ids["bob"], True])
    entries = admin(bench, "audit.get_list")
    assert [(each["login"], each["method"]) for each in entries] == [
        ("admin", "cloud.user.block"),
        ("ann", "user.account.edit"),
    ]
    assert entries[0]["arguments"] == {"user_id": bench.ids["bob"], "block": True}
    assert admin(bench, "audit.get_list", {"user_id": bench.ids["ann"]}) == entries[1:]
    assert admin(bench, "audit.get_list", {"method": "cloud.*"}) == entries[:1]
    assert admin(bench, "audit.get_list", {"before": entries[0]["audit_id"]}) == entries[1:]
    with pytest.raises(RoleNeeded):
        bench.call("cloud.audit.get_list")


def test_add_admin(make: Make) -> None:
    """The command line makes the first administrator, and lets one in again who was locked out."""
    from clm.daemon.administrator import set_administrator

    bench = make()
    engine, policy = bench.manager.database.engine, bench.manager.policy
    assert set_administrator(engine, "root", PASSWORD, policy)
    assert "cloud" in log_in(bench, "root")["roles"]
    bench.sql("UPDATE user_account SET state = 'blocked', totp_confirmed = true WHERE login = 'root'")
    assert not set_administrator(engine, "root", "another horse", policy)
    until(lambda: refused(bench, "root", PASSWORD))
    assert "cloud" in log_in(bench, "root", "another horse")["roles"]
