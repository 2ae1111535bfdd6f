"""What the agent finds of its node's NFS mounts: servers that are silent, and locks that guests would lose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node_hooks.mounts import SILENT_S, Mounts, nfs_mounts

MOUNTINFO = (
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "50 22 0:44 / /mnt/wawel\\0401 rw,nosuid shared:9 - nfs4 10.0.0.5:/vms rw,vers=4.2\n"
    "51 22 0:45 / /mnt/old rw - nfs nas:/old rw,vers=3\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with two NFS mounts, whose kernel takes lost locks back."""
    for name, content in (
        ("proc/self/mountinfo", MOUNTINFO),
        ("sys/module/nfs/parameters/recover_lost_locks", "Y\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content)
    return tmp_path


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mounts(root: Path, clock: Clock) -> Iterator[Mounts]:
    """Of servers that answer as long as ``silent`` is not there, which is a directory's own child's business."""
    gate = root / "silent"
    made = Mounts(("sh", "-c", f'while [ -e "{gate}" ] && [ "$1" = /mnt/old ]; do sleep 0.01; done', "sh"), root, clock)
    yield made
    made.close()


def told(mounts: Mounts) -> list[tuple[str, str]]:
    return [(problem.code, problem.subject) for problem in mounts.problems()]



def wait_for_answers(mounts: Mounts) -> None:
    for process, _ in mounts._asked.values():
        process.wait(20)


def test_paths() -> None:
    """Mount points are read as the kernel writes them, and other kinds passed over."""
    assert nfs_mounts(MOUNTINFO) == {"/mnt/wawel 1": "10.0.0.5:/vms", "/mnt/old": "nas:/old"}
    assert nfs_mounts("nonsense\n") == {}


def test_silent(mounts: Mounts, root: Path, clock: Clock) -> None:
    """A server without an answer is told, the other one is not; it is asked once, and well when it answers."""
    assert told(mounts) == []
    wait_for_answers(mounts)
    (root / "silent").touch()
    assert told(mounts) == []
    clock.now += SILENT_S + 0.1
    mounts._asked["/mnt/wawel 1"][0].wait(20)
    assert told(mounts) == [("storage_silent", "/mnt/old")]
    waiting = mounts._asked["/mnt/old"][0].pid
    mounts._asked["/mnt/wawel 1"][0].wait(20)
    clock.now += 60
    assert told(mounts) == [("storage_silent", "/mnt/old")] and mounts._asked["/mnt/old"][0].pid == waiting
    (root / "silent").unlink()
    wait_for_answers(mounts)
    assert told(mounts) == []


def test_unmounted(mounts: Mounts, root: Path) -> None:
    """The question for a mount that has gone is ended."""
    (root / "silent").touch()
    mounts.problems()
    process = mounts._asked["/mnt/old"][0]
    (root / "proc/self/mountinfo").write_text("")
    assert told(mounts) == [] and mounts._asked == {}
    assert process.wait(20) != 0


def test_lost_locks(mounts: Mounts, root: Path) -> None:
    """A kernel that does not take locks back is told, where NFS is used, and nowhere else."""
    parameter = root / "sys/module/nfs/parameters/recover_lost_locks"
    parameter.write_text("N\n")
    assert told(mounts) == [("locks_not_recovered", "recover_lost_locks")]
    (root / "proc/self/mountinfo").write_text(MOUNTINFO.splitlines()[0])
    assert told(mounts) == []
    parameter.unlink()
    (root / "proc/self/mountinfo").write_text(MOUNTINFO)
    assert told(mounts) == []


def test_nothing_known(tmp_path: Path) -> None:
    """A machine that tells nothing has no problem, and one without the program neither."""
    assert Mounts(root=tmp_path).problems() == []
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTINFO)
    none = Mounts(("/nonexistent/program",), tmp_path)
    assert none.problems() == [] and none.problems() == []
