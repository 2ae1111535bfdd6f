"""People who register: confirmed by mail, activated, let lapse."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from accounts_bench import PASSWORD, Make, admin, guest, log_in, make_accounts, register, row

from clm.services.registration import RegistrationClosed, prune_registrations
from clm.services.token import OneTimeTokenRefused
from cm.rpc.caller import ANONYMOUS, Control
from cm.rpc.codec import plain
from cm.rpc.errors import CloudError, InvalidParameter, NameTaken
from support.clm_mail import outbox
from support.cloud import run
from support.wait import until

make = make_accounts


def test_confirm_and_activate(make: Make) -> None:
    """Registered, confirmed by the mailed token, activated by an administrator who was mailed; then let in."""
    bench = make()
    bench.sql("INSERT INTO cluster (name, url, locked) VALUES ('old', 'http://127.0.0.1:1', true)")
    krakow = bench.sql("INSERT INTO cluster (name, url) VALUES ('krakow', 'http://127.0.0.1:1') RETURNING id")
    answer = register(bench)
    assert answer == {"user_id": None, "state": "mail_confirmation"}
    with pytest.raises(CloudError) as waiting:
        log_in(bench, "jan")
    assert waiting.value.code == "account_inactive"
    (mail,) = outbox(bench)
    assert (mail.recipient, mail.template) == ("jan@example.net", "activation") and "jan" in mail.body
    assert guest(bench, "check_token", mail.token)["purpose"] == "activation"
    assert guest(bench, "activate", mail.token) == {"state": "admin_confirmation"}
    notice = outbox(bench)[-1]
    assert (notice.recipient, notice.template) == ("admin@example.org", "admin_notice")
    assert row(bench, "jan")["state"] == "confirmed"
    user = admin(bench, "user.activate", [row(bench, "jan")["user_id"]])
    assert (user["state"], user["default_cluster_id"]) == ("active", krakow) and user["activated"] is not None
    assert outbox(bench)[-1].template == "activated"
    assert log_in(bench, "jan")["roles"] == ["user"]
    told = bench.sql("SELECT count(*) FROM cluster_account WHERE user_id = :u", u=user["user_id"])
    assert told == 2  # a locked cluster hears of them once it is unlocked


def test_auto_activation(make: Make) -> None:
    """Where the settings allow it a confirmed address is enough."""
    bench = make(auto_activation=True)
    register(bench)
    assert guest(bench, "activate", outbox(bench)[0].token) == {"state": "completed"}
    assert log_in(bench, "jan")["login"] == "jan"
    assert [mail.template for mail in outbox(bench)] == ["activation"]


@pytest.mark.parametrize(("auto", "state"), [(True, "completed"), (False, "admin_confirmation")])
def test_no_mailer(make: Make, auto: bool, state: str) -> None:
    """Without a mailer nothing is to be confirmed."""
    bench = make(mail=False, auto_activation=auto)
    answer = register(bench)
    assert answer == {"user_id": row(bench, "jan")["user_id"], "state": state}
    # An address that nobody proves is nobody's to lose: the second one goes without, and is not told.
    assert register(bench, "ola", "JAN@example.net")["state"] == state
    assert row(bench, "ola")["email"] == "" and row(bench, "jan")["email"] == "jan@example.net"
    assert guest(bench, "is_mailer_active") == {"mailer_active": False, "contact_email": "help@example.org"}


def test_closed(make: Make) -> None:
    bench = make(registration=False)
    with pytest.raises(RegistrationClosed):
        register(bench)
    assert bench.call("guest.cloud.get_info", login=None)["registration"] == "closed"


def test_known_address(make: Make) -> None:
    """An address that is known is answered as a new one is; its owner hears of it, and nothing is made."""
    bench = make()
    before = bench.sql("SELECT count(*) FROM user_account")
    assert register(bench, "jan", "ANN@example.org") == register(bench, "ola", "new@example.net")
    assert bench.sql("SELECT count(*) FROM user_account") == before + 1
    taken, activation = outbox(bench)
    assert (taken.recipient, taken.template) == ("ANN@example.org", "email_taken") and "ann" in taken.body
    assert activation.recipient == "new@example.net"
    with pytest.raises(NameTaken) as refused:
        register(bench, "ANN", "other@example.net")
    assert refused.value.kind == "user"
    assert guest(bench, "exists", "Ann") and not guest(bench, "exists", "jan")
    assert guest(bench, "email_exists", "Ann@Example.org") and not guest(bench, "email_exists", "x@example.net")


def test_race(make: Make) -> None:
    """Of many who register one login at once one gets it; of one address likewise, and the others are not told."""
    bench = make()
    outcomes: list[str] = []

    def go(login: str, email: str) -> None:
        try:
            outcomes.append(register(bench, login, email)["state"])
        except CloudError as error:
            outcomes.append(error.code)

    def all_at_once(names: list[tuple[str, str]]) -> list[str]:
        outcomes.clear()
        threads = [threading.Thread(target=go, args=name) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(outcomes)

    assert all_at_once([("jan", f"jan{n}@example.net") for n in range(6)]) == ["mail_confirmation"] + ["name_taken"] * 5
    before = bench.sql("SELECT count(*) FROM user_account")
    assert all_at_once([(f"ola{n}", "ola@example.net") for n in range(3)]) == ["mail_confirmation"] * 3
    assert bench.sql("SELECT count(*) FROM user_account") == before + 1


def test_lapsed(make: Make) -> None:
    """A registration that nobody confirmed in time takes neither login nor address from others."""
    bench = make()
    register(bench)
    with pytest.raises(NameTaken):
        register(bench)
    bench.sql("UPDATE user_account SET created_at = now() - interval '25 hours' WHERE login = 'jan'")
    assert register(bench)["state"] == "mail_confirmation"
    assert bench.sql("SELECT count(*) FROM user_account WHERE login = 'jan' AND deleted_at IS NULL") == 1


def test_lapsed_of_another(make: Make) -> None:
    """Somebody who registers ends no lapsed registration but that of the same login or address."""
    bench = make()
    for login in ("jan", "ola", "ewa"):
        register(bench, login=login, email=f"{login}@example.net")
    bench.sql("UPDATE user_account SET created_at = now() - interval '25 hours' WHERE login IN ('jan', 'ola', 'ewa')")
    register(bench, login="jan", email="new@example.net")
    register(bench, login="iga", email="ola@example.net")
    left = bench.sql(
        "SELECT string_agg(email, ' ' ORDER BY email) FROM user_account WHERE deleted_at IS NULL AND email LIKE '%.net'"
    )
    assert left == "ewa@example.net new@example.net ola@example.net"


def test_lapsed_go(make: Make) -> None:
    """Registrations that nobody confirmed in time are deleted by themselves; others are not."""
    bench = make()
    for login in ("jan", "ola", "ewa"):
        register(bench, login=login, email=f"{login}@example.net")
    bench.sql("UPDATE user_account SET created_at = now() - interval '25 hours' WHERE login IN ('jan', 'ola', 'bob')")
    bench.sql(
        "UPDATE one_time_token t SET expires_at = now() - interval '1 hour' FROM user_account u"
        " WHERE u.id = t.user_id AND u.login = 'jan'"
    )
    assert bench.manager.database.transact_now(prune_registrations, bench.manager.policy) == 1
    left = bench.sql("SELECT string_agg(login, ' ' ORDER BY login) FROM user_account WHERE deleted_at IS NULL")
    assert left == "admin ann bob ewa ola"
    assert bench.sql("SELECT password_hash FROM user_account WHERE login = 'jan'") is None


def test_guests_share_no_request_ids(make: Make) -> None:
    """What a guest was answered is no other guest's, and an id that one used is free for another."""
    bench = make()
    told = {"login": "jan", "email": "jan@example.net", "password": PASSWORD}

    def ask(remote: str, **more: Any) -> Any:
        view = bench.manager.registry.get("guest.user.register")
        arguments, controls = view.bind({**told, **more, "request_id": "r-1"})
        control = Control("call", remote=remote, **controls)
        return plain(run(lambda: bench.manager.executor.execute(view, ANONYMOUS, arguments, control)))

    first = ask("192.0.2.1")
    assert ask("192.0.2.1") == first
    with pytest.raises(NameTaken):
        ask("192.0.2.2")
    assert ask("192.0.2.3", login="ola", email="ola@example.net")["state"] == first["state"]


