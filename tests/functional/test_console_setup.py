"""The walk-through of docs/console.md takes an empty cluster manager to its first VM."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_program import REPOSITORY, Wawel
from test_vm_life import block

from lab import furnish
from lab.cloud import Cloud


@pytest.fixture(scope="module")
def empty(start_cloud) -> Iterator[Cloud]:
    """A cluster manager that knows nothing but its administrator, and a host of libvirt's test driver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(furnish, "furnish", lambda cloud: None)
        yield start_cloud(nodes=1, hypervisor="test", durable=False)


def test_first_set_up(empty: Cloud, tmp_path: Path) -> None:
    """Each of its lines does what it says, in its order."""
    wawel = Wawel(tmp_path)
    (tmp_path / "wawel").write_text(f'#!/bin/sh\nexec {sys.executable} -m clm.console.main "$@"\n')
    (tmp_path / "wawel").chmod(0o755)
    (tmp_path / "admin.secret").write_text(empty.credentials.admin.password)
    (tmp_path / "anna.secret").write_text("a password of anna's")
    image = empty.import_dir / "debian-12.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "16M"], check=True, timeout=60)
    script = block("docs/console.md", "The first set-up", "bash", empty.base)
    node = empty.nodes[0]
    for written, meant in (
        ("https://cm.example:8001", empty.url),
        ("qemu+ssh://wawel@n1/system 10.0.0.1", f"{node.uri} {node.address}"),
        ("/srv/wawel", str(empty.storage_dir)),
        ("/srv/images", str(empty.import_dir)),
        ("--login admin ", f"--login {empty.credentials.admin.login} "),
    ):
        assert written in script
        script = script.replace(written, meant)
    path = f"{tmp_path}:{wawel.environment['PATH']}"
    environment = {**wawel.environment, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=300, cwd=tmp_path,
                          env=environment)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [vm] = wawel.json("vm", "ls")
    assert (vm["name"], vm["state"], vm["leases"][0]["address"]) == ("web", "running", "10.128.0.2")
    wawel.run("vm", "destroy", "web", "--wait")
