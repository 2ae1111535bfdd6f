"""
Files that imports are fetched into before they are uploaded: ``import-<operation>-<worker>`` in the staging directory.

Each belongs to one worker, so nobody else writes to it. It is removed at every end of its import; what a killed process
left is swept away by the next import on the same machine. What was uploaded lies beside them (``uploading.py``), until
its import has ended.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from cm.drivers.images.packing import Packing
from cm.operations.base import LeaseLost, Step, Work
from cm.runtime.database import after_commit
from cm.store.operation_change import workers_of

_NAME: Final = re.compile(r"import-([0-9]{1,18})-([0-9]{1,18})(?:\.part|\.part\.fs|\.sums|\.sign|\.keys|\.made)?\Z")


@dataclass
class Staged:
    """
    What this process writes for an operation. ``path`` is what came, then what was in it, then what it was converted
    to; ``sha256``, of what came, is set once that is complete, and ``digest`` is of ``path`` while it is known.
    """

    path: Path
    sha256: str = ""
    digest: str = ""
    packing: Packing | None = None
    unpacked: bool = False
    converted: bool = False
    uploaded: Path | None = None  # what it was taken from; needed for as long as the import may begin anew


_staged: dict[tuple[int, int], Staged] = {}  # by operation and worker


def staged(work: Work) -> Staged:
    """The import's file, there or to be."""
    return _staged.setdefault((work.op.id, work.worker_id), Staged(_path(work)))


def _path(work: Work) -> Path:
    return work.services.policy.staging_dir / f"import-{work.op.id}-{work.worker_id}"


def removed_if_lost(step: Step) -> Step:
    """
    Decorates a step: when the operation was given up or taken over, its file goes. Whoever gave it up has removed the
    file already, but perhaps before the thread that was writing it had come to the end.
    """

    @functools.wraps(step)
    async def guarded(work: Work) -> None:
        try:
            await step(work)
        except LeaseLost:
            _staged.pop((work.op.id, work.worker_id), None)
            _remove(_path(work))
            raise

    return guarded


def partial(path: Path) -> Path:
    """What is not complete yet."""
    return path.with_name(path.name + ".part")


def sums(path: Path) -> Path:
    """The file of checksums that stands beside it."""
    return path.with_name(path.name + ".sums")


def signature(path: Path) -> Path:
    """What signs that."""
    return path.with_name(path.name + ".sign")


def keyring(path: Path) -> Path:
    """Keys in the form that they are needed in."""
    return path.with_name(path.name + ".keys")


def made(path: Path) -> Path:
    """What is being unpacked or converted."""
    return path.with_name(path.name + ".made")


def discard(operation_id: int) -> None:
    """Remove what this process has staged for an operation, if anything."""
    for key in [key for key in _staged if key[0] == operation_id]:
        found = _staged.pop(key)
        _remove(found.path)
        if found.uploaded is not None:
            found.uploaded.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    # A file system that is made apart stands beside what it is put into.
    beside = (partial(path), Path(f"{partial(path)}.fs"), sums(path), signature(path), keyring(path), made(path))
    for each in (path, *beside):
        each.unlink(missing_ok=True)


def discard_at_commit(session: Session, operation_id: int) -> None:
    after_commit(session, lambda: discard(operation_id))


def found(directory: Path) -> Sequence[tuple[int, int]]:
    """Operation and worker of each staged file."""
    names = (_NAME.match(entry.name) for entry in directory.iterdir())
    return [(int(name[1]), int(name[2])) for name in names if name]


def orphaned(session: Session, pairs: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Those whose operation has ended, or is another worker's by now."""
    if not pairs:
        return []
    workers = workers_of(session, [operation_id for operation_id, _ in pairs])
    return [(op, worker) for op, worker in pairs if op not in workers or workers[op] not in (None, worker)]


def sweep(directory: Path, pairs: Iterable[tuple[int, int]]) -> None:
    for operation_id, worker_id in pairs:
        _remove(directory / f"import-{operation_id}-{worker_id}")
