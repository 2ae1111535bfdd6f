"""Login by OpenID Connect: providers, or somebody in their name, that lie, fail, or take too long."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_bench import Login, Make, encoded, login_fixture, make_fixture, provider_fixture  # noqa: F401

from clm.drivers.oidc import ProofRefused, ProviderUnavailable
from support.oidc_provider import OIDCProviderServer

# ------------------------------------------------------------------ a provider, or somebody in its name, that lies


def part(value: Any) -> str:
    return encoded(json.dumps(value).encode())


def test_shape(login: Login) -> None:
    """What is no token at all is refused like one that is no good."""
    for strange in ("", "x", "a.b", "a.b.c", "..", "é.é.é", "x" * 70_000, f"{part([])}.{part({})}.x"):
        login.provider.forge = lambda header, claims, strange=strange: strange
        login.refused()


def test_alg_none(login: Login) -> None:
    """A token without a signature proves nothing."""
    login.provider.forge = lambda header, claims: f"{part({**header, 'alg': 'none'})}.{part(claims)}."
    login.refused("signed by none")


def test_signed_with_a_shared_secret(login: Login) -> None:
    """The provider's public key is no secret, nor is the client's own: HS256 is refused, whatever it was made with."""
    for secret in (login.provider.keys[0].as_pem(private=False), login.provider.client_secret.encode(), b"secret"):

        def forge(header: dict[str, Any], claims: dict[str, Any], secret: bytes = secret) -> str:
            signed = ".".join(part(value) for value in ({**header, "alg": "HS256"}, claims))
            return f"{signed}.{encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"

        login.provider.forge = forge
        login.refused("signed by HS256")


def test_signed_by_another(login: Login) -> None:
    """Another's key under the provider's name for its own."""
    strange = RSAKey.generate_key(2048)
    login.provider.forge = lambda header, claims: jwt.encode(header, claims, strange)
    login.refused("signature")


def test_changed_after_signing(login: Login) -> None:
    """Claims that were changed after the signature."""

    def forge(header: dict[str, Any], claims: dict[str, Any]) -> str:
        head, body, signature = jwt.encode(header, claims, login.provider.keys[0]).split(".")
        changed = json.dumps({**claims, "sub": "1"}).encode()
        return f"{head}.{encoded(changed)}.{signature}"

    login.provider.forge = forge
    login.refused("signature")


NOW = int(time.time())
LIES: dict[str, dict[str, Any]] = {
    "wrong nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "another among several": {"aud": ["wawel", "another"]},
    "issued to another": {"azp": "another"},
    "issued to another, several": {"aud": ["wawel", "another"], "azp": "another"},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": NOW - 61},
    "no expiry": {"exp": None},
    "never expires": {"exp": "never"},
    "from the future": {"iat": NOW + 3600, "exp": NOW + 7200},
    "no time": {"iat": None},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject is no text": {"sub": 1001},
    "long subject": {"sub": "x" * 256},
    "another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


def test_lies(login: Login) -> None:
    """Each claim that is wrong or missing is enough for a refusal."""
    for what, lie in LIES.items():

        def tamper(header: dict[str, Any], claims: dict[str, Any], lie: dict[str, Any] = lie) -> None:
            for name, value in lie.items():
                claims[name] = value
                if value is None:
                    del claims[name]

        login.provider.tamper = tamper
        login.refused("ID token is not good")
        assert login.provider.codes == {}, what  # the provider did give its token


def test_truths(login: Login) -> None:
    """What looks strange and is allowed: several audiences with azp, no at_hash, no kid, another algorithm."""

    def tamper(header: dict[str, Any], claims: dict[str, Any]) -> None:
        claims.update(aud=["another", "wawel"], azp="wawel")
        del claims["at_hash"], header["kid"]

    login.provider.tamper = tamper
    user_id = login.log_in()["user_id"]
    login.provider.rotate("EC")
    login.provider.tamper = lambda header, claims: None
    assert login.log_in()["user_id"] == user_id


def test_new_keys(login: Login) -> None:
    """A key that is not known is asked for once; the rest of the time none is."""
    user_id = login.log_in()["user_id"]
    assert login.provider.seen.count("/keys") == 1
    login.log_in()
    assert login.provider.seen.count("/keys") == 1
    login.provider.rotate()
    assert login.log_in()["user_id"] == user_id
    assert login.provider.seen.count("/keys") == 2
    assert login.provider.seen.count("/.well-known/openid-configuration") == 1

    def tamper(header: dict[str, Any], claims: dict[str, Any]) -> None:
        header["kid"] = "nobody's"

    login.provider.tamper = tamper
    with pytest.raises(ProofRefused):
        login.log_in()
    assert login.provider.seen.count("/keys") == 3


# ------------------------------------------------------------------ a provider that fails


def test_wrong_issuer(make: Make, provider: OIDCProviderServer) -> None:
    """A discovery document of another issuer is not believed, not even with a slash more."""
    login = make()
    provider.discovery = {"issuer": f"{provider.issuer}/"}
    with pytest.raises(ProviderUnavailable) as refused:
        login.begin()
    assert "another issuer" in refused.value.reason


def test_strange_endpoints(login: Login) -> None:
    """Endpoints of odd schemes, or in the clear on another machine, are not used."""
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        for url in (
            "javascript:alert(1)",
            "file:///etc/passwd",
            "http://example.org/x",
            "ftp://x/",
            "https://[",
            3,
            None,
        ):
            login.provider.discovery = {name: url}
            with pytest.raises(ProviderUnavailable) as refused:
                login.begin()
            assert name in refused.value.reason


ROTTEN = {
    "no JSON": (200, {}, b"<html>"),
    "a list": (200, {}, b"[]"),
    "an error": (500, {}, b"{}"),
    "nothing": (200, {}, b""),
    "too much": (200, {}, b'{"x": "' + b"x" * (1 << 20) + b'"}'),
    "no gzip": (200, {"Content-Encoding": "gzip"}, b"{}"),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"])
def test_rotten_answers(login: Login, path: str) -> None:
    """Whatever a provider answers, it is a typed refusal, and the next login is good."""
    login.provider.in_token = set()
    for what, answer in ROTTEN.items():
        login.provider.answers = {path: answer}
        with pytest.raises((ProviderUnavailable, ProofRefused)) as refused:
            login.log_in()
        assert ("too large" in refused.value.reason) == (what == "too much")
    login.provider.answers = {}
    assert login.log_in()["login"] == "carol"


def test_no_redirects(login: Login) -> None:
    """A redirect is not followed, wherever it leads."""
    elsewhere = OIDCProviderServer()
    try:
        login.provider.answers = {"/token": (307, {"Location": f"{elsewhere.issuer}/token"}, b"")}
        with pytest.raises(ProviderUnavailable):
            login.log_in()
        login.provider.answers = {"/keys": (302, {"Location": f"{elsewhere.issuer}/keys"}, b"")}
        login.bench.manager.services.providers.clear()
        with pytest.raises(ProviderUnavailable):
            login.begin()
        assert elsewhere.seen == []
    finally:
        elsewhere.stop()


def test_down(login: Login) -> None:
    """A provider that is gone is told as such; once it is back the login goes on."""
    port = login.provider.port
    begun = login.begin()
    pair = login.provider.visit(begun["url"])
    login.provider.stop()
    with pytest.raises(ProviderUnavailable):
        login.finish(*pair)
    login.bench.manager.services.providers.clear()
    with pytest.raises(ProviderUnavailable):
        login.begin()
    back = OIDCProviderServer(port=port)
    try:
        again = Login(login.bench, back)
        assert again.log_in()["login"] == "carol"
    finally:
        back.stop()


@pytest.mark.parametrize("how", ["delay_s", "drip_s"])
def test_slow(login: Login, how: str) -> None:
    """A provider that takes too long, before its answer or with it, is left; others are not held up meanwhile."""
    pair = login.provider.visit(login.begin()["url"])
    login.bench.manager.services.providers["test"].timeout_s = 1.0
    setattr(login.provider, how, {"delay_s": 6.0, "drip_s": 0.05}[how])
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(login.finish, *pair)
        login.bench.call("guest.news.get_list", login=None)
        assert not waiting.done()
        with pytest.raises(ProviderUnavailable) as refused:
            waiting.result(10)
        assert time.monotonic() - began < 5
    assert "1.0 s" in refused.value.reason


def test_secrets_stay(login: Login) -> None:
    """Neither the client's secret nor a login's is in what is written of a provider."""
    login.begin()
    client = login.bench.manager.services.providers["test"]
    assert "s3cret" not in repr(client) and "s3cret" not in repr(login.bench.manager.policy)
