"""
An OpenID Connect provider, as its client sees it: the authorization code flow with PKCE, and the ID token's proof.

Everything blocks, with a deadline for each request, follows no redirect, and reads no more than a bounded answer.

Sources: OpenID Connect Core 1.0, 3.1; Discovery 1.0, 4.3; RFC 7636 (PKCE). What is checked of an ID token stands in
``rules/id_token.py``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from clm.rules.id_token import Expected, IdTokenRefused, Key, UnknownKey, public_key, verify_id_token
from cm.rpc.errors import NotAuthenticated, Unavailable

KEEP_S: Final = 3600.0  # what a provider tells of itself
ANSWER_MAX: Final = 1 << 20  # bytes
TOKEN_MAX: Final = 65_536  # characters
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(eq=False)
class ProviderUnavailable(Unavailable):
    code = "oidc_unavailable"
    message = "The provider {provider} cannot be asked: {reason}."
    provider: str
    reason: str


@dataclass(eq=False)
class ProofRefused(NotAuthenticated):
    """What the provider, or somebody in its name, said of a person does not prove who they are."""

    code = "oidc_refused"
    message = "The login by {provider} is refused: {reason}."
    provider: str
    reason: str


@dataclass(frozen=True)
class Proof:
    """Who somebody is, by the provider's signed word."""

    subject: str
    claims: dict[str, Any]
    access_token: str = field(default="", repr=False)


