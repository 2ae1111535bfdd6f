"""On the private PostgreSQL of ``tests/postgres``."""

from __future__ import annotations

from postgres.conftest import postgres

__all__ = ["postgres"]
