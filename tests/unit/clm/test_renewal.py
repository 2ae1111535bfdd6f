"""Links that renew a VM: what was written is read, and nothing else is."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.renewal import NoRenewal, Renewal, read_link, write_link

IDS = st.integers(0, 2**63 - 1)
RENEWALS = st.builds(Renewal, IDS, IDS, IDS, IDS, IDS)
SECRET = b"of the cloud"


@given(RENEWALS)
def test_read(renewal: Renewal) -> None:
    link = write_link(SECRET, renewal)
    assert read_link(SECRET, link) == renewal
    assert len(link) <= 400 and link.replace("-", "").replace("_", "").isalnum()
    with pytest.raises(NoRenewal):
        read_link(b"of another", link)


@given(RENEWALS, st.data())
def test_changed(renewal: Renewal, data: st.DataObject) -> None:
    """Whatever byte is changed, the link is none any more: another VM, person or end is not to be had."""
    link = write_link(SECRET, renewal)
    raw = bytearray(base64.urlsafe_b64decode(link[1:] + "=" * (-len(link[1:]) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NoRenewal):
        read_link(SECRET, "r" + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


@given(st.text(alphabet="rABC-_019", max_size=100))
def test_anything(text: str) -> None:
    with pytest.raises(NoRenewal):
        read_link(SECRET, text)
