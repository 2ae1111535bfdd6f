"""OpenID Connect: what the cloud keeps of a provider's claims, and where people may be sent back to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from cm.rpc.errors import InvalidParameter

_LOGIN_LEFT_OUT: Final = re.compile(r"[^A-Za-z0-9_.@+-]+")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f\"<>(),:;]+@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+")


@dataclass(frozen=True)
class Person:
    """What a provider tells of somebody, as far as the cloud keeps it. ``email`` is "" unless it was verified."""

    issuer: str
    subject: str
    login: str
    email: str
    first_name: str
    last_name: str


def person_of(issuer: str, subject: str, claims: Mapping[str, Any]) -> Person:
    """
    What the cloud keeps of a provider's claims, within its own bounds. They are a provider's, and people may write into
    them what they like.
    """
    email = _line(claims.get("email"), 254)
    if claims.get("email_verified") is not True or _EMAIL.fullmatch(email) is None:
        email = ""
    first, last = _line(claims.get("given_name"), 100), _line(claims.get("family_name"), 100)
    if not first and not last:
        first, *rest = _line(claims.get("name"), 100).split(maxsplit=1) or [""]
        last = rest[0] if rest else ""
    for wanted in (claims.get("preferred_username"), email.partition("@")[0], "user"):
        login = _LOGIN_LEFT_OUT.sub("", _line(wanted, 200)).lstrip(".@+-")[:64]
        if login:
            break
    return Person(issuer, subject, login, email, first, last)


def _line(told: object, most: int) -> str:
    return _CONTROL.sub(" ", told).strip()[:most].strip() if isinstance(told, str) else ""


def check_redirect(uri: str, public_url: str) -> None:
    """
    Codes are sent to the cloud's own pages, and to programs on the person's own machine (RFC 8252, 7.3).

    :raises InvalidParameter: they would be sent elsewhere.
    """
    try:
        parts, own = urlsplit(uri), urlsplit(public_url)
        port, own_port = parts.port, own.port
    except ValueError:
        raise InvalidParameter("redirect_uri", "it is no URL") from None
    plain = uri.isascii() and uri.isprintable() and not set(uri) & set(' "<>\\^`{|}')
    if plain and not parts.fragment and "@" not in parts.netloc:
        if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost") and port:
            return
        path = own.path.rstrip("/") + "/"
        same = (parts.scheme, parts.hostname, port) == (own.scheme, own.hostname, own_port)
        if same and own.hostname and (parts.path or "/").startswith(path) and "/.." not in parts.path:
            return
    raise InvalidParameter("redirect_uri", f"it must be http://127.0.0.1:<port>/... or begin with {public_url}")
