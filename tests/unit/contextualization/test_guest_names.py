"""What guests are called, and what of the caller's data they read."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest
from guest_builder import guest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import UserDataEncoding
from cm.rules.guest import guessed, hostname, public_keys, user_data


class TestHostname:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("web", "web"),
            ("Web Server", "web-server"),
            ("a.b_c", "a-b-c"),
            ("Łódź żółw", "lodz-zolw"),
            ("-x-", "x"),
            ("日本", "vm-7"),
            ("", "vm-7"),
            ("x" * 80, "x" * 63),
            ("a" * 62 + " b", "a" * 62),
        ],
    )
    def test_examples(self, name: str, expected: str) -> None:
        """A name becomes one label; what leaves nothing becomes the VM's number."""
        assert hostname(guest(name=name)) == expected

    @given(st.text())
    def test_label(self, name: str) -> None:
        """Whatever the name, the result is a label of RFC 1123."""
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", hostname(guest(name=name)))


class TestUserData:
    @pytest.mark.parametrize(
        "plain",
        [
            "#cloud-config\nruncmd: [ls]\n",
            "#!/bin/sh\n",
            "just some words in a row",
            "zażółć gęślą jaźń",
            "line\n" * 30,
        ],
    )
    def test_encoded(self, plain: str) -> None:
        """Base64 is decoded, with the line breaks that some tools put in."""
        packed = base64.b64encode(plain.encode()).decode()
        assert guessed(packed) == plain.encode()
        assert guessed(base64.encodebytes(plain.encode()).decode()) == plain.encode()

    def test_gzip(self) -> None:
        """cloud-init unpacks gzip by itself; the bytes go through."""
        packed = b"\x1f\x8b\x08\x00rest\xff"
        assert guessed(base64.b64encode(packed).decode()) == packed

    @pytest.mark.parametrize(
        "text", ["#!/bin/sh\necho hi\n", "test", "user", "password", "two words", "", "====", "a==="]
    )
    def test_plain(self, text: str) -> None:
        """What is no base64, or decodes to no text, goes as it is."""
        assert guessed(text) == text.encode()

    @pytest.mark.parametrize("data", [b"test1234", base64.b64encode(b"#!/bin/sh\n"), b"\x00\xff\r\n", b""])
    def test_exact(self, data: bytes) -> None:
        """Who says how they write has the guest read just that, whatever it looks like."""
        packed = base64.b64encode(data).decode()
        made = guest(user_data=packed, user_data_encoding=UserDataEncoding.BASE64)
        assert user_data(made) == data
        assert user_data(replace(made, user_data_encoding=UserDataEncoding.PLAIN)) == packed.encode()

    @given(st.text(alphabet=st.characters(codec="utf-8"), min_size=8))
    def test_marked_text(self, text: str) -> None:
        """A text that starts as cloud-init's do arrives unchanged either way."""
        script = "#cloud-config\n" + text
        assert guessed(script) == script.encode()
        assert guessed(base64.b64encode(script.encode()).decode()) == script.encode()


def test_public_keys() -> None:
    """Keys are lines; comments and control characters are left out."""
    keys = "ssh-ed25519 AAAA me@home\r\n\n# none\nssh-rsa BBBB\x00\x1b work laptop"
    assert public_keys(guest(ssh_key=keys)) == ["ssh-ed25519 AAAA me@home", "ssh-rsa BBBB work laptop"]
