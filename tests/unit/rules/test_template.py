"""Sizes out of VmSize.yml."""

from __future__ import annotations

from typing import Any

import pytest

from cm.rpc.errors import InvalidParameter
from cm.rules.template import size_of

SMALL: dict[str, Any] = {"cpus": 2, "memory": 262144, "storage_size_in_gb": 15}


def test_small() -> None:
    """The seed's one: 2 CPUs, 256 MiB, 15 GiB, which are 16 106 127 360 bytes."""
    made = size_of("small", SMALL)
    assert made == {"cpu": 2, "memory_mib": 256, "disk_mib": 15360}
    assert made["disk_mib"] * 2**20 == 16_106_127_360


@pytest.mark.parametrize(("memory", "mib"), [("256MiB", 256), ("2 GiB", 2048), ("1024", 1), (1, 1), (1025, 2)])
def test_memory(memory: Any, mib: int) -> None:
    """A number is KiB, whatever is begun of a MiB is one."""
    assert size_of("s", {**SMALL, "memory": memory})["memory_mib"] == mib


@pytest.mark.parametrize(("gb", "mib"), [(0.5, 512), (0.0001, 1), (2048, 2**21)])
def test_storage(gb: float, mib: int) -> None:
    assert size_of("s", {**SMALL, "storage_size_in_gb": gb})["disk_mib"] == mib


@pytest.mark.parametrize(
    "wrong",
    [
        {"cpus": 0}, {"cpus": "2"}, {"cpus": True}, {"cpus": 1.5}, {"memory": 0}, {"memory": "2 TB"}, {"memory": -1},
        {"memory": "9" * 400}, {"storage_size_in_gb": 0}, {"storage_size_in_gb": float("nan")},
        {"storage_size_in_gb": float("inf")}, {"storage_size_in_gb": 2049}, {"points": -1}, {"ec2name": "M1"},
        {"networks": 1}, {"description": 3},
    ],
)  # fmt: skip
def test_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        size_of("s", {**SMALL, **wrong})


@pytest.mark.parametrize("key", SMALL)
def test_missing(key: str) -> None:
    with pytest.raises(InvalidParameter, match=key):
        size_of("s", {name: value for name, value in SMALL.items() if name != key})
