"""Values that stand in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from clm.console.problems import Problem
from clm.console.values import JsonType

SMALL = {"small": {"cpus": 2, "memory": 262144, "storage_size_in_gb": 15}}


@pytest.mark.parametrize("name", ["VmSize.yml", "sizes.yaml"])
def test_yaml(tmp_path: Path, name: str) -> None:
    """A file is YAML by its name, as oVirt's VmSize.yml is."""
    file = tmp_path / name
    file.write_text("small:\n  cpus: 2\n  memory: 262144\n  storage_size_in_gb: 15\n")
    assert JsonType().convert(f"@{file}", None, None).value == SMALL


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "sizes"
    file.write_text('{"small": {"cpus": 2, "memory": 262144, "storage_size_in_gb": 15}}')
    assert JsonType().convert(f"@{file}", None, None).value == SMALL


@pytest.mark.parametrize("wrong", ["a: [", "a: b: c", "!!python/object/apply:os.system ['true']", "\t- x"])
def test_no_yaml(tmp_path: Path, wrong: str) -> None:
    """What is none is said to be none, and nothing in it is run."""
    file = tmp_path / "x.yml"
    file.write_text(wrong)
    with pytest.raises(Problem, match="no YAML"):
        JsonType().convert(f"@{file}", None, None)
