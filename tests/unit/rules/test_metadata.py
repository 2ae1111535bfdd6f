"""How guests find what they are told of their VM."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import MetadataSource
from cm.rules import metadata
from cm.rules.metadata import new_uuid, smbios_serial, source_of

SOURCES = st.sampled_from(MetadataSource)


@given(SOURCES)
def test_uuid(source: MetadataSource) -> None:
    """A uuid is one of EC2's by its beginning exactly where that is meant, and a random one otherwise."""
    made = new_uuid(source)
    assert made.hex.startswith("ec2") == (source is MetadataSource.IMDS)
    assert (made.version, made.variant) == (4, uuid.RFC_4122)


def test_uuid_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would be taken for EC2's is drawn again."""
    plain = uuid.UUID("01234567-89ab-4cde-8f01-23456789abcd")
    drawn: Iterator[uuid.UUID] = iter([uuid.UUID("ec201234-89ab-4cde-8f01-23456789abcd"), plain])
    monkeypatch.setattr(metadata.uuid_module, "uuid4", lambda: next(drawn))
    assert new_uuid(MetadataSource.NOCLOUD) == plain


@given(SOURCES)
def test_serial(source: MetadataSource) -> None:
    """What a machine is defined with tells how its guest is told."""
    key = str(new_uuid(source))
    serial = smbios_serial(source, key)
    if source in (MetadataSource.IMDS, MetadataSource.NOCLOUD, MetadataSource.NONE):
        assert source_of(serial, key) is source
    else:
        assert serial == ""
    assert source_of("ds=nocloud-net;s=http://169.254.169.254/nocloud/", key) is MetadataSource.NOCLOUD
