"""Authorization headers, wrong passwords counted, right ones remembered."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.credentials import (
    PasswordCredentials,
    StaticAuthenticator,
    TokenCredentials,
    authorization,
    parse_authorization,
)
from cm.rpc.errors import CloudError, NotAuthenticated
from cm.rpc.password import PasswordCache, Passwords
from cm.rpc.throttle import LoginThrottle, TryLimits
from cm.rpc.types import Secret

from .sample import ANNA, done


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class TestAuthorization:
    @given(st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1, max_size=64)
           .filter(str.isprintable), st.text(st.characters(codec="utf-8"), min_size=1, max_size=100))  # fmt: skip
    def test_basic_round_trip(self, login: str, password: str) -> None:
        given_ = PasswordCredentials(login, Secret(password))
        assert parse_authorization(authorization(given_).encode()) == given_

    def test_bearer_round_trip(self) -> None:
        token = TokenCredentials(Secret("a.b.c"))
        assert parse_authorization(authorization(token).encode()) == token
        assert "a.b.c" not in repr(token)

    @pytest.mark.parametrize(
        "header",
        [b"", b"Basic", b"Basic ", b"Basic !!!", b"Basic " + base64.b64encode(b"anna"), b"Bearer \xff", b"Digest a=b",
         b"Basic " + base64.b64encode(b":x"), b"Basic " + base64.b64encode(b"a:"), b"Basic /zp4",
         b"Basic " + base64.b64encode(b"an\0na:x"), b"Basic " + base64.b64encode(b"an\nna:x"),
         b"Bearer " + b"x" * 9000,
         b"Bearer a b", b"Bearer a\x0b", b"Bearer a\x0c", b"Bearer \x0ba", b"Bearer a\xa0", b"Bearer\ta",
         b"Basic " + base64.b64encode(b"a:" + b"x" * 2000)],
    )  # fmt: skip
    def test_refused(self, header: bytes) -> None:
        with pytest.raises(NotAuthenticated):
            parse_authorization(header)

    @given(st.binary())
    def test_anything(self, header: bytes) -> None:
        try:
            parse_authorization(header)
        except NotAuthenticated:
            pass


class TestStatic:
    def test_throttle(self) -> None:
        """After three wrong passwords nothing is looked at from there, until time has passed."""
        time = Time()
        throttle = LoginThrottle(time, TryLimits(burst=3, refill_s=10.0))
        authenticator = StaticAuthenticator({"anna": ("secret", ANNA)}, throttle=throttle)

        def attempt(password: str, remote: str = "a") -> str:
            try:
                done(authenticator.authenticate(PasswordCredentials("anna", Secret(password)), remote))
            except CloudError as error:
                return error.code
            return "ok"

        assert [attempt("wrong") for _ in range(4)] == ["not_authenticated"] * 3 + ["too_many_logins"]
        assert (attempt("secret"), attempt("secret", "b")) == ("too_many_logins", "ok")
        time.now += 10
        assert attempt("secret") == "ok"


class TestPasswords:
    passwords = Passwords(1, 64, 1)  # as cheap as it gets; the real parameters are costly on purpose

    def test_verify(self) -> None:
        stored = self.passwords.hash("secret")
        assert stored.startswith("$argon2id$") and self.passwords.hash("secret") != stored
        assert self.passwords.verify(stored, "secret")
        assert not self.passwords.verify(stored, "Secret")
        assert not self.passwords.verify(None, "secret")
        assert not self.passwords.verify("nonsense", "secret")

    def test_rehash(self) -> None:
        stored = self.passwords.hash("secret")
        assert not self.passwords.needs_rehash(stored)
        assert Passwords(1, 128, 1).needs_rehash(stored)

    def test_default_cost(self) -> None:
        assert "m=19456,t=3,p=1" in Passwords().hash("x")


class TestPasswordCache:
    def test_cache(self) -> None:
        """What was right is known for 30 s, for this password only, until it is invalidated."""
        time = Time()
        cache = PasswordCache(time)
        cache.remember("anna", "secret", 4)
        assert (cache.find("anna", "secret"), cache.find("anna", "Secret"), cache.find("bob", "secret")) == (
            4,
            None,
            None,
        )
        cache.invalidate("anna")
        assert cache.find("anna", "secret") is None
        cache.remember("anna", "secret", 5)
        time.now += 30
        assert cache.find("anna", "secret") is None

    def test_bounded_and_silent(self) -> None:
        cache = PasswordCache(Time(), max_entries=3)
        for n in range(10):
            cache.remember(f"user-{n}", "hunter2", n)
        assert len(cache._entries) == 3 and cache.find("user-9", "hunter2") == 9
        assert "hunter2" not in repr(cache.__dict__)
