"""What one process of several takes of a group of tests, and does whole."""

from __future__ import annotations

from typing import Final

import pytest

# Of a test whose module is not a piece by itself: the piece that it belongs to.
PIECE: Final = pytest.StashKey[str]()
