"""Signatures by key, batches of events, guests' paths: what is read before anything is done."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextualization.events import parse_batch
from contextualization.guest.requests import guest_path, said
from contextualization.signature import is_signed_by_key, signature_by_key
from contextualization.wire import Exchange, Refusal
from node_hooks.signature import Authorization, sign

UUID = "12345678-9abc-4def-8123-456789abcdef"


class TestSignature:
    @given(st.text(), st.text(alphabet=st.characters(exclude_characters="\n", codec="utf-8")), st.binary())
    def test_same_as_node(self, credential: str, path: str, body: bytes) -> None:
        """What the agent signs is what we compute from the key alone."""
        try:
            key = hashlib.sha256(credential.encode()).digest()
        except UnicodeEncodeError:
            return
        expected = sign(credential, "POST", path, 17, body, "wbr0", "10.0.0.1")
        assert signature_by_key(key, "POST", path, 17, body, "wbr0", "10.0.0.1") == expected

    @pytest.mark.parametrize("changed", range(5))
    def test_altered(self, changed: int) -> None:
        """Method, path, body, bridge and address all stand under the signature."""
        key = hashlib.sha256(b"c").digest()
        fields: list[Any] = ["GET", "/p?q", b"body", "wbr0", "10.0.0.1"]
        method, path, body, bridge, address = fields
        claim = Authorization(1, 17, sign("c", method, path, 17, body, bridge, address))
        assert is_signed_by_key(claim, key, *fields)
        fields[changed] += b"x" if isinstance(fields[changed], bytes) else "x"
        assert not is_signed_by_key(claim, key, *fields)
        fields[changed] = "a\nb" if changed != 2 else b"other"
        assert not is_signed_by_key(claim, key, *fields)


def event(sequence: Any = 1, **changes: Any) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "boot_id": "b1",
        "domain_uuid": UUID,
        "domain_name": "vm-1",
        "operation": "release",
        "sub_operation": "end",
        "extra": "-",
        "time": 1_700_000_000.5,
        "xml_sha256": "",
        **changes,
    }


def batch(*events: Any, **more: Any) -> bytes:
    return json.dumps({"boot_id": "b1", "events": list(events), **more}).encode()


class TestBatch:
    def test_ordered(self) -> None:
        """Records come out by number, each once."""
        _, records, _ = parse_batch(batch(event(3), event(1), event(3), event(2)))
        assert [record.sequence for record in records] == [1, 2, 3]

    @pytest.mark.parametrize(
        "changes",
        [
            {"time": "x"},
            {"time": float("nan")},
            {"time": True},
            {"time": -1},
            {"time": 1e300},
            {"domain_uuid": "x"},
            {"domain_name": 5},
            {"domain_name": "\0"},
            {"domain_name": "\ud800"},
            {"domain_name": "x" * 2000},
            {"operation": ""},
            {"operation": "DROP TABLE"},
            {"xml_sha256": "zz"},
            {"boot_id": "b2"},
        ],
    )
    def test_rejected(self, changes: dict[str, Any]) -> None:
        """A record that the hook could not have written is named, so that the node can set it aside."""
        with pytest.raises(Refusal) as refused:
            parse_batch(batch(event(1), event(2, **changes)))
        assert refused.value.status == 422 and refused.value.more == {"rejected": [2]}

    @pytest.mark.parametrize("number", [0, -1, "1", 1.0, True, None, 2**63])
    def test_number(self, number: Any) -> None:
        """A number is a positive integer that the database can hold."""
        with pytest.raises(Refusal) as refused:
            parse_batch(batch(event(number)))
        assert refused.value.status == 422

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{", b'{"boot_id":1,"events":[]}', batch(), batch(*[event(n) for n in range(1, 102)])]
    )
    def test_no_batch(self, body: bytes) -> None:
        """What is no batch of 1 to 100 is refused as a whole."""
        with pytest.raises(Refusal) as refused:
            parse_batch(body)
        assert refused.value.status == 400

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        )
    )
    def test_any_event(self, value: Any) -> None:
        """Whatever stands in place of an event, the answer is a refusal."""
        with pytest.raises(Refusal):
            parse_batch(json.dumps({"boot_id": "b", "events": [value]}).encode())


class TestPath:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/guest/latest/meta-data/", "/latest/meta-data/"),
            ("/guest//latest///x", "/latest/x"),
            ("/guest", "/"),
            ("/guest/a%20b", "/a b"),
            ("/guest/a%252e", "/a%2e"),
        ],
    )
    def test_decoded(self, path: str, expected: str) -> None:
        """Decoded once, slashes made one."""
        assert guest_path(path) == expected

    @pytest.mark.parametrize(
        "path",
        [
            "/guest/../node/events",
            "/guest/%2e%2e/x",
            "/guest/a%00",
            "/guest/%ff",
            "/guest/a%5cb",
            "/guest/" + "x" * 2000,
            "/guest/a%0ab",
        ],
    )
    def test_malformed(self, path: str) -> None:
        """What climbs, cannot be printed or is too long is no path."""
        with pytest.raises(Refusal) as refused:
            guest_path(path)
        assert refused.value.status == 400

    @given(st.text(alphabet="/.%0125eE2fF\\a~", max_size=40))
    def test_any(self, text: str) -> None:
        """Every path that comes through is flat."""
        try:
            path = guest_path("/guest/" + text)
        except Refusal:
            return
        assert path.startswith("/") and "//" not in path
        assert not {"..", "."} & set(path.split("/"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"instance_id=i-1&hostname=web", {"instance_id": "i-1", "hostname": "web"}),
        (b'{"hostname": 5}', {"hostname": "5"}),
        (b"", {}),
        (b"\xff\xfe", {}),
        (b"{[", {}),
        (b"{" * 5000, {}),
    ],
)
def test_said(body: bytes, expected: dict[str, str]) -> None:
    """A hello may say anything; two names of it are looked at."""
    assert said(Exchange("POST", "/guest/hello", {}, body)) == expected
