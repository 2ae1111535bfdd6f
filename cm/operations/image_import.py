"""
Importing an image: fetch it to this machine, or take what was uploaded to it; unpack it, inspect it, claim for what
guests will see of it, convert it if need be, upload it by a node. What has come is claimed of quota and storage while
it comes.

The fetched file is this worker's alone. A worker that takes over fetches anew, and takes only what has the SHA-256 that
was inspected.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session

from cm.operations import image_file, staging
from cm.operations.base import Kind, LeaseLost, Wait, Work, image_of, register, storage_reached
from cm.operations.image_file import Inspected
from cm.rpc.errors import (
    CloudError,
    DownloadFailed,
    DownloadRefused,
    ImageRefused,
    LimitReached,
    ObjectNotFound,
    UploadGone,
    WrongImageState,
)
from cm.rpc.vocabulary import CauseKind, ImageFault, ImageKind, ImageState
from cm.rules.bucket import HEAD
from cm.rules.cause import Cause
from cm.rules.names import is_unmade, pool_name
from cm.rules.operation import OperationKind
from cm.rules.storage import capabilities
from cm.runtime.closing import Closing
from cm.runtime.wall import steady_seconds
from cm.services.image import open_delete
from cm.store.bucket import ObjectRow, find_object_by_uuid
from cm.store.change import record_change
from cm.store.image import ImageRow, find_image, get_image, set_progress, set_state
from cm.store.image_claim import claim_image, forget_inspection, hold_image, release_image, set_sum, sum_of
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.storage import get_storage, node_reaching, pool_paths
from cm.store.worker import holds, record_step

FETCHED: Final = 45  # percent
UNPACKED: Final = 55
INSPECTED: Final = 57
CONVERTED: Final = 70
UPLOADED: Final = 95
HELD_BYTES: Final = 64 * 2**20  # claimed ahead of what comes, where nobody says how much will
ELSEWHERE_S: Final = 2.0  # whoever looks next may be the one
TELL_S: Final = 1.0  # between two records of progress


class Meter:
    """
    Progress from the thread that moves the bytes, and word to it that the operation is no longer this worker's.

    :param first, last: percent at no bytes and at all of them.
    """

    def __init__(self, work: Work, first: int, last: int) -> None:
        self._work = work
        self._first, self._last = first, last
        self._shown_at = steady_seconds()
        self._shown = first
        self._held = 0
        self.lost = False

    def moved(self, done: int, total: int | None, told: str = "{done} of {total} MiB have come.") -> None:
        """
        :param told: what is said of it to people.
        """
        now = steady_seconds()
        if self.lost or now - self._shown_at < TELL_S:
            return
        self._shown_at = now
        share = min(done / total, 1.0) if total else 0.0
        self._shown = max(self._shown, int(self._first + share * (self._last - self._first)))
        # Without a length there is no share of it; that bytes come can be told all the same.
        come = f"{done >> 20} MiB have come; the server does not say of how many."
        if total:
            come = told.format(done=done >> 20, total=-(-total >> 20))
        self.lost = not self._work.services.database.transact_now(_tell, self._work, self._shown, come)

    def came(self, done: int, total: int | None) -> None:
        """
        As ``moved``, of bytes that come to stay: they are claimed before they are written.
        :raises QuotaReached: StorageFull: they do not fit.
        """
        self.hold(total if total is not None else done)
        self.moved(done, total)

    def unpacked(self, read: int, total: int, written: int) -> None:
        self.hold(written)
        self.moved(read, total, "{done} of {total} MiB are unpacked.")
        if self.lost:
            raise LeaseLost()

    def converted(self, percent: int) -> None:
        self.moved(percent, 100, "It is being converted.")
        if self.lost:
            raise LeaseLost()

    def hold(self, size_bytes: int) -> None:
        if size_bytes <= self._held or self.lost:
            return
        ahead = -(-size_bytes // HELD_BYTES) * HELD_BYTES if self._held else size_bytes
        try:
            self._hold(ahead)
        except LimitReached:
            if ahead == size_bytes:
                raise
            self._hold(size_bytes)

    def _hold(self, size_bytes: int) -> None:
        self.lost = not self._work.services.database.transact_now(_hold, self._work, size_bytes)
        self._held = size_bytes

    def sent(self, total: int) -> Callable[[int], None]:
        """For an upload: its end is to raise."""

        def progress(done: int) -> None:
            self.moved(done, total, "{done} of {total} MiB are on the storage.")
            if self.lost:
                raise LeaseLost()

        return progress


def _tell(session: Session, work: Work, percent: int, come: str) -> bool:
    if not holds(session, work.op, work.worker_id):
        return False
    record_step(session, work.op.id, work.step, percent, come)
    set_progress(session, image_of(work.op), percent)
    return True


def _hold(session: Session, work: Work, size_bytes: int) -> bool:
    if not holds(session, work.op, work.worker_id):
        return False
    hold_image(session, get_image(session, image_of(work.op), lock=True), size_bytes)
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

    :raises ImageRefused: it has not the checksum that was asked for, or the SHA-256 that was inspected before.
    """
    if "upload" in work.arguments and work.arguments["place"] != work.services.policy.staging_id:
        raise Wait(ELSEWHERE_S, "What was uploaded is at another machine of the cluster manager, which has to go on.")
    staged = staging.staged(work)
    meter = Meter(work, 0, FETCHED)
    pools = [path for _, path in await work.read(pool_paths)]
    try:
        if "object" in work.arguments:
            await _bring(work, staged, meter)
        await work.run_images(
            image_file.fetch, staged, dict(work.arguments), work.services.policy, meter.came, lambda: meter.lost, pools
        )
    except DownloadFailed:
        if meter.lost:
            raise LeaseLost() from None
        raise
    image = await work.read(get_image, image_of(work.op))
    if image.sha256 and image.sha256 != staged.sha256:
        raise ImageRefused("it has changed while it was being imported", ImageFault.CHECKSUM)
    return staged


