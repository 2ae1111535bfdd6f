"""The server that images are imported from: what it sends, and now and then does not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from cm.drivers.images.policy import FetchPolicy
from cm.drivers.images.target import Digests, Fetched, Target
from cm.rpc.errors import DownloadFailed

HOST: Final = "http://mirror.example"
SOURCE: Final = b"boots: imported;" + bytes(494) + b"\x55\xaa" + bytes(65_024)
CHUNK_BYTES: Final = 16_384


class Mirror:
    """
    In place of ``fetch``: bytes come in pieces, and what is written, judged, held and told of them is production's.

    :param content: of each file; beside it stands ``SHA256SUMS``.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._asked: set[str] = set()

    def fetch(
        self,
        url: str,
        target: str,
        policy: FetchPolicy,
        *,
        progress: Callable[[int, int | None], None] = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
        judge: Callable[[bytes], None] | None = None,
        sha512: bool = False,
        **_: Any,
    ) -> Fetched:
        """What stands below ``/late`` is there when it is asked for again."""
        path = urlsplit(url).path
        if path.startswith("/late/") and url not in self._asked:
            self._asked.add(url)
            raise DownloadFailed("mirror.example stalls")
        body = self._content
        if path.endswith("/SHA256SUMS"):
            body = f"{hashlib.sha256(self._content).hexdigest()}  boots.raw\n".encode()
        total = len(body) if path.startswith("/late/") else None
        digests = Digests(sha512)
        with Target(target, max_bytes=policy.max_bytes, cancelled=cancelled, what="the download") as out:
            out.judge = judge
            for at in range(0, len(body), CHUNK_BYTES):
                chunk = body[at : at + CHUNK_BYTES]
                digests.update(chunk)
                progress(out.size_bytes + len(chunk), total)
                out.write(chunk)
            return out.keep(digests, url)
