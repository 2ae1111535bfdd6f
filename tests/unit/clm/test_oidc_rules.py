"""What is kept of a provider's claims, and where codes may be sent: whatever comes, it stays within bounds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clm.rules.oidc import check_redirect, person_of
from cm.rpc.errors import InvalidParameter
from cm.rpc.parameters import ILLEGAL
from cm.rpc.types import Login

NAMES = ("preferred_username", "email", "email_verified", "given_name", "family_name", "name")
anything = st.one_of(st.text(max_size=300), st.none(), st.booleans(), st.integers(), st.lists(st.text(), max_size=2))
claims = st.dictionaries(st.sampled_from(NAMES), anything)


@given(claims)
@example({"name": "Ada  Lovelace"})
def test_any_claims(told: dict[str, Any]) -> None:
    """A login that is one, an address only if it was verified, and names that every dialect can carry."""
    person = person_of("https://id.example.org", "1", told)
    assert msgspec.convert(person.login, Login) == person.login
    for text in (person.first_name, person.last_name, person.email):
        assert len(text) <= 254 and ILLEGAL.search(text) is None and text == text.strip()
    if person.email:
        assert told["email_verified"] is True and person.email == told["email"].strip()


@pytest.mark.parametrize("verified", [None, False, "true", 1, "false", {}])
def test_not_verified(verified: Any) -> None:
    """Only the word true verifies an address."""
    assert person_of("x", "1", {"email": "a@example.org", "email_verified": verified}).email == ""


def test_email_of_a_kind() -> None:
    """What is no address is none; a login is made of one that is."""
    for strange in (
        "a",
        "a@b",
        "@example.org",
        "a@b@example.org",
        "a b@example.org",
        "<a@example.org>",
        "a@exam\nple.org",
    ):
        assert person_of("x", "1", {"email": strange, "email_verified": True}).email == ""
    person = person_of("x", "1", {"email": "a.b+c@example.org", "email_verified": True, "name": "A B C"})
    assert (person.login, person.first_name, person.last_name) == ("a.b+c", "A", "B C")


PUBLIC = "https://cloud.example.org:8443/wawel"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/",
        "http://localhost:65535/a/b?c=d",
        "http://LOCALHOST:80",
        PUBLIC + "/",
        PUBLIC + "/login/back?x=1",
    ],
)
def test_allowed(uri: str) -> None:
    """The person's own machine, and the cloud's own pages."""
    check_redirect(uri, PUBLIC)


REFUSED = [
    PUBLIC,  # not below it
    PUBLIC + "evil/x",
    PUBLIC + "/../x",
    PUBLIC.replace(":8443", "") + "/x",
    PUBLIC.replace("https", "http") + "/x",
    PUBLIC.replace("example.org", "example.org.evil.net") + "/x",
    "https://cloud.example.org:8443@evil.net/wawel/x",
    "https://127.0.0.1:4/x",
    "http://127.0.0.1/x",
    "http://127.1:4/x",
    "http://[::1]:4/x",
    "http://127.0.0.1:4/x\r\nSet-Cookie: a",
    "http://127.0.0.1:4/ x",
    "http://127.0.0.1:x/",
    "http://[127.0.0.1:4/",
    "data:text/html,x",
    "wawel://back",
    "",
    "x",
]


@pytest.mark.parametrize("uri", REFUSED)
def test_refused(uri: str) -> None:
    """Everything else, however it looks alike."""
    with pytest.raises(InvalidParameter):
        check_redirect(uri, PUBLIC)
    with pytest.raises(InvalidParameter):
        check_redirect(uri, "")


@given(st.text(st.sampled_from("htps:/@127.0.0.1:8443localhostcloud.example.org/wawel?#\\%[] "), max_size=60))
def test_any_text(uri: str) -> None:
    """Whatever is let through leads to this machine or to the cloud."""
    try:
        check_redirect(uri, PUBLIC)
    except InvalidParameter:
        return
    assert urlsplit(uri).hostname in ("127.0.0.1", "localhost", "cloud.example.org")
    assert "@" not in uri.partition("://")[2].partition("/")[0]
