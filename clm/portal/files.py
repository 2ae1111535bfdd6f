"""
The portal's files: all in memory, compressed as they were built, under a policy that lets nothing run but them.

What is asked for and has no dot is a page's address: pages are made in the browser, so ``index.html`` answers. Every
other file has its content's digest in its name, so browsers keep it.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twisted.web import http
from twisted.web.server import NOT_DONE_YET

from clm.portal.session import PATH, Sessions
from cm.rpc.http.encoding import VARY, accepts_gzip, joined
from cm.rpc.http.pages import PLAIN
from cm.rpc.http.request import Leaf, WireRequest

DIST: Final = Path(__file__).parent / "dist"
INDEX: Final = "index.html"
# Proved with all that is in the bundle: none of it needs an exception.
POLICY: Final = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "font-src 'self'",
        "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'",
    )
)  # fmt: skip
HEADERS: Final = (
    (b"Content-Security-Policy", POLICY.encode()),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Permissions-Policy", b"camera=(), microphone=(), geolocation=()"),
)
TLS_ONLY: Final = (b"Strict-Transport-Security", b"max-age=31536000")
NOT_BUILT: Final = (
    b"The portal has not been built here. Build it by `bin/bootstrap portal`, then start wawel-clm again.\n"
    b"Calls go by POST to /jsonrpc as ever.\n"
)
_FOR_EVER: Final = b"public, max-age=31536000, immutable"
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class File:
    """:ivar packed: by gzip; ``None`` where that is no gain."""

    kind: bytes
    plain: bytes
    packed: bytes | None


def is_built(place: Path | None = None) -> bool:
    """Whether there is something to serve."""
    return ((place or DIST) / INDEX).is_file()


def read_files(place: Path = DIST) -> dict[str, File]:
    """What was built, by name; nothing where nothing was. It blocks."""
    found: dict[str, File] = {}
    if not is_built(place):
        return found
    for path in sorted(place.iterdir()):
        if path.suffix == ".gz" or not path.is_file():
            continue
        kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        packed = path.with_name(path.name + ".gz")
        found[path.name] = File(kind.encode(), path.read_bytes(), packed.read_bytes() if packed.is_file() else None)
    return found


class Portal(Leaf):
    """
    What is below ``/ui/``.

    :param files: as ``read_files`` gives them.
    """

    def __init__(self, files: Mapping[str, File], sessions: Sessions) -> None:
        super().__init__()
        self._files = files
        self._sessions = sessions

    def render(self, request: WireRequest) -> int:
        if request.path == PATH:
            return self._sessions.render(request)
        headers = [*HEADERS, *((TLS_ONLY,) if request.isSecure() else ())]
        if request.method not in (b"GET", b"HEAD"):
            told = (*headers, (b"allow", b"GET, HEAD"), (b"content-type", PLAIN))
            request.send(http.NOT_ALLOWED, b"Pages are read by GET.\n", told)
            return int(NOT_DONE_YET)
        if not self._files:
            request.send(http.SERVICE_UNAVAILABLE, NOT_BUILT, (*headers, (b"content-type", PLAIN)))
            return int(NOT_DONE_YET)
        name = b"/".join(request.postpath).decode("ascii", "replace")
        file = self._files.get(name if "." in name else INDEX)
        if file is None:
            request.send(http.NOT_FOUND, b"There is no such file.\n", (*headers, (b"content-type", PLAIN)))
            return int(NOT_DONE_YET)
        headers += [(b"content-type", file.kind), VARY]
        headers.append((b"cache-control", _FOR_EVER if "." in name and name != INDEX else b"no-cache"))
        body = file.plain
        if file.packed is not None and accepts_gzip(joined(request.requestHeaders, b"accept-encoding")):
            body = file.packed
            headers.append((b"content-encoding", b"gzip"))
        request.send(http.OK, body, headers)
        return int(NOT_DONE_YET)


class Entrance(Leaf):
    """``/``, for people: to the portal."""

    def __init__(self, elsewhere: bytes) -> None:
        super().__init__()
        self._elsewhere = elsewhere

    def render(self, request: WireRequest) -> int:
        if request.method in (b"GET", b"HEAD"):
            request.send(http.FOUND, b"", ((b"location", b"/ui/"),))
        else:
            request.send(http.NOT_FOUND, self._elsewhere, ((b"content-type", PLAIN),))
        return int(NOT_DONE_YET)
