"""Login by OpenID Connect, against a provider that runs here: who is let in, and what state and code are good for."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from oidc_bench import HERE, Login, Make, encoded, login_fixture, make_fixture, provider_fixture  # noqa: F401

from clm.daemon.settings import MailSettings
from clm.drivers.oidc import ProofRefused, ProviderUnavailable
from clm.services.oidc import AccountWaiting, EmailOfAnother, NotKnown, StateRefused
from clm.services.seal import seal
from cm.rpc.credentials import TokenCredentials
from cm.rpc.errors import AccountBlocked, CloudError, InvalidParameter, ObjectNotFound
from cm.rpc.types import Secret
from cm.runtime.settings import SettingsError
from support.cloud import run

# Nobody listens there: mails stay where they are.
MAIL = MailSettings(host="127.0.0.1", port=1, tls="none", sender="cloud@example.org")

# ------------------------------------------------------------------ who is let in


def test_list(login: Login) -> None:
    """The providers are told to everybody, without anything secret."""
    assert login.bench.call("guest.oidc.get_list", login=None) == [
        {"name": "other", "title": "other"},
        {"name": "test", "title": "The test"},
    ]


def test_a_new_person(login: Login) -> None:
    """Somebody new gets an account of what the provider says, a session that is good, and the same account again."""
    done = login.log_in()
    assert (done["login"], done["roles"]) == ("carol", ["user"])
    assert datetime.fromisoformat(done["expires"]).timestamp() > time.time() + 3600
    row = login.bench.sql("SELECT to_jsonb(u) FROM user_account u WHERE id = :id", id=done["user_id"])
    kept = {name: row[name] for name in ("email", "first_name", "last_name", "state", "oidc_subject", "password_hash")}
    assert kept == {
        "email": "carol@example.net",
        "first_name": "Carol",
        "last_name": "Curie",
        "state": "active",
        "oidc_subject": "1001",
        "password_hash": None,
    }
    authenticator = login.bench.manager.services.authenticator
    identity = run(lambda: authenticator.authenticate(TokenCredentials(Secret(done["token"])), "1.2.3.4"))
    assert identity.account_id == done["user_id"]
    # The provider's subject counts, whatever else it says later.
    login.provider.person.update(preferred_username="caroline", email="other@example.net")
    again = login.log_in()
    assert (again["user_id"], again["login"]) == (done["user_id"], "carol") and again["token"] != done["token"]
    assert login.bench.sql("SELECT count(*) FROM user_account WHERE login LIKE 'carol%'") == 1


def test_what_is_asked(login: Login) -> None:
    """The URL is the provider's, with what was asked for; each login begins with new secrets."""
    first, second = login.begin(), login.begin()
    asked = [{k: v[0] for k, v in parse_qs(urlsplit(begun["url"]).query).items()} for begun in (first, second)]
    assert first["url"].startswith(f"{login.provider.issuer}/authorize?tenant=1&")
    assert asked[0]["redirect_uri"] == HERE and asked[0]["scope"] == "openid email profile"
    assert asked[0]["state"] == first["state"]
    for secret in ("state", "nonce", "code_challenge"):
        assert asked[0][secret] != asked[1][secret]
    assert asked[0]["nonce"] not in base64.urlsafe_b64decode(first["state"] + "==").decode("latin-1")


def test_userinfo(login: Login) -> None:
    """What the ID token lacks is asked for, of somebody new alone; and only the same person's is taken."""
    login.provider.in_token = set()
    done = login.log_in()
    assert done["login"] == "carol" and login.provider.seen.count("/userinfo") == 1
    assert login.bench.sql("SELECT email FROM user_account WHERE id = :i", i=done["user_id"]) == "carol@example.net"
    login.log_in()
    assert login.provider.seen.count("/userinfo") == 1
    login.provider.person = {**login.provider.person, "sub": "1002"}
    login.provider.userinfo = {"sub": "1001"}
    with pytest.raises(ProofRefused):
        login.log_in()


def test_whose_address_was_verified(login: Login) -> None:
    """That userinfo's address was verified says nothing of the ID token's."""
    login.provider.in_token = {"email"}
    login.provider.person = {"sub": "5", "email": "ann@example.org"}
    login.provider.userinfo = {"email": "eve@example.net", "email_verified": True, "preferred_username": "eve"}
    done = login.log_in()
    assert login.bench.sql("SELECT email FROM user_account WHERE id = :i", i=done["user_id"]) == "eve@example.net"


