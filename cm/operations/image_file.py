"""
What an import does with its file on this machine: fetch, unpack, inspect, convert. Blocking, for the threads of images;
each finds done what was done. Files are written beside their place and renamed, so what stands there is complete.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cm.drivers.images import qemu_img
from cm.drivers.images.child import Leash
from cm.drivers.images.fetch import fetch as fetch_url
from cm.drivers.images.inspect import ImageFacts, ImageFormat, refuse_head
from cm.drivers.images.inspect import inspect as inspect_header
from cm.drivers.images.local import copy_local
from cm.drivers.images.packing import packing_of
from cm.drivers.images.policy import FetchPolicy
from cm.drivers.images.promise import check_disk, check_name
from cm.drivers.images.reading import SECTOR, read_at
from cm.drivers.images.receive import take_received
from cm.drivers.images.signed import verified
from cm.drivers.images.sums import SUMS_BYTES_MAX, find_sum, name_of, sums_url
from cm.drivers.images.target import Digests, Fetched, Target
from cm.drivers.images.unpack import unpack as unpack_file
from cm.operations import staging
from cm.operations.staging import Staged
from cm.rpc.errors import DownloadFailed, ImageRefused
from cm.rpc.vocabulary import DiskFormat, ImageFault, ImageKind, SourceFormat
from cm.rules.known_image import INLINE
from cm.rules.names import upload_file
from cm.services.context import ClusterPolicy

_AS_THEY_ARE: Final = (ImageFormat.RAW, ImageFormat.QCOW2, ImageFormat.ISO)
_CHECK_S: Final = 600.0
_TABLES_BYTES: Final = 64 * 2**20  # of a qcow2 file beside its clusters, and then 1/1000 of these


@dataclass(frozen=True)
class Inspected:
    format: DiskFormat  # that it will have
    size_bytes: int  # that a guest will see


def fetch(
    staged: Staged,
    arguments: Mapping[str, Any],
    policy: ClusterPolicy,
    came: Callable[[int, int | None], None],
    cancelled: Callable[[], bool],
    pools: Sequence[str],
) -> None:
    """
    :param came: bytes, and those to come if that is known; before they are written.
    :raises ImageRefused: it has not the checksum that was given, or that the server's file of checksums tells.
    :raises DownloadFailed: and what else ``fetch.py`` and ``local.py`` raise.
    """
    if staged.sha256 and staged.path.exists():
        return
    part = staging.partial(staged.path)
    part.unlink(missing_ok=True)
    limits: dict[str, Any] = {"progress": came, "cancelled": cancelled, "judge": refuse_head}
    fetched: Fetched
    if "url" in arguments:
        url = arguments["url"]
        given = arguments.get("format") is not None
        wanted = {kind: arguments[kind] for kind in ("sha256", "sha512") if arguments.get(kind)}
        if arguments.get("sums"):
            kind, digest = _looked_up(staged, url, arguments, policy, cancelled)
            if wanted.setdefault(kind, digest) != digest:
                raise ImageRefused("the file of checksums contradicts the one that was given", ImageFault.CHECKSUM)
        fetched = fetch_url(url, str(part), _policy(policy), take_pages=given, sha512="sha512" in wanted, **limits)
    elif "upload" in arguments:
        wanted = {"sha256": arguments["sha256"]} if arguments.get("sha256") else {}
        staged.uploaded = policy.staging_dir / upload_file(arguments["upload"])
        fetched = take_received(staged.uploaded, part, **limits)
    else:
        wanted = {}
        allowed = [str(directory) for directory in policy.import_dirs]
        limits["max_bytes"] = policy.import_max_bytes
        fetched = copy_local(arguments["path"], str(part), allowed, pools, **limits)
    for kind, digest in wanted.items():
        found = getattr(fetched, kind)
        if found != digest:
            part.unlink()
            what = "SHA-256" if kind == "sha256" else "SHA-512"
            told = "the file of checksums tells" if arguments.get("sums") else "was given"
            raise ImageRefused(f"its {what} is {found}, not the one that {told}", ImageFault.CHECKSUM)
    part.rename(staged.path)
    _came(staged, fetched)


class Bringing:
    """
    An object of a bucket on its way to the staged file. ``write`` is called by one thread, the others by those of
    images.

    :param came: bytes, and all of them; before they are written.
    """

    def __init__(
        self, staged: Staged, size_bytes: int, policy: ClusterPolicy, came: Callable[[int, int | None], None],
        cancelled: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._staged = staged
        self._size_bytes = size_bytes
        self._came = came
        self._part = staging.partial(staged.path)
        self._part.unlink(missing_ok=True)
        self._digests = Digests()
        most = policy.import_max_bytes
        self._target = Target(str(self._part), max_bytes=most, cancelled=cancelled, what="The image").__enter__()
        self._target.judge = refuse_head

    def write(self, chunk: bytes) -> None:
        self._came(self._target.size_bytes + len(chunk), self._size_bytes)
        self._target.write(chunk)
        self._digests.update(chunk)

    def finish(self) -> None:
        """:raises DownloadFailed: it is shorter than it should be."""
        if self._target.size_bytes != self._size_bytes:
            raise DownloadFailed("the object is shorter than it was")
        fetched = self._target.keep(self._digests)
        self.close()
        self._part.rename(self._staged.path)
        _came(self._staged, fetched)

    def close(self) -> None:
        """What is not finished goes."""
        target, self._target = self._target, None  # type: ignore[assignment]  # nobody writes on
        if target is not None:
            target.__exit__(None, None, None)


def _came(staged: Staged, fetched: Fetched) -> None:
    staged.sha256 = staged.digest = fetched.sha256
    staged.packing, staged.unpacked, staged.converted = None, False, False


def _looked_up(
    staged: Staged, url: str, arguments: Mapping[str, Any], policy: ClusterPolicy, cancelled: Callable[[], bool]
) -> tuple[str, str]:
    """:raises ImageRefused: the file of checksums is not signed as it has to be, or tells none of this file."""
    target, signature, keyring = staging.sums(staged.path), arguments.get("signature"), arguments.get("keyring")
    beside, scratch = staging.signature(staged.path), staging.keyring(staged.path)
    sums = sums_url(url, arguments["sums"])

    def get(address: str, path: Path) -> None:
        path.unlink(missing_ok=True)
        fetch_url(address, str(path), _policy(policy, SUMS_BYTES_MAX), cancelled=cancelled)

    try:
        get(sums, target)
        if not signature or not keyring:
            return find_sum(target.read_bytes(), name_of(url))
        if signature == INLINE:
            return find_sum(verified(target, None, Path(keyring), scratch), name_of(url))
        get(sums_url(sums, signature), beside)
        return find_sum(verified(target, beside, Path(keyring), scratch), name_of(url))
    finally:
        for path in (target, beside, scratch):
            path.unlink(missing_ok=True)


def _policy(policy: ClusterPolicy, max_bytes: int | None = None) -> FetchPolicy:
    return FetchPolicy(
        allow_private=policy.import_private_networks,
        allowed_networks=tuple(ipaddress.ip_network(network) for network in policy.import_networks),
        max_bytes=max_bytes or policy.import_max_bytes,
        timeout_s=policy.import_timeout_s,
    )


def unpack(staged: Staged, policy: ClusterPolicy, moved: Callable[[int, int, int], None]) -> None:
    """
    One layer, if it is packed; what is packed within that will be refused.

    :raises ImageRefused: StorageFull: as ``drivers/images/unpack.py``.
    """
    if staged.unpacked:
        return
    with staged.path.open("rb") as file:
        packing = packing_of(read_at(file, 0, SECTOR))
    if packing is not None:
        made = staging.made(staged.path)
        made.unlink(missing_ok=True)
        unpack_file(
            str(staged.path),
            packing,
            str(made),
            max_bytes=policy.import_max_bytes,
            deadline_s=policy.import_timeout_s,
            moved=moved,
        )
        made.rename(staged.path)
        staged.digest = ""
    staged.packing, staged.unpacked = packing, True


def inspect(staged: Staged, kind: ImageKind, claimed: str | None, names: Sequence[str]) -> Inspected:
    """
    :param claimed: the format that whoever imports it says it has.
    :param names: that it has; they may promise a format.
    :raises ImageRefused: with the reason.
    """
    if staged.converted:
        raise AssertionError("it was inspected before")
    with staged.path.open("rb") as file:
        facts = inspect_header(file)
        if claimed is None:
            for name in names:
                check_name(name, facts.format, staged.packing)
            if facts.format is ImageFormat.RAW:
                check_disk(file)
    if kind is ImageKind.ISO:
        if facts.format is not ImageFormat.ISO:
            raise ImageRefused(f"it is {facts.format}, not an ISO image", ImageFault.FORMAT)
        return Inspected(DiskFormat.RAW, facts.virtual_size_bytes)
    source = _source(facts)
    if claimed is not None and claimed != source:
        raise ImageRefused(f"it is {source}, not {claimed} as claimed", ImageFault.CLAIM)
    if source is SourceFormat.QCOW2:
        qemu_img.check(str(staged.path.absolute()), DiskFormat.QCOW2)
    return Inspected(DiskFormat.RAW if source is SourceFormat.RAW else DiskFormat.QCOW2, facts.virtual_size_bytes)


def _source(facts: ImageFacts) -> SourceFormat:
    # A disk image may hold an ISO 9660 file system as well; to a guest it is a disk like others.
    return SourceFormat.RAW if facts.format is ImageFormat.ISO else SourceFormat(str(facts.format))


def convert(
    staged: Staged,
    kind: ImageKind,
    format: DiskFormat,
    size_bytes: int,
    policy: ClusterPolicy,
    moved: Callable[[int], None],
) -> None:
    """
    :param format: that it is to have.
    :param size_bytes: what was claimed for what a guest will see, or somewhat more than that.
    :param moved: per cent.
    :raises ImageRefused: it is damaged, or became another size.
    :raises StorageFull: no room.
    :raises DeadlineExceeded: it took too long, and was killed.
    """
    if staged.converted or kind is ImageKind.ISO:
        return
    with staged.path.open("rb") as file:
        facts = inspect_header(file)
    if facts.format not in _AS_THEY_ARE or _source(facts) != format:
        made = staging.made(staged.path)
        made.unlink(missing_ok=True)
        most = size_bytes + size_bytes // 1000 + _TABLES_BYTES
        leash = Leash(deadline_s=policy.import_timeout_s, cpu_s=int(policy.import_timeout_s), file_bytes=most)
        source, target = str(staged.path.absolute()), str(made.absolute())
        qemu_img.convert(source, _source(facts), target, format, leash, moved=moved)
        _check_made(made, format, facts.virtual_size_bytes)
        made.rename(staged.path)
        staged.digest = ""
    staged.converted = True


def digest(staged: Staged) -> str:
    """The SHA-256 of the file as it goes to its storage."""
    if not staged.digest:
        with staged.path.open("rb") as file:
            staged.digest = hashlib.file_digest(file, "sha256").hexdigest()
    return staged.digest


def _check_made(made: Path, format: DiskFormat, size_bytes: int) -> None:
    try:
        if format is DiskFormat.RAW:
            found = made.stat().st_size
        else:
            with made.open("rb") as file:
                found = inspect_header(file, ImageFormat.QCOW2).virtual_size_bytes
        if found != size_bytes:
            raise ImageRefused(f"it says {size_bytes} bytes, and became {found}", ImageFault.DAMAGED)
    except ImageRefused:
        made.unlink()
        raise
