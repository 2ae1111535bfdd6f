"""How a VM's guest is told EC2's metadata."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import HOP_LIMIT_MAX, MetadataTokens
from cm.rules.imds import NO_CHANGE, Imds, ImdsChange

OPTIONS = st.builds(
    Imds,
    st.sampled_from(MetadataTokens),
    st.integers(1, HOP_LIMIT_MAX),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(OPTIONS, st.booleans())
def test_stricter_wins(imds: Imds, v1: bool) -> None:
    """A token is needed where the cluster or the VM says so; neither can take back what the other wants."""
    assert imds.needs_token(False)
    assert replace(imds, tokens=MetadataTokens.REQUIRED).needs_token(v1)
    assert replace(imds, tokens=MetadataTokens.OPTIONAL).needs_token(v1) != v1


@given(OPTIONS)
def test_ways(imds: Imds) -> None:
    """By IPv6 no guest is told what it is not told by IPv4; one that is switched off is told nothing."""
    assert imds.answers(4) == imds.enabled
    assert imds.answers(6) == (imds.enabled and imds.ipv6)


def test_change() -> None:
    """A change names the same options, and is one as soon as it names any, False and all."""
    assert [each.name for each in fields(ImdsChange)] == [each.name for each in fields(Imds)]
    assert not NO_CHANGE
    for each in fields(ImdsChange):
        assert ImdsChange(**{each.name: False})
