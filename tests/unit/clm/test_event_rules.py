"""What a cluster's events say."""

from __future__ import annotations

from datetime import UTC

from clm.rules.events import parse_at


def test_time() -> None:
    """Times have an offset, whatever was told."""
    assert parse_at("2026-11-23T07:00:00Z").tzinfo == UTC
    assert parse_at("2026-11-23T07:00:00").tzinfo == UTC
    assert parse_at(None).tzinfo == UTC and parse_at("rubbish").tzinfo == UTC