@pytest.mark.parametrize("token", ["", "x" * 43, "A" * 101])
def test_wrong_token(make: Make, token: str) -> None:
    """An unknown or empty token changes nobody: not the administrator, who has none."""
    bench = make()
    bench.sql("INSERT INTO one_time_token (user_id, purpose, token_hash, expires_at) VALUES (:u, 'activation', '',"
              " now() + interval '1 day')", u=bench.ids["admin"])  # fmt: skip
    before = bench.sql("SELECT string_agg(state || version, ',' ORDER BY id) FROM user_account")
    for method, more in (("activate", ()), ("check_token", ()), ("set_password_token", (PASSWORD,))):
        with pytest.raises((OneTimeTokenRefused, InvalidParameter)):
            guest(bench, method, token, *more)
    assert bench.sql("SELECT string_agg(state || version, ',' ORDER BY id) FROM user_account") == before


def test_token_once(make: Make) -> None:
    """A token is good once, until it expires, for its purpose; the next one replaces it; only its hash is stored."""
    bench = make()
    register(bench)
    first = outbox(bench)[0].token
    assert bench.sql("SELECT count(*) FROM one_time_token WHERE one_time_token::text LIKE :t", t=f"%{first}%") == 0
    guest(bench, "reset_password_mail", "jan@example.net")  # one who never confirmed lacks that mail
    until(lambda: len(outbox(bench, "activation")) == 2)
    second = outbox(bench)[1].token
    for token, method, more in (
        (first, "activate", ()),
        (second, "set_password_token", ("another password",)),
    ):
        with pytest.raises(OneTimeTokenRefused):
            guest(bench, method, token, *more)
    bench.sql("UPDATE one_time_token SET expires_at = now()")
    with pytest.raises(OneTimeTokenRefused):
        guest(bench, "activate", second)
    bench.sql("UPDATE one_time_token SET expires_at = now() + interval '1 hour'")
    outcomes: list[str] = []

    def go() -> None:
        try:
            outcomes.append(guest(bench, "activate", second)["state"])
        except CloudError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=go) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["admin_confirmation"] + ["one_time_token_refused"] * 4
    assert row(bench, "jan")["state"] == "confirmed"


@pytest.mark.parametrize(
    ("login", "password"),
    [("jan", "short"), ("jankowalski", "JanKowalski"), ("jan", "password"), ("jan", "1Q2w3e4r"), ("jan", "abababab")],
)
def test_weak_password(make: Make, login: str, password: str) -> None:
    """Too short, the login, or what everybody would try: refused when registering and whenever one is set."""
    bench = make()
    calls: list[Callable[[], Any]] = [
        lambda: register(bench, login, password=password),
        lambda: admin(bench, "user.add", {"login": login, "password": password}),
    ]
    for call in calls:
        with pytest.raises(InvalidParameter) as refused:
            call()
        assert refused.value.parameter == "password"
    assert bench.sql("SELECT count(*) FROM user_account") == 3


@pytest.mark.parametrize("email", ["jan", "jan@localhost", "a b@c.d", "jan@example.org\nBcc: x@y.z", "@c.d", "a@b..c"])
def test_wrong_address(make: Make, email: str) -> None:
    bench = make()
    with pytest.raises(InvalidParameter) as refused:
        register(bench, "jan", email)
    assert refused.value.parameter == "email"