class Provider:
    """
    One provider. May be used by several threads.

    :ivar timeout_s: of each request.
    :param clock: seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        issuer: str,
        client_id: str,
        client_secret: str,
        scope: str,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.issuer = issuer
        self.timeout_s = timeout_s
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope if "openid" in scope.split() else f"openid {scope}"
        self._clock = clock
        self._lock = threading.Lock()
        self._provider: dict[str, Any] | None = None
        self._keys: list[Key] = []
        self._until = 0.0

    def __repr__(self) -> str:
        return f"<Provider {self.name} {self.issuer}>"

    # -------------------------------------------------------------- what callers ask

    def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where to send a person; they come back to the redirect URI with ``code`` and ``state``."""
        with self._session() as session:
            url, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=state,
                code_verifier=verifier,
                redirect_uri=redirect_uri,
                nonce=nonce,
            )
        return str(url)

    def redeem(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Proof:
        """
        Exchange a code, which is good once, for the provider's word on who brought it.

        :raises ProofRefused: the provider does not know the code, or its answer proves nothing.
        :raises ProviderUnavailable: the code may have been used up.
        """
        url = self._endpoint("token_endpoint")
        with self._session() as session:
            try:
                answer = session.fetch_token(
                    url,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=verifier,
                )
            except OAuthError as error:
                if error.error == "invalid_grant":  # RFC 6749, 5.2: the code is unknown, over or used
                    raise ProofRefused(self.name, "it does not know the code, or no longer") from None
                raise self._wrong(f"it answers {_shown(error.error)}") from None
            except (requests.RequestException, ValueError, TypeError) as error:
                raise self._away(error) from error
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise ProofRefused(self.name, "its answer holds no ID token")
        access = access_token if isinstance(access_token, str) else ""
        claims = self._verified(id_token, nonce, access)
        return Proof(claims["sub"], claims, access)

    def completed(self, proof: Proof) -> Proof:
        """With what the provider tells of the person besides; the same proof if it has no place for that."""
        url = self._about().get("userinfo_endpoint")
        if not url or not proof.access_token:
            return proof
        headers = {"Authorization": f"Bearer {proof.access_token}", "Accept": "application/json"}
        userinfo = self._get(self._checked("userinfo_endpoint", url), headers)
        if userinfo.get("sub") != proof.subject:  # Core 5.3.2: it may be somebody else's
            raise ProofRefused(self.name, "what it tells is of another person")
        claims = {**userinfo, **proof.claims}
        if "email" in userinfo:  # an address goes with what is said of it, not with what is said of another
            claims.update(email=userinfo["email"], email_verified=userinfo.get("email_verified"))
        return Proof(proof.subject, claims, proof.access_token)

    def _verified(self, id_token: str, nonce: str, access_token: str) -> dict[str, Any]:
        """The claims of an ID token; the provider's keys are asked for anew if it is signed with a new one."""
        self._about()
        expected = Expected(self.issuer, self._client_id, nonce, access_token, self._clock())
        try:
            try:
                return verify_id_token(id_token, self._keys, expected)
            except UnknownKey:
                self._load(keys_only=True)
                return verify_id_token(id_token, self._keys, expected)
        except IdTokenRefused as refused:
            raise ProofRefused(self.name, f"its ID token is not good: {refused}") from None

    # -------------------------------------------------------------- what the provider tells of itself

    def _about(self) -> dict[str, Any]:
        with self._lock:
            metadata = self._provider if self._clock() < self._until else None
        if metadata is None:
            metadata = self._load()
        return metadata

    def _load(self, keys_only: bool = False) -> dict[str, Any]:
        metadata = self._provider if keys_only else None
        if metadata is None:
            metadata = self._get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
            if metadata.get("issuer") != self.issuer:
                raise self._wrong("it says that it is another issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                self._checked(name, metadata.get(name))
        listed = self._get(metadata["jwks_uri"]).get("keys")
        keys = [key for entry in (listed if isinstance(listed, list) else ()) if (key := public_key(entry))]
        with self._lock:
            self._provider, self._keys, self._until = metadata, keys, self._clock() + KEEP_S
        return metadata

    def _endpoint(self, name: str) -> str:
        return str(self._about()[name])

    def _checked(self, name: str, url: Any) -> str:
        """A URL that the provider names: https, or on this machine when the provider is."""
        if isinstance(url, str):
            try:
                parts = urlsplit(url)
                local = parts.scheme == "http" and parts.hostname in _LOOPBACK and self.issuer.startswith("http:")
                if (parts.scheme == "https" or local) and parts.hostname and not parts.username and url.isascii():
                    return url
            except ValueError:
                pass
        raise self._wrong(f"its {name} is no https URL")

    def _get(self, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        with self._session() as session:
            try:
                response = session.get(url, headers=headers, withhold_token=True)
                if response.status_code != 200:
                    raise self._wrong(f"it answers HTTP {response.status_code}")
                answer = msgspec.json.decode(response.content)
            except (requests.RequestException, ValueError) as error:
                raise self._away(error) from error
        if not isinstance(answer, dict):
            raise self._wrong("it answers something else than a JSON object")
        return answer

    def _session(self) -> _Session:
        supported = (self._provider or {}).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "none"
        if self._client_secret:
            post = isinstance(supported, list) and "client_secret_basic" not in supported
            method = "client_secret_post" if post else "client_secret_basic"
        return _Session(self._client_id, self._client_secret or None, method, self._scope, self.timeout_s)

    def _away(self, error: Exception) -> ProviderUnavailable:
        if isinstance(error, requests.Timeout):
            return self._wrong(f"no answer within {self.timeout_s} s")
        return self._wrong("its answer is too large" if isinstance(error, _TooLarge) else type(error).__name__)

    def _wrong(self, reason: str) -> ProviderUnavailable:
        return ProviderUnavailable(self.name, reason)


class _TooLarge(requests.RequestException):
    pass


class _Session(OAuth2Session):
    """authlib's client, with a deadline for the whole of each answer, a bound for its size, and no redirects."""

    def __init__(self, client_id: str, secret: str | None, method: str, scope: str, timeout_s: float) -> None:
        super().__init__(
            client_id,
            secret,
            token_endpoint_auth_method=method,
            scope=scope,
            code_challenge_method="S256",
        )
        self._timeout_s = timeout_s

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        ends = time.monotonic() + self._timeout_s
        kwargs.update(timeout=self._timeout_s, allow_redirects=False, stream=True)
        response: requests.Response = super().request(method, url, *args, **kwargs)
        body = bytearray()
        with response:
            try:
                # One read of the socket at a time: a timeout of requests is for each of these, not for all together.
                while chunk := response.raw.read1(8192, decode_content=True):
                    body += chunk
                    if len(body) > ANSWER_MAX:
                        raise _TooLarge()
                    if time.monotonic() > ends:
                        raise requests.Timeout("the answer takes too long")
            except urllib3.exceptions.ReadTimeoutError as error:
                raise requests.Timeout(str(error)) from None
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(str(error)) from None
        response._content = bytes(body)
        return response


def _shown(text: object) -> str:
    """What came from outside, bounded and printable."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text)[:100])
