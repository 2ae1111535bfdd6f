"""
Importing an image: fetch it to this machine, inspect it, claim for what guests will see of it, upload it by a node.

The fetched file is this worker's alone. A worker that takes over fetches anew, and takes only what has the SHA-256 that
was inspected.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session

from cm.drivers.images import qemu_img
from cm.drivers.images.fetch import fetch as fetch_url
from cm.drivers.images.inspect import ImageFormat, inspect, refuse_head
from cm.drivers.images.local import copy_local
from cm.drivers.images.policy import FetchPolicy
from cm.drivers.images.promise import check_disk, check_name
from cm.drivers.images.target import Fetched
from cm.operations import staging
from cm.operations.base import NO_NODE, Kind, LeaseLost, Wait, Work, image_of, register
from cm.rpc.errors import CloudError, DownloadFailed, DownloadRefused, ImageRefused, ObjectNotFound, WrongImageState
from cm.rpc.vocabulary import CauseKind, DiskFormat, ImageFault, ImageKind, ImageState
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.rules.operation import OperationKind
from cm.services.context import ClusterPolicy
from cm.services.image import open_delete
from cm.store.change import record_change
from cm.store.image import ImageRow, claim_image, find_image, get_image, set_progress, set_state
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.storage import node_reaching, pool_paths
from cm.store.worker import holds, record_step

FETCHED: Final = 50  # percent
INSPECTED: Final = 55
UPLOADED: Final = 95
TELL_S: Final = 1.0  # between two records of progress
NODE_WAIT_S: Final = 3.0


class Meter:
    """
    Progress from the thread that moves the bytes, and word to it that the operation is no longer this worker's.

    :param first, last: percent at no bytes and at all of them.
    """

    def __init__(self, work: Work, first: int, last: int) -> None:
        self._work = work
        self._first, self._last = first, last
        self._told_at = time.monotonic()
        self._told = first
        self.lost = False

    def moved(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self.lost or now - self._told_at < TELL_S:
            return
        self._told_at = now
        share = min(done / total, 1.0) if total else 0.0
        self._told = max(self._told, int(self._first + share * (self._last - self._first)))
        # Without a length there is no share of it; that bytes come can be told all the same.
        come = "" if total else f"{done >> 20} MiB have come; the server does not say of how many."
        self.lost = not self._work.services.database.transact_now(_tell, self._work, self._told, come)

    def sent(self, total: int) -> Callable[[int], None]:
        """For an upload: its end is to raise."""

        def progress(done: int) -> None:
            self.moved(done, total)
            if self.lost:
                raise LeaseLost()

        return progress


def _tell(session: Session, work: Work, percent: int, come: str) -> bool:
    if not holds(session, work.op.id, work.worker_id, None):
        return False
    record_step(session, work.op.id, work.step, percent, come)
    set_progress(session, image_of(work.op), percent)
    return True


# ------------------------------------------------------------------ fetch


@staging.removed_if_lost
async def fetch(work: Work) -> None:
    """Have the file on this machine, complete; what an earlier process left of others is swept away."""
    directory = work.services.policy.staging_dir
    pairs = await work.run_images(_prepare, directory)
    await work.run_images(staging.sweep, directory, await work.read(staging.orphaned, pairs))
    await _ensure_fetched(work)
    await work.progress(FETCHED)


def _prepare(directory: Path) -> Any:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return staging.found(directory)


async def _ensure_fetched(work: Work) -> staging.Staged:
    """
    The staged file, fetched if it is not here.

    :raises ImageRefused: it has not the SHA-256 that was asked for, or that was inspected before.
    """
    staged = staging.staged(work)
    meter = Meter(work, 0, FETCHED)
    pools = [path for _, path in await work.read(pool_paths)]
    await work.run_images(_fetch, staged, dict(work.arguments), work.services.policy, meter, pools)
    wanted = work.arguments.get("sha256")
    if wanted and staged.sha256 != wanted:
        raise ImageRefused(f"its SHA-256 is {staged.sha256}, not the one that was given", ImageFault.CHECKSUM)
    image = await work.read(get_image, image_of(work.op))
    if image.claimed_bytes and image.sha256 != staged.sha256:
        raise ImageRefused("it has changed while it was being imported", ImageFault.CHECKSUM)
    return staged


def _fetch(
    staged: staging.Staged, arguments: dict[str, Any], policy: ClusterPolicy, meter: Meter, pools: Sequence[str]
) -> None:
    if staged.sha256 and staged.path.exists():
        return
    part = staging.partial(staged.path)
    part.unlink(missing_ok=True)
    limits: dict[str, Any] = {"progress": meter.moved, "cancelled": lambda: meter.lost, "judge": refuse_head}
    try:
        fetched: Fetched
        if "url" in arguments:
            given = arguments.get("format") is not None
            fetched = fetch_url(arguments["url"], str(part), _fetch_policy(policy), take_pages=given, **limits)
        else:
            allowed = [str(directory) for directory in policy.import_dirs]
            limits["max_bytes"] = policy.import_max_bytes
            fetched = copy_local(arguments["path"], str(part), allowed, pools, **limits)
    except DownloadFailed:
        if meter.lost:
            raise LeaseLost() from None
        raise
    part.rename(staged.path)
    staged.sha256 = fetched.sha256


def _fetch_policy(policy: ClusterPolicy) -> FetchPolicy:
    return FetchPolicy(
        allow_private=policy.import_private_networks,
        allowed_networks=tuple(ipaddress.ip_network(network) for network in policy.import_networks),
        max_bytes=policy.import_max_bytes,
        timeout_s=policy.import_timeout_s,
    )


# ------------------------------------------------------------------ inspect


@dataclass(frozen=True)
class Inspected:
    format: DiskFormat
    size_bytes: int


@staging.removed_if_lost
async def inspect_and_claim(work: Work) -> None:
    """Look into the file with our own reader, then with qemu-img on its leash; claim quota and storage for it."""
    staged = await _ensure_fetched(work)
    image = await work.read(get_image, image_of(work.op))
    facts = await work.run_images(_inspect, staged.path, image.kind, work.arguments.get("format"), _names(work, image))
    await work.db(_claim, image.id, facts, staged.sha256)
    await work.progress(INSPECTED)


def _names(work: Work, image: ImageRow) -> list[str]:
    """What it was called where it came from, and is to be called here."""
    source = urlsplit(work.arguments["url"]).path if "url" in work.arguments else work.arguments["path"]
    return [unquote(source), image.name]


def _inspect(path: Path, kind: ImageKind, claimed: str | None, names: Sequence[str]) -> Inspected:
    with path.open("rb") as file:
        facts = inspect(file)
        if claimed is None:
            for name in names:
                check_name(name, facts.format)
            if facts.format is ImageFormat.RAW:
                check_disk(file)
    if facts.format not in (ImageFormat.RAW, ImageFormat.QCOW2, ImageFormat.ISO):
        raise ImageRefused(f"it is a {facts.format} image; convert it first", ImageFault.FORMAT)
    if kind is ImageKind.ISO:
        if facts.format is not ImageFormat.ISO:
            raise ImageRefused(f"it is {facts.format}, not an ISO image", ImageFault.FORMAT)
        return Inspected(DiskFormat.RAW, facts.virtual_size_bytes)
    # A disk image may hold an ISO 9660 file system as well; to a guest it is a disk like others.
    format = DiskFormat.QCOW2 if facts.format is ImageFormat.QCOW2 else DiskFormat.RAW
    if claimed is not None and claimed != format:
        raise ImageRefused(f"it is {format}, not {claimed} as claimed", ImageFault.CLAIM)
    if format is DiskFormat.QCOW2:
        qemu_img.check(os.path.abspath(path), format)
    return Inspected(format, facts.virtual_size_bytes)


def _claim(session: Session, image_id: int, facts: Inspected, sha256: str) -> None:
    row = get_image(session, image_id, lock=True)
    claim_image(session, row, facts.format, facts.size_bytes, sha256)
    record_change(session, "image", image_id, row.account_id)


# ------------------------------------------------------------------ upload, finish


@staging.removed_if_lost
async def upload(work: Work) -> None:
    """Stream the file to the storage through a node that has it attached and answers."""
    staged = await _ensure_fetched(work)
    image = await work.read(get_image, image_of(work.op))
    node_id = await work.read(node_reaching, image.storage_id, work.op.attempts)
    if node_id is None:
        raise Wait(NODE_WAIT_S, NO_NODE)
    meter = Meter(work, INSPECTED, UPLOADED)
    await work.node(node_id, work.services.policy.import_timeout_s).volumes.upload(
        pool_name(image.storage_id),
        image.volume,
        str(staged.path),
        image.format,
        image.size_bytes,
        meter.sent(staged.path.stat().st_size),
    )
    await work.progress(UPLOADED)


@staging.removed_if_lost
async def finish(work: Work) -> None:
    """The image can be used."""
    await work.complete(_finished, work.op, result={"image_id": image_of(work.op)})


def _finished(session: Session, op: OperationRow) -> None:
    row = get_image(session, image_of(op), lock=True)
    if row.state is not ImageState.ADDING:
        raise WrongImageState(row.id, row.state, ImageState.ADDING)
    set_state(session, row.id, ImageState.OK)
    set_progress(session, row.id, 100)
    record_change(session, "image", row.id, row.account_id)
    staging.discard_at_commit(session, op.id)


@register
class ImageImport(Kind):
    kind = OperationKind.IMAGE_IMPORT
    notes = ("again",)
    steps = {"fetch": fetch, "inspect_and_claim": inspect_and_claim, "upload": upload, "finish": finish}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """The image stays, failed, with the reason. What it claims goes back once its volume is surely gone."""
        staging.discard_at_commit(session, op.id)
        row = find_image(session, image_of(op), lock=True)
        if row is None:
            return
        set_state(session, row.id, ImageState.FAILED, str(error))
        if row.claimed_bytes:
            open_delete(session, row, account_id=op.account_id, cause=Cause(CauseKind.OPERATION, str(op.id)), keep=True)
        record_change(session, "image", row.id, row.account_id)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """An import that is given up is undone: volume, claims and image."""
        staging.discard_at_commit(session, op.id)
        row = find_image(session, image_of(op), lock=True)
        if row is None:
            return
        set_state(session, row.id, ImageState.DELETED, "given up")
        open_delete(session, row, account_id=op.account_id, cause=Cause(CauseKind.OPERATION, str(op.id)))
        record_change(session, "image", row.id, row.account_id)

    def tried(self, op: OperationRow, error: CloudError) -> dict[str, Any]:
        """What a network's whim may be once is the server's fault when it comes again and again."""
        if not isinstance(error, DownloadFailed):
            return {"again": None}
        before = op.arguments.get("again") or {}
        times = before.get("times", 0) + 1 if before.get("reason") == error.reason else 1
        if error.tries and times >= error.tries:
            enough = DownloadRefused(f"{error.reason}, {times} times in a row")
            for note in getattr(error, "__notes__", ()):
                enough.add_note(note)
            raise enough
        return {"again": {"reason": error.reason, "times": times}}

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        :raises WrongImageState: it was deleted, or what the failure left is still being removed.
        """
        row: ImageRow | None = find_image(session, image_of(op), lock=True)
        if row is None:
            raise ObjectNotFound("image", image_of(op))
        if row.state is not ImageState.FAILED or row.claimed_bytes:
            raise WrongImageState(row.id, row.state, "failed, with its remains removed")
        set_state(session, row.id, ImageState.ADDING)
        record_change(session, "image", row.id, row.account_id)
        return {}