def test_logins_are_made_unique(login: Login) -> None:
    """A login that is taken gets a number; one that cannot be a login is made one."""
    for subject, wanted, given in (
        ("1", "ann", "ann-2"),
        ("2", "ANN", "ANN-3"),
        ("3", "-Zażółć gęślą!", "Zagl"),
        ("4", "日本", "user"),
        ("5", None, "user-2"),
    ):
        login.provider.person = {"sub": subject, "preferred_username": wanted, "email": "", "name": "A B C\n"}
        done = login.log_in()
        assert done["login"] == given
        names = "SELECT first_name || '|' || last_name FROM user_account WHERE id = :i"
        assert login.bench.sql(names, i=done["user_id"]) == "A|B C"


def test_unverified_address(login: Login) -> None:
    """An address that the provider has not verified is not kept, and is nobody's."""
    login.provider.person.update(email="ann@example.org", email_verified=False)
    done = login.log_in()
    assert done["user_id"] != login.bench.ids["ann"]
    assert login.bench.sql("SELECT email FROM user_account WHERE id = :i", i=done["user_id"]) == ""


def test_address_of_another(login: Login) -> None:
    """Without link_email the provider's word on an address lets nobody into the account that has it."""
    login.provider.person.update(email="ANN@example.org")
    with pytest.raises(EmailOfAnother):
        login.log_in()
    assert login.bench.sql("SELECT count(*) FROM user_session") == 0


def test_link(make: Make) -> None:
    """With link_email a verified address is enough, from then on whatever the address is; the user is told."""
    login = make(link_email=True, mail=MAIL)
    login.provider.person.update(email="Ann@example.org")
    assert login.log_in()["user_id"] == login.bench.ids["ann"]
    assert [message["code"] for message in login.bench.call("user.message.get_list")] == ["oidc_linked"]
    login.provider.person.update(email="elsewhere@example.net")
    assert login.log_in()["user_id"] == login.bench.ids["ann"]
    # Whom the provider calls otherwise is somebody else, even with the same address.
    login.provider.person = {**login.provider.person, "sub": "2", "email": "ann@example.org"}
    with pytest.raises(EmailOfAnother):
        login.log_in()


def test_no_link_without_mail(make: Make) -> None:
    """Where nobody proves an address, having it is no reason to be let in: the settings are refused."""
    with pytest.raises(SettingsError, match="link_email needs mail.host"):
        make(link_email=True)


def test_no_link_to_unconfirmed(make: Make) -> None:
    """Whoever registered with an address that is not theirs does not get its owner's login."""
    login = make(link_email=True, mail=MAIL)
    login.bench.user("carol", state="registered")
    login.provider.person.update(email="carol@example.org")
    with pytest.raises(EmailOfAnother):
        login.log_in()


def test_no_new_ones(make: Make) -> None:
    """Where the provider's word makes no users, somebody unknown is refused."""
    login = make(create=False)
    with pytest.raises(NotKnown):
        login.log_in()
    assert login.bench.sql("SELECT count(*) FROM user_account") == 3


def test_waiting(make: Make) -> None:
    """Where administrators activate users, somebody new is made, they hear of it, and it is let in once active."""
    login = make(accounts={"auto_activation": False}, mail=MAIL)
    for _ in range(2):
        with pytest.raises(AccountWaiting) as waiting:
            login.log_in()
        assert waiting.value.login == "carol"
    assert login.bench.sql("SELECT string_agg(state, ' ') FROM user_account WHERE login = 'carol'") == "confirmed"
    assert login.bench.sql("SELECT count(*) FROM user_session") == 0
    assert login.bench.sql("SELECT array_agg(recipient) FROM mail") == ["admin@example.org"]
    login.bench.call("cloud.user.activate", [waiting.value.user_id], login="admin")
    assert login.log_in()["login"] == "carol"


def test_blocked_and_deleted(login: Login) -> None:
    """Blocked users are refused; a deleted one is nobody, and who comes then is new."""
    user_id = login.log_in()["user_id"]
    login.bench.sql("UPDATE user_account SET state = 'blocked' WHERE id = :id", id=user_id)
    with pytest.raises(AccountBlocked):
        login.log_in()
    login.bench.sql("UPDATE user_account SET state = 'deleted', deleted_at = now() WHERE id = :id", id=user_id)
    assert login.log_in()["user_id"] > user_id


def test_second_factor_is_the_providers(login: Login) -> None:
    """A user with TOTP logs in by the provider without it."""
    user_id = login.log_in()["user_id"]
    login.bench.sql("UPDATE user_account SET totp_confirmed = true, totp_secret = 'x' WHERE id = :id", id=user_id)
    assert login.log_in()["user_id"] == user_id


def test_two_windows(login: Login) -> None:
    """Somebody new who comes twice at once is made once."""
    came = [login.provider.visit(login.begin()["url"]) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda pair: login.finish(*pair), came))
    assert len({answer["user_id"] for answer in done}) == 1


