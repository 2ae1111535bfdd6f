"""
Files read from a cluster, over interruptions: what has come is beside its place (``.part``) until all of it is there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from clm.console.context import Console
from clm.console.problems import INTERRUPTED, REFUSED, UNREACHABLE, Problem
from clm.console.units import size
from clm.console.uploading import PAUSE_S, transfers, ways
from clm.console.waiting import AWAY_S, Watch
from cm.rpc.errors import CloudError, Unavailable

if TYPE_CHECKING:
    from cm.rpc.transfer_client import Part, Remote


def receive_file(console: Console, ticket: Mapping[str, Any], target: str | None) -> Path:
    """
    Read what a ticket gives (``create_download``).

    :param target: a file that is not there yet, or a directory; None: where one is.
    :return: the file.
    :raises Problem: it is there already, cannot be written, or broke off for long.
    """
    path = Path(target or ".").expanduser()
    if path.is_dir():
        path /= os.path.basename(str(ticket["filename"])) or "disk"
    if path.exists() or not path.parent.is_dir():
        raise Problem(f"{path} is there already." if path.exists() else f"There is no directory {path.parent}.")
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "w+b", opener=_private) as file, Watch() as watch:
            _Receiving(console, ticket, path.name, watch).run(file)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # never over a file that somebody made meanwhile
    except KeyboardInterrupt:
        raise Problem("Interrupted.", INTERRUPTED) from None
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror}.", REFUSED) from None
    finally:
        part.unlink(missing_ok=True)
    return path


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


class _Receiving:
    def __init__(self, console: Console, ticket: Mapping[str, Any], name: str, watch: Watch) -> None:
        self._transfers = transfers(console)
        self._ways = list(ways(console, ticket["path"], ticket.get("download_url"), ticket["cluster"]))
        self._name = name
        self._watch = watch
        self._at = 0
        self._moved_at = time.monotonic()
        self._first: Part | None = None

    def run(self, file: BinaryIO) -> None:
        from cm.rpc.transfer_client import Part

        pause_s, longest = PAUSE_S
        while True:
            before = self._at
            try:
                way, found = self._find()
                if self._first is not None and found.tag != self._first.tag:
                    self._at = 0  # it is another file by now
                    file.truncate(0)
                self._first = found
                self._transfers.receive(way, Part(self._at, found.length, found.tag), file, self._received)
                return
            except Unavailable as error:
                if self._at > before:
                    pause_s = PAUSE_S[0]
                if time.monotonic() - self._moved_at > AWAY_S:
                    raise Problem(str(error), UNREACHABLE) from None
                self._watch.note(self._name, "interrupted, trying again", self._percent)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, longest)

    def _find(self) -> tuple[Remote, Part]:
        refused: CloudError | None = None
        for way in list(self._ways):
            try:
                found = self._transfers.look(way)
            except Unavailable as error:
                refused = error
                continue
            self._ways = [way, *(other for other in self._ways if other != way)]
            return way, found
        assert refused is not None
        raise refused

    @property
    def _percent(self) -> float:
        return 100 * self._at / self._first.length if self._first is not None and self._first.length else 0.0

    def _received(self, at: int) -> None:
        self._moved_at = time.monotonic()
        self._at = at
        length = self._first.length if self._first is not None else 0
        self._watch.note(self._name, f"{size(at)} of {size(length)}", self._percent)
