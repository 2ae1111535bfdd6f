"""
An OpenID Connect provider on a port of this machine: discovery, keys, consent, tokens and userinfo over real HTTP.

It checks what a careful provider checks (client authentication, PKCE, redirect URI, codes that are good once) and can
be told to lie, to be slow, or to be gone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

Claims = dict[str, Any]


class OIDCProviderServer:
    """
    :ivar person: who consents to the next login; their claims, ``sub`` among them.
    :ivar in_token: names of claims about the person that go into the ID token; the others are userinfo's alone.
    :ivar tamper: changes header and claims of the next ID tokens.
    :ivar forge: makes the whole ID token of header and claims, in place of a signature by the key.
    :ivar discovery: what the discovery document says otherwise.
    :ivar answers: what a path answers in place of what it should: status, headers and body.
    :ivar delay_s: before each answer.
    :ivar drip_s: between the bytes of each answer.
    :ivar seen: paths that were asked for.
    """

    def __init__(self, client_id: str = "wawel", client_secret: str = "s3cret", port: int = 0) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.person: Claims = {
            "sub": "1001",
            "preferred_username": "carol",
            "email": "carol@example.net",
            "email_verified": True,
            "given_name": "Carol",
            "family_name": "Curie",
        }
        self.in_token: set[str] | None = None
        self.tamper: Callable[[Claims, Claims], None] = lambda header, claims: None
        self.forge: Callable[[Claims, Claims], str] | None = None
        self.userinfo: Claims = {}
        self.discovery: Claims = {}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.delay_s = 0.0
        self.drip_s = 0.0
        self.seen: list[str] = []
        self.keys: list[Any] = []
        self.rotate()
        self.codes: dict[str, dict[str, Any]] = {}
        self.access: dict[str, Claims] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.issuer = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def rotate(self, kind: str = "RSA", keep: bool = False) -> None:
        """Sign with a new key; the old one is no longer in the set unless kept."""
        name = {"kid": secrets.token_hex(4), "use": "sig"}
        made = RSAKey.generate_key(2048, name) if kind == "RSA" else ECKey.generate_key("P-256", name)
        self.keys = [made, *(self.keys if keep else [])]

    # -------------------------------------------------------------- a browser

    def visit(self, url: str) -> tuple[str, str]:
        """Log in and consent, as a person with a browser does; the state and the code that they come back with."""
        answer = requests.get(url, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        came = parse_qs(urlsplit(answer.headers["Location"]).query)
        return came["state"][0], came["code"][0]

    # -------------------------------------------------------------- what it answers

    def document(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            **self.discovery,
        }

    def authorize(self, asked: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        wrong = [
            name
            for name, good in (
                ("client_id", asked.get("client_id") == self.client_id),
                ("response_type", asked.get("response_type") == "code"),
                ("scope", "openid" in asked.get("scope", "").split()),
                ("code_challenge_method", asked.get("code_challenge_method") == "S256"),
                ("code_challenge", len(asked.get("code_challenge", "")) == 43),
                ("nonce", bool(asked.get("nonce"))),
                ("state", bool(asked.get("state"))),
                ("tenant", asked.get("tenant") == "1"),
            )
            if not good
        ]
        if wrong:
            return 400, {}, f"wrong: {wrong}".encode()
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "person": dict(self.person)}
        back = urlencode({"code": code, "state": asked["state"]})
        return 302, {"Location": f"{asked['redirect_uri']}?{back}"}, b""

    def token(self, asked: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        given = (asked.get("client_id"), asked.get("client_secret"))
        if authorization.startswith("Basic "):
            login, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
            given = (unquote(login), unquote(password))
        if given != (self.client_id, self.client_secret):
            return self._json({"error": "invalid_client"}, 401)
        begun = self.codes.pop(asked.get("code", ""), None)
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            begun is None
            or asked.get("grant_type") != "authorization_code"
            or begun["redirect_uri"] != asked.get("redirect_uri")
            or begun["code_challenge"] != challenge
        ):
            return self._json({"error": "invalid_grant"}, 400)
        access = secrets.token_urlsafe(16)
        self.access[access] = begun["person"]
        return self._json(
            {
                "token_type": "Bearer",
                "access_token": access,
                "expires_in": 300,
                "id_token": self._id_token(begun, access),
            }
        )

    def _id_token(self, begun: dict[str, Any], access: str) -> str:
        now = int(time.time())
        about = begun["person"]
        told = {name: value for name, value in about.items() if self.in_token is None or name in self.in_token}
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = {
            **told,
            "sub": about["sub"],
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        }
        key = self.keys[0]
        header = {"alg": "ES256" if isinstance(key, ECKey) else "RS256", "kid": key.kid}
        self.tamper(header, claims)
        return self.forge(header, claims) if self.forge else jwt.encode(header, claims, key)

    def about(self, authorization: str) -> tuple[int, dict[str, str], bytes]:
        person = self.access.get(authorization.removeprefix("Bearer "))
        return (
            self._json({"error": "invalid_token"}, 401) if person is None else self._json({**person, **self.userinfo})
        )

    def answer(self, method: str, target: str, body: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        self.seen.append(parts.path)
        if parts.path in self.answers:
            return self.answers[parts.path]
        asked = {name: values[0] for name, values in parse_qs(parts.query or body).items()}
        if parts.path == "/.well-known/openid-configuration":
            return self._json(self.document())
        if parts.path == "/keys":
            # A set may hold keys that nobody checks signatures with.
            strange = [{"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}, {"kty": "FUTURE", "kid": "x"}]
            return self._json({"keys": [*strange, *(key.as_dict(private=False) for key in self.keys)]})
        if parts.path == "/authorize":
            return self.authorize(asked)
        if parts.path == "/token" and method == "POST":
            return self.token(asked, authorization)
        if parts.path == "/userinfo":
            return self.about(authorization)
        return 404, {}, b"not here"

    @staticmethod
    def _json(value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _handler(provider: OIDCProviderServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            answer = provider.answer(self.command, self.path, body, self.headers.get("Authorization") or "")
            status, headers, content = answer
            time.sleep(provider.delay_s)
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if not provider.drip_s:
                    self.wfile.write(content)
                    return
                for number in range(len(content)):
                    self.wfile.write(content[number : number + 1])
                    time.sleep(provider.drip_s)
            except ConnectionError:
                pass  # the client had enough

        do_GET = do_POST = _answer

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
