"""The portal's pure parts, by Node.js's own test runner: no package is needed for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[3] / "clm" / "portal" / "web" / "src"
NODE = Path(sys.prefix) / "bin" / "node"


def test_pure_parts() -> None:
    """What is decided, kept and said by the portal without a browser."""
    tests = sorted(SOURCES.rglob("*.test.ts"))
    assert tests
    done = subprocess.run([NODE, "--test", *tests], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_page_files_are_short() -> None:
    """A page that grows past its one thing is taken apart."""
    files = [path for path in SOURCES.rglob("*.ts*") if path.name != "wawel.ts"]  # that one is generated
    assert files and not [path.name for path in files if len(path.read_text().splitlines()) > 300]