async def _bring(work: Work, staged: staging.Staged, meter: Meter) -> None:
    """
    Have the file be what an object of a bucket is, if it is not here.

    :raises ObjectNotFound: it has been deleted, or replaced.
    """
    if staged.sha256 and staged.path.exists():
        return
    row, node_id = await work.read(_object, work.arguments["object"], work.op.attempts)
    if node_id is None:
        raise storage_reached(row.storage_id)
    policy, size = work.services.policy, row.size_bytes
    bringing = await work.run_images(
        image_file.Bringing, staged, size, policy, meter.came, lambda: meter.lost
    )
    async with Closing(lambda: work.run_images(bringing.close)):
        pool = pool_name(row.storage_id)
        await work.node(node_id).streams.download(pool, row.volume, len(HEAD), size, bringing.write)
        await work.run_images(bringing.finish)


def _object(session: Session, uuid: str, attempts: int) -> tuple[ObjectRow, int | None]:
    row = find_object_by_uuid(session, uuid)
    if row is None:
        raise ObjectNotFound("object", uuid)
    return row, node_reaching(session, row.storage_id, attempts)


# ------------------------------------------------------------------ unpack


@staging.removed_if_lost
async def unpack(work: Work) -> None:
    """What is compressed, or the one file of an archive, in its place."""
    await _ensure_unpacked(work)
    await work.progress(UNPACKED)


async def _ensure_unpacked(work: Work) -> staging.Staged:
    staged = await _ensure_fetched(work)
    meter = Meter(work, FETCHED, UNPACKED)
    await work.run_images(image_file.unpack, staged, work.services.policy, meter.unpacked)
    return staged


# ------------------------------------------------------------------ inspect


@staging.removed_if_lost
async def inspect_and_claim(work: Work) -> None:
    """Look into the file with our own reader, then with qemu-img on its leash; claim quota and storage for it."""
    staged = await _ensure_unpacked(work)
    image = await work.read(get_image, image_of(work.op))
    claimed = work.arguments.get("format")
    facts = await work.run_images(image_file.inspect, staged, image.kind, claimed, _names(work, image))
    await work.db(_claim, image.id, facts, staged.sha256)
    await work.progress(INSPECTED)


