"""A cloud with a Debian guest, as stock images are. Without what that takes each test is skipped, and says so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import debian
from lab.cloud import Cloud
from lab.furnish import import_image
from lab.hosts import Lab
from lab.places import LabProblem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if Path(item.fspath).parent == Path(__file__).parent]
    lacking = (Lab.missing() or debian.missing()) if ours else []
    for item in ours:
        if lacking:
            item.add_marker(pytest.mark.skip(reason="; ".join(lacking)))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    # Without KVM a Debian guest takes more than the usual minute to shut down.
    patient = {"cluster": {"shutdown_s": 600.0}}
    with Cloud(tmp_path_factory.mktemp("guests"), durable=False, settings=patient) as made:
        yield made


@pytest.fixture(scope="session")
def debian_id(cloud: Cloud) -> int:
    """The image of it."""
    return _image(cloud, debian.SUITE)


@pytest.fixture(scope="session")
def newest_id(cloud: Cloud) -> int:
    """Of a Debian that is to come."""
    return _image(cloud, debian.NEWEST)


def _image(cloud: Cloud, suite: str) -> int:
    try:
        disk = debian.build(suite=suite)
    except LabProblem as problem:
        if "mmdebstrap failed" in str(problem):
            pytest.skip(f"no mirror of Debian's answers: {problem}")
        raise
    path = cloud.import_dir / f"{suite}.qcow2"
    subprocess.run(["cp", "--reflink=auto", str(disk), str(path)], check=True, timeout=300)
    return import_image(cloud, suite, "Debian with cloud-init and agents", path)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key; beside it the public one."""
    path = tmp_path_factory.mktemp("key") / "key"
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guests", "-f", str(path)]
    subprocess.run(made, check=True, timeout=60)
    return path
