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
from cm.rpc.token import IssuerKey, TokenRefused, TokenSigner, TokenVerifier, UsedTokens, key_id_of
from cm.rpc.vocabulary import Role

ANNA = Identity(7, "anna", frozenset({Role.USER}), (1, 2), source="token", issuer="clm")


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
OTHER_PRIVATE, OTHER_PUBLIC = pair()


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
        wire = Wire(issuers={"k1": "cm:krakow"})
        signer = TokenSigner(PRIVATE, "k1", issuer="cm:krakow", clock=wire.time)
        token = signer.sign(ANNA, "krakow")
        unseen = signer.sign(ANNA, "krakow")
        wire.verifier.verify(token)
        wire.time.now += 64
        assert wire.verifier.verify(token)
        wire.time.now += 1
        assert wire.refused(token) == wire.refused(token) == wire.refused(unseen) == "it has expired"

    def test_used_once(self) -> None:
        """A cloud manager's token is good for one request, also in its last second; a refusal does not use it up."""
        wire = Wire()
        token = wire.signer.sign(ANNA, "krakow")
        elsewhere = TokenVerifier({"k1": PUBLIC}, "warszawa", clock=wire.time)
        with pytest.raises(TokenRefused):
            elsewhere.verify(token)
        assert wire.verifier.verify(token).identity == ANNA
        assert wire.refused(token) == "it was used before"
        wire.time.now += 64
        assert wire.refused(token) == "it was used before"
        wire.time.now += 1
        assert wire.refused(token) == "it has expired"

    def test_set_keys(self) -> None:
        """A key that is added speaks for its issuer alone; once removed, for nobody, whatever was remembered."""
        wire = Wire()
        other = TokenSigner(OTHER_PRIVATE, "k2", issuer="clm:b", clock=wire.time)
        assert wire.verifier.set_keys({"k2": IssuerKey(OTHER_PUBLIC, "clm:b")}) == []
        assert wire.verifier.verify(other.sign(ANNA, "krakow")).identity.issuer == "clm:b"
        assert wire.verifier.verify(wire.signer.sign(ANNA, "krakow"))
        forged = TokenSigner(OTHER_PRIVATE, "k2", issuer="clm", clock=wire.time)
        assert wire.refused(forged.sign(ANNA, "krakow")) == "its key may not speak for its issuer"
        wire.verifier.set_keys({})
        assert wire.refused(other.sign(ANNA, "krakow")) == "its key is unknown"
        assert wire.verifier.verify(wire.signer.sign(ANNA, "krakow"))

    def test_removed_key_and_memory(self) -> None:
        """What was verified with a key is forgotten with it, also when another takes its id."""
        wire = Wire()
        session = TokenSigner(OTHER_PRIVATE, "k2", issuer="cm:krakow", clock=wire.time).sign(ANNA, "krakow")
        wire.verifier.set_keys({"k2": IssuerKey(OTHER_PUBLIC, "cm:krakow")})
        assert wire.verifier.verify(session) == wire.verifier.verify(session)
        wire.verifier.set_keys({"k2": IssuerKey(OTHER_PUBLIC, "cm:krakow")})
        assert wire.verifier.verify(session)
        wire.verifier.set_keys({"k2": IssuerKey(PUBLIC, "cm:krakow")})
        assert wire.refused(session) == "its signature is wrong"
        wire.verifier.set_keys({})
        assert wire.refused(session) == "its key is unknown"

    def test_keys_not_taken(self) -> None:
        """What is no key, and an id that is taken from the start, change nothing."""
        wire = Wire()
        keys = {"k1": IssuerKey(OTHER_PUBLIC, "clm:b"), "bad": IssuerKey("nonsense", "clm:b")}
        assert wire.verifier.set_keys(keys) == ["k1", "bad"]
        assert wire.verifier.verify(wire.signer.sign(ANNA, "krakow"))
        assert not wire.verifier.knows("bad")

    def test_trusts(self) -> None:
        wire = Wire(issuers={"k1": "clm"})
        assert (wire.verifier.trusts("clm"), wire.verifier.trusts("clm:b")) == (True, False)
        wire.verifier.set_keys({"k2": IssuerKey(OTHER_PUBLIC, "clm:b")})
        assert wire.verifier.trusts("clm:b")

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 65), st.integers(0, 40)), max_size=60))
    def test_used_tokens(self, calls: list[tuple[int, int, int]]) -> None:
        """Exactly the ids whose time has not passed are refused a second time."""
        used, model, now = UsedTokens(), dict[str, float](), 0.0
        for number, lives, later in calls:
            now += later
            jti = str(number)
            fresh = model.get(jti, 0.0) <= now
            assert used.use("clm", jti, now + lives, now) == fresh
            if fresh:
                model[jti] = now + lives
        assert len(used) == sum(end > now for end in model.values()) or not calls

    def test_used_tokens_bounded(self) -> None:
        """Beyond the bound the ones that end soonest go; an issuer's ids are its own."""
        used = UsedTokens(most=3)
        for end in (40, 10, 30, 20):
            assert used.use("clm", str(end), end, 0)
        assert len(used) == 3
        assert [used.use("clm", str(end), end, 0) for end in (40, 30, 20)] == [False, False, False]
        assert used.use("clm:b", "40", 50, 0)

    @given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode() + ".e30.x"))
    def test_key_id_of(self, token: str) -> None:
        """Whatever the token, the question has an answer."""
        assert key_id_of(token) is None or isinstance(key_id_of(token), str)
        assert key_id_of(Wire().claims()) == "k1"

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
            ({"jti": "x" * 129}, "it is malformed"),
            ({"iss": "cm:krakow"}, "its key may not speak for its issuer"),
            # What no column takes, what has two spellings, and what nobody could be called.
            *(
                ({"sub": sub}, "it is malformed")
                for sub in (str(2**63), "9" * 19, "9" * 5000, "-1", "1_0", "07", " 7", "٣")
            ),
            *(
                ({"login": login}, "it is malformed")
                for login in ("an\0na", "", "a" * 65, "a b", "anna\n", "\ud800", "ann\u0430", "-x", 7, True, ["a"])
            ),
            *(({"iss": iss}, "it is malformed") for iss in ("c\0lm", "", "\ud800", "x" * 300)),
            *(
                ({"groups": groups}, "it is malformed")
                for groups in ([2**63], [-1], ["1"], [1.5], [True], {"1": 2}, "12")
            ),
            *(({"roles": roles}, "it is malformed") for roles in ("user", {"user": 1}, [["user"]], [1])),
            *(({"jti": jti}, "it is malformed") for jti in (7, "", ["x"])),
            ({"keys": {"a": 1}}, "it is malformed"),
        ],
    )
    def test_claims(self, changes: dict[str, Any], reason: str) -> None:
        wire = Wire()
        refused = wire.refused(wire.claims(**changes))
        assert refused == reason or (changes == {"aud": None} and refused == "it lacks aud")

    def test_one_spelling(self) -> None:
        """Base64 in Python takes blanks and signs in between; a token with any is another text, and no token."""
        wire = Wire()
        token = wire.claims()
        for spelling in (
            token + " ",
            token + "\n",
            " " + token,
            token[:-4] + " " + token[-4:],
            token + "!",
            token + "=",
        ):
            assert wire.refused(spelling) == "it is malformed"
        assert wire.verifier.verify(token).jti == "x"

    def test_local_login(self) -> None:
        """An administrator's own account may be called otherwise than people at the wire."""
        wire = Wire(issuers={"k1": "cm:krakow"})
        assert wire.verifier.verify(wire.claims(iss="cm:krakow", login="Anna Nowak")).identity.login == "Anna Nowak"

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
        wire = Wire(cache_max=3, issuers={"k1": "cm:krakow"})
        signer = TokenSigner(PRIVATE, "k1", issuer="cm:krakow", clock=wire.time)
        for _ in range(10):
            wire.verifier.verify(signer.sign(ANNA, "krakow"))
        assert len(wire.verifier._verified) == 3

    def test_wrong_kind_of_key(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with pytest.raises(ValueError, match="not an Ed25519 key"):
            TokenSigner(pem, "k1")
        assert PRIVATE not in repr(TokenSigner(PRIVATE, "k1"))