def test_several_new_ones_at_once(login: Login) -> None:
    """People of one name who come at once get a login each."""
    came = []
    for subject in "abcd":
        login.provider.person = {"sub": subject, "preferred_username": "carol"}
        came.append(login.provider.visit(login.begin()["url"]))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda pair: login.finish(*pair), came))
    assert sorted(answer["login"] for answer in done) == ["carol", "carol-2", "carol-3", "carol-4"]


# ------------------------------------------------------------------ state and code


def test_state_is_good_once(login: Login) -> None:
    """A state that was used is refused, also when the login failed, and also at once."""
    begun = login.begin()
    state, code = login.provider.visit(begun["url"])
    login.finish(state, code)
    with pytest.raises(StateRefused):
        login.finish(state, code)
    state, _ = login.provider.visit(login.begin()["url"])
    with pytest.raises(ProofRefused):
        login.finish(state, "nonsense")
    with pytest.raises(StateRefused):
        login.finish(state, "nonsense")
    pair = login.provider.visit(login.begin()["url"])

    def outcome(_: int) -> Any:
        try:
            return login.finish(*pair)
        except CloudError as error:
            return type(error)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(outcome, range(4)))
    assert outcomes.count(StateRefused) == 3


def test_code_is_good_once(login: Login) -> None:
    """A code that was used is refused by the provider, under whatever state it comes."""
    state, code = login.provider.visit(login.begin()["url"])
    login.finish(state, code)
    with pytest.raises(ProofRefused):
        login.finish(login.begin()["state"], code)


def test_code_of_another_login(login: Login) -> None:
    """Another's code does not finish one's own login: it belongs to their secrets."""
    _, stolen = login.provider.visit(login.begin()["url"])
    with pytest.raises(ProofRefused):
        login.finish(login.begin()["state"], stolen)
    # Nor does a code that was asked for from another page.
    state, code = login.provider.visit(login.begin(redirect_uri="http://localhost:1/x")["url"])
    with pytest.raises(ProofRefused):
        login.finish(login.begin()["state"], code)
    assert state


def test_state_of_another_provider(login: Login) -> None:
    """A state belongs to the provider that it was begun with."""
    _, code = login.provider.visit(login.begin("test")["url"])
    with pytest.raises(ProviderUnavailable) as refused:
        login.finish(login.begin("other")["state"], code)
    assert (refused.value.provider, "invalid_client" in refused.value.reason) == ("other", True)


def test_states_that_are_not_ours(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged, damaged, sealed for something else, or too old: all the same refusal, before the provider is asked."""
    begun = login.begin()
    state, code = login.provider.visit(begun["url"])
    login.provider.seen.clear()
    raw = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))
    damaged = [
        raw[:-1],
        raw[:5],
        raw[:20] + bytes([raw[20] ^ 1]) + raw[21:],
        b"{}",
        seal(login.bench.manager.policy, "totp:1", b"{}"),
    ]
    for wrong in damaged:
        with pytest.raises(StateRefused):
            login.finish(encoded(wrong), code)
    with pytest.raises(StateRefused):
        login.finish("A", code)
    for wrong_text in ("", "ż", "a b"):
        with pytest.raises(InvalidParameter):
            login.finish(wrong_text, code)
    now = time.time()
    with monkeypatch.context() as later:
        later.setattr("clm.services.oidc.unix_seconds", lambda: now + 601)
        with pytest.raises(StateRefused):
            login.finish(state, code)
    assert login.provider.seen == []
    login.finish(state, code)


def test_used_states_are_forgotten(login: Login) -> None:
    """Those that are over need not be remembered."""
    login.bench.sql("INSERT INTO oidc_login VALUES ('old', now() - interval '1 hour')")
    login.log_in()
    assert login.bench.sql("SELECT count(*) FROM oidc_login") == 1


ELSEWHERE = [
    "https://evil.example/x",
    "http://127.0.0.1.evil.example:1/x",
    "http://127.0.0.1@evil.example:1/x",
    "http://127.0.0.1/x",
    "javascript:alert(1)",
    "http://127.0.0.1:4711/back#x",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:8000\\@evil.example/",
    "//127.0.0.1:1/x",
]


def test_redirects(login: Login) -> None:
    """Codes are sent nowhere else than to the cloud's pages and the person's own machine."""
    for uri in ELSEWHERE:
        with pytest.raises(InvalidParameter) as refused:
            login.begin(redirect_uri=uri)
        assert refused.value.parameter == "redirect_uri"


def test_unknown_provider(login: Login) -> None:
    """A provider that the settings do not know is none."""
    with pytest.raises(ObjectNotFound):
        login.begin("nobody")
