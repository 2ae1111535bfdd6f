"""What a cluster's events say, where it may be anything."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_at(at: str | None) -> datetime:
    """A time that a cluster told; now, where it told none that makes sense."""
    try:
        made = datetime.fromisoformat(at or "")
    except ValueError:
        return datetime.now(UTC)
    return made if made.tzinfo is not None else made.replace(tzinfo=UTC)
