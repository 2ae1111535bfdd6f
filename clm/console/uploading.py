"""
Files sent to a cluster, and gone on with: what was begun is remembered, so that the same command again sends the rest.

A cluster of a cloud is reached by its own address where that works from here, and else by the cloud manager, which
passes on what comes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from clm.console.context import Console
from clm.console.places import read_text, state_dir, write_private
from clm.console.problems import INTERRUPTED, REFUSED, UNREACHABLE, Problem
from clm.console.profiles import locked
from clm.console.units import size
from clm.console.waiting import AWAY_S, Watch
from cm.rpc.errors import CloudError, Conflict, Unavailable, UploadGone

if TYPE_CHECKING:
    from cm.rpc.transfer_client import Remote, Transfers

KEPT_MAX: Final = 100  # uploads that are remembered
PAUSE_S: Final = (1.0, 15.0)  # between tries: the first, and the longest
_READ_BYTES: Final = 1024 * 1024
AGAIN: Final = "Run the same command again: it goes on from there."


@dataclass(frozen=True)
class Source:
    """A file that is to be sent. ``key``: what of it an upload is remembered by; it changes when the file does."""

    path: Path
    length: int
    key: str


def source_of(text: str, *more: str) -> Source:
    """
    :param more: what else has to be the same when an upload is gone on with.
    :raises Problem: it is no file that can be read.
    """
    path = Path(text).expanduser()
    try:
        found = path.stat()
        if not path.is_file():
            raise Problem(f"{path} is no file.")
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}.") from None
    if not found.st_size:
        raise Problem(f"{path} is empty.")
    told = [str(path.resolve()), str(found.st_size), str(found.st_mtime_ns), *more]
    return Source(path, found.st_size, hashlib.sha256("\0".join(told).encode()).hexdigest())


def digest_of(source: Source, watch: Watch) -> str:
    """A file's SHA-256."""
    made, done = hashlib.sha256(), 0
    with source.path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            made.update(data)
            done += len(data)
            watch.note(source.path.name, "reading its checksum", 100 * done / source.length)
    return made.hexdigest()


# ------------------------------------------------------------------ what was begun


def _file() -> Path:
    return state_dir() / "uploads.json"


def _read() -> dict[str, Any]:
    try:
        text = read_text(_file())
        told = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in told.items() if isinstance(value, dict)} if isinstance(told, dict) else {}


def find_begun(source: Source) -> dict[str, Any] | None:
    """An upload of this file, as ``keep_begun`` was told of it."""
    found = _read().get(source.key)
    if found is None or not all(isinstance(found.get(key), kind) for key, kind in _KEPT.items()):
        return None
    return dict(found)


_KEPT: Final[Mapping[str, type]] = {"path": str, "cluster": str, "image_id": int}


def keep_begun(source: Source, begun: Mapping[str, Any] | None) -> None:
    """Remember an upload, whose address is a secret, or forget it."""
    with locked():
        kept = _read()
        kept.pop(source.key, None)
        if begun is not None:
            kept[source.key] = dict(begun)
        kept = dict(list(kept.items())[-KEPT_MAX:])
        write_private(_file(), json.dumps(kept, indent=1) + "\n")


# ------------------------------------------------------------------ the way there


def transfers(console: Console) -> Transfers:
    from cm.rpc.transfer_client import Transfers

    return Transfers(console.options.ca or console.profile().ca or None, console.options.timeout)


def ways(console: Console, path: str, url: str | None, cluster: str) -> Iterator[Remote]:
    """
    The addresses that something of a cluster may be reached at, the shortest way first.

    :param path: at the cluster; ``url``: the same with the cluster's address, if it tells one.
    """
    from cm.rpc.transfer_client import Remote, remote_of

    server = console.profile().url
    if not console.is_cloud:
        # The way that the call came is open; what the cluster thinks of its own address may not be.
        yield Remote(server, path)
        return
    # What goes to the cloud over TLS does not go to the cluster without.
    if url and (url.startswith("https:") or not server.startswith("https:")):
        yield remote_of(url)
    yield Remote(server, f"/clusters/{cluster}{path}")


# ------------------------------------------------------------------ sending


