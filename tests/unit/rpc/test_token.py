"""Caller tokens: what is accepted, and every way to be refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from cm.rpc.caller import Identity
from cm.rpc.token import TokenRefused, TokenSigner, TokenVerifier
from cm.rpc.vocabulary import Role

ANNA = Identity(7, "anna", frozenset({Role.USER}), (1, 2), source="token")


def pair() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    return (
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )


PRIVATE, PUBLIC = pair()
OTHER_PRIVATE, _ = pair()


class Time:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Wire:
    def __init__(self, **options: Any) -> None:
        self.time = Time()
        self.signer = TokenSigner(PRIVATE, "k1", clock=self.time)
        self.verifier = TokenVerifier({"k1": PUBLIC}, "krakow", clock=self.time, **options)

    def claims(self, **changes: Any) -> str:
        """A token signed with the good key, of claims as changed; ``None`` leaves one out."""
        now = int(self.time.now)
        claims = {
            "sub": "7", "login": "anna", "roles": ["user"], "groups": [], "aud": "krakow", "iss": "clm",
            "iat": now, "exp": now + 60, "jti": "x",
        } | changes  # fmt: skip
        left = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(left, PRIVATE, "EdDSA", headers={"kid": "k1"})

    def refused(self, token: str) -> str:
        with pytest.raises(TokenRefused) as caught:
            self.verifier.verify(token)
        return caught.value.reason


class TestTokens:
    def test_round_trip(self) -> None:
        wire = Wire()
        claims = wire.verifier.verify(wire.signer.sign(ANNA, "krakow", keys=["ssh-ed25519 AAAA"]))
        assert claims.identity == ANNA and claims.keys == ("ssh-ed25519 AAAA",) and claims.issuer == "clm"

    def test_expiry(self) -> None:
        """A token is good for its minute and the leeway, remembered or not."""
        wire = Wire()
        token = wire.signer.sign(ANNA, "krakow")
        unseen = wire.signer.sign(ANNA, "krakow")
        wire.verifier.verify(token)
        wire.time.now += 64
        assert wire.verifier.verify(token)
        wire.time.now += 1
        assert wire.refused(token) == wire.refused(token) == wire.refused(unseen) == "it has expired"

    def test_session(self) -> None:
        """A cluster's own sessions live for hours, others' tokens do not."""
        wire = Wire()
        session = TokenSigner(PRIVATE, "k1", issuer="cm:krakow", clock=wire.time)
        assert wire.refused(session.sign(ANNA, "krakow", lifetime_s=3600)) == "its key may not speak for its issuer"
        wire = Wire(issuers={"k1": "cm:krakow"})
        assert wire.verifier.verify(session.sign(ANNA, "krakow", lifetime_s=12 * 3600))
        assert wire.refused(session.sign(ANNA, "krakow", lifetime_s=12 * 3600 + 1)) == "it lives too long"
        assert wire.refused(wire.signer.sign(ANNA, "krakow")) == "its key may not speak for its issuer"

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"aud": "warszawa"}, "it is for another cluster"),
            ({"aud": ["krakow", "warszawa"]}, "it is for another cluster"),
            ({"exp": 1_800_000_061}, "it lives too long"),
            ({"exp": 2**60}, "it is malformed"),
            ({"exp": "soon"}, "it is malformed"),
            ({"exp": float("inf")}, "it is malformed"),
            ({"iat": 1_800_000_006}, "it is from the future; the clocks differ"),
            ({"exp": None}, "it lacks exp"),
            ({"jti": None}, "it lacks jti"),
            ({"aud": None}, "it is for another cluster"),
            ({"sub": "anna"}, "it is malformed"),
            ({"roles": ["root"]}, "it is malformed"),
            ({"roles": 5}, "it is malformed"),
            ({"groups": ["a"]}, "it is malformed"),
            ({"iss": "cm:krakow"}, "its key may not speak for its issuer"),
        ],
    )
    def test_claims(self, changes: dict[str, Any], reason: str) -> None:
        wire = Wire()
        refused = wire.refused(wire.claims(**changes))
        assert refused == reason or (changes == {"aud": None} and refused == "it lacks aud")

    def test_unknown_key(self) -> None:
        wire = Wire()
        assert wire.refused(TokenSigner(PRIVATE, "k2", clock=wire.time).sign(ANNA, "krakow")) == "its key is unknown"
        forged = TokenSigner(OTHER_PRIVATE, "k1", clock=wire.time).sign(ANNA, "krakow")
        assert wire.refused(forged) == "its signature is wrong"

    def test_algorithms(self) -> None:
        """No token chooses its own algorithm: none, HMAC with the public key, RSA."""
        wire = Wire()
        claims = jwt.decode(wire.claims(), options={"verify_signature": False})
        none = jwt.encode(claims, None, "none", headers={"kid": "k1"})
        rsa_key = rsa.generate_private_key(65537, 2048)
        rs256 = jwt.encode(claims, rsa_key, "RS256", headers={"kid": "k1"})
        body = none.split(".")[1]
        header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "k1"}).encode()).rstrip(b"=").decode()
        hs256 = jwt.api_jws.PyJWS().get_algorithm_by_name("HS256")
        confused = f"{header}.{body}"
        signature = hs256.sign(confused.encode(), PUBLIC.encode())
        confused += "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
        for token in (none, rs256, confused):
            assert wire.refused(token) == "its algorithm is not EdDSA"

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_tampered(self, data: st.DataObject) -> None:
        """A token changed anywhere is refused."""
        wire = Wire()
        token = wire.signer.sign(ANNA, "krakow")
        place = data.draw(st.integers(0, len(token) - 2))  # the last character's lowest bits mean nothing
        other = data.draw(st.sampled_from("ABCabc019-_.").filter(lambda c: c != token[place]))
        wire.refused(token[:place] + other + token[place + 1 :])

    @given(st.text() | st.text(alphabet="abc.", max_size=20))
    def test_anything(self, token: str) -> None:
        Wire().refused(token)

    def test_bounded_memory(self) -> None:
        wire = Wire(cache_max=3)
        for _ in range(10):
            wire.verifier.verify(wire.signer.sign(ANNA, "krakow"))
        assert len(wire.verifier._verified) == 3

    def test_wrong_kind_of_key(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with pytest.raises(ValueError, match="not an Ed25519 key"):
            TokenSigner(pem, "k1")
        assert PRIVATE not in repr(TokenSigner(PRIVATE, "k1"))
