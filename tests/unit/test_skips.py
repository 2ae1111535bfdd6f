"""What the machine lacks is said by the tests that needed it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lab.places import REPOSITORY

TESTS = REPOSITORY / "tests"


def imported(path: Path) -> Iterator[str]:
    """What a module imports when it is imported itself, or hands to ``importorskip``."""
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                yield node.module or ""
            case ast.Assign(value=ast.Call(args=[ast.Constant(value=str(name))])):
                yield name
            case ast.Expr(value=ast.Call(args=[ast.Constant(value=str(name))])):
                yield name


def needs_libvirt(path: Path) -> bool:
    return any(name == "libvirt" or name.startswith("cm.drivers.libvirt") for name in imported(path))


def test_without_libvirt() -> None:
    """Without libvirt's binding the modules that need it are skipped aloud, and none is an error."""
    modules = [str(path) for path in sorted(TESTS.rglob("test_*.py")) if needs_libvirt(path)]
    assert len(modules) > 7
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "support.no_libvirt", "-p", "no:cacheprovider", "--collect-only", "-q",
         "-rs", *modules],
        env={**os.environ, "PYTHONPATH": str(TESTS)}, cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode in (0, 5), done.stdout
    skipped = [line for line in done.stdout.splitlines() if "could not import 'libvirt'" in line]
    assert len(skipped) > 5, done.stdout