def send_file(
    console: Console,
    file: str,
    method: str,
    params: Mapping[str, Any],
    cluster: str,
    sha256: str | None = None,
    anew: bool = False,
) -> Any:
    """
    Upload a file, or the rest of it.

    :param method: the view that begins an upload; ``params``: what it takes but for size and checksum.
    :param sha256: that the file must have.
    :param anew: do not go on with what was begun before.
    :return: the image, which is being imported; of a dry run the plan.
    """
    source = source_of(file, console.profile().url, cluster, method, json.dumps(params, sort_keys=True))
    with Watch() as watch:
        begun = None if anew or console.options.dry_run else find_begun(source)
        if begun is not None and sha256 not in (None, begun.get("sha256")):
            raise Problem(f"The SHA-256 of {source.path} is {begun.get('sha256')}.", REFUSED)
        if begun is not None:
            console.say(f"Going on with an upload of {source.path.name} that was begun before.")
            try:
                send(console, source, begun, watch)
            except UploadGone:
                begun = None
        if begun is None:
            digest = digest_of(source, watch)
            if sha256 is not None and sha256 != digest:
                raise Problem(f"The SHA-256 of {source.path} is {digest}.", REFUSED)
            told = {**params, "size_bytes": source.length, "sha256": digest}
            made = console.change(method, told, cluster=cluster)
            if console.options.dry_run:
                return made
            begun = {key: made[key] for key in ("path", "upload_url", "cluster")}
            begun |= {"image_id": made["image"]["image_id"], "sha256": digest}
            keep_begun(source, begun)
            send(console, source, begun, watch)
    keep_begun(source, None)
    found = console.call(_look(method), {"image_id": begun["image_id"]}, cluster=cluster or _named(console, begun))
    return {**found, "cluster": begun["cluster"]} if console.is_cloud else found


def _look(method: str) -> str:
    return method.rpartition(".")[0] + ".get_by_id"


def _named(console: Console, begun: Mapping[str, Any]) -> str:
    return str(begun["cluster"]) if console.is_cloud else ""


def send(console: Console, source: Source, begun: Mapping[str, Any], watch: Watch) -> None:
    """
    Send what is missing of a file, over any interruption that passes.

    :param begun: path, upload_url and cluster of the upload.
    :raises UploadGone: there is no such upload any more.
    :raises Problem: it was interrupted for longer; it can be gone on with.
    """
    sending = _Sending(console, source, begun, watch)
    try:
        with source.path.open("rb") as file:
            sending.run(file)
    except KeyboardInterrupt:
        raise Problem(f"Interrupted; {sending.told}.", INTERRUPTED, AGAIN) from None


class _Sending:
    def __init__(self, console: Console, source: Source, begun: Mapping[str, Any], watch: Watch) -> None:
        self._transfers = transfers(console)
        self._ways = list(ways(console, begun["path"], begun.get("upload_url"), begun["cluster"]))
        self._source = source
        self._watch = watch
        self._at = self._known = 0  # what was sent, and what the server has told to have
        self._moved_at = time.monotonic()
        self._began: tuple[float, int] | None = None

    @property
    def told(self) -> str:
        return f"{size(self._known)} of {size(self._source.length)} and more have come"

    def run(self, file: BinaryIO) -> None:
        from cm.rpc.transfer_client import FileChanged

        pause_s, longest = PAUSE_S
        while True:
            before = self._at
            try:
                way, at = self._find()
                if at == self._source.length:
                    return
                self._sent(at)
                self._transfers.send(way, file, at, self._source.length, self._sent)
                return
            except FileChanged:
                raise Problem(f"{self._source.path} has changed meanwhile.", REFUSED) from None
            except (Unavailable, Conflict) as error:  # of conflicts: another sends it, or knows more of where it is
                if self._at > before:
                    pause_s = PAUSE_S[0]
                if time.monotonic() - self._moved_at > AWAY_S:
                    code = UNREACHABLE if isinstance(error, Unavailable) else REFUSED
                    raise Problem(f"{error} {self.told}.", code, AGAIN) from None
                self._watch.note(self._source.path.name, "interrupted, trying again", self._percent)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, longest)

    def _find(self) -> tuple[Remote, int]:
        """A way that is open, and how far the upload is. The first that worked is kept."""
        refused: CloudError | None = None
        for way in list(self._ways):
            try:
                at = self._transfers.offset(way)
            except UploadGone:
                raise
            except CloudError as error:
                refused = error
                continue
            self._known = at
            self._ways = [way, *(other for other in self._ways if other != way)]
            return way, at
        assert refused is not None
        raise refused

    @property
    def _percent(self) -> float:
        return 100 * self._at / self._source.length

    def _sent(self, at: int) -> None:
        now = time.monotonic()
        if at != self._at:
            self._moved_at = now
        self._at = at
        if self._began is None or at < self._began[1]:
            self._began = (now, at)
        began, first = self._began
        speed = f", {size((at - first) / (now - began))}/s" if now - began > 1 else ""
        self._watch.note(self._source.path.name, f"{size(at)} of {size(self._source.length)}{speed}", self._percent)