def _names(work: Work, image: ImageRow) -> list[str]:
    """What it was called where it came from, and is to be called here."""
    told = work.arguments
    if "url" in told:
        return [unquote(urlsplit(told["url"]).path), image.name]
    return [told["filename"] if "upload" in told or "object" in told else told["path"], image.name]


def _claim(session: Session, image_id: int, facts: Inspected, sha256: str) -> None:
    """As its storage has what guests write to, or read: in another format, and of a size that is rounded up."""
    row = get_image(session, image_id, lock=True)
    can = capabilities(get_storage(session, row.storage_id)["kind"])
    format = (can.best if row.kind is ImageKind.STORAGE else can.kept)(facts.format)
    claim_image(session, row, format, can.whole(facts.size_bytes), sha256)
    record_change(session, "image", image_id, row.account_id)


# ------------------------------------------------------------------ convert


@staging.removed_if_lost
async def convert(work: Work) -> None:
    """To the format that it is to have, from any other."""
    await _ensure_converted(work)
    await work.progress(CONVERTED)


async def _ensure_converted(work: Work) -> staging.Staged:
    staged = await _ensure_unpacked(work)
    image = await work.read(get_image, image_of(work.op))
    meter = Meter(work, INSPECTED, CONVERTED)
    await work.run_images(
        image_file.convert, staged, image.kind, image.format, image.size_bytes, work.services.policy, meter.converted
    )
    return staged


# ------------------------------------------------------------------ upload, finish


@staging.removed_if_lost
async def upload(work: Work) -> None:
    """Stream the file to the storage through a node that has it attached and answers."""
    staged = await _ensure_converted(work)
    image = await work.read(get_image, image_of(work.op))
    node_id = await work.read(node_reaching, image.storage_id, work.op.attempts)
    if node_id is None:
        raise storage_reached(image.storage_id)
    meter, pool = Meter(work, CONVERTED, UPLOADED), pool_name(image.storage_id)
    node = work.node(node_id, work.services.policy.import_timeout_s)
    # Of a storage image none is kept: guests write to it. Recorded before the volume can be there as a whole, it is of
    # what is there however often this is begun: what qemu-img makes may differ from one attempt to the next.
    known = "" if image.kind is ImageKind.STORAGE else await work.run_images(image_file.digest, staged)
    if known and await work.read(sum_of, image.id) != known:
        await node.volumes.delete(pool, image.volume)
        await work.db(set_sum, image.id, known)
    seen = await node.volumes.upload(
        pool,
        image.volume,
        str(staged.path),
        image.format,
        image.size_bytes,
        meter.sent(staged.path.stat().st_size),
    )
    if known and seen.length_bytes != staged.path.stat().st_size:  # a block device is longer than what it is made from
        await work.db(set_sum, image.id, "")
    await work.progress(UPLOADED)


@staging.removed_if_lost
async def finish(work: Work) -> None:
    """The image can be used."""
    result: dict[str, Any] = {"image_id": image_of(work.op)}
    if "signature" in work.arguments:
        result["signature"] = "good" if work.arguments["keyring"] else "unchecked"
    await work.complete(_finished, work.op, result=result)


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
    steps = {
        "fetch": fetch,
        "unpack": unpack,
        "inspect_and_claim": inspect_and_claim,
        "convert": convert,
        "upload": upload,
        "finish": finish,
    }

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """The image stays, failed, with the reason. What it claims goes back once its volume is surely gone."""
        staging.discard_at_commit(session, op.id)
        row = find_image(session, image_of(op), lock=True)
        if row is None:
            return
        set_state(session, row.id, ImageState.FAILED, error.for_user())
        if is_unmade(row.volume):
            release_image(session, row.id)
        elif row.claimed_bytes:
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
        :raises UploadGone: what was uploaded is not kept after a failure.
        """
        row: ImageRow | None = find_image(session, image_of(op), lock=True)
        if row is None:
            raise ObjectNotFound("image", image_of(op))
        if "upload" in op.arguments:
            raise UploadGone()
        if row.state is not ImageState.FAILED or row.claimed_bytes:
            raise WrongImageState(row.id, row.state, "failed, with its remains removed")
        set_state(session, row.id, ImageState.ADDING)
        forget_inspection(session, row.id)
        record_change(session, "image", row.id, row.account_id)
        return {}
