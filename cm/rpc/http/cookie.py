"""
A session's token in a cookie, for a site's own pages alone: no script reads it, and no other site's page can use it.

It counts as ``Authorization: Bearer`` would, where no such header is sent, at few paths, and only of requests that the
browser says come from a page of this very site: by ``Sec-Fetch-Site``, which scripts cannot set, else by ``Origin``
(browsers send it with every POST). Where neither is, the cookie is as if it were not there; calls by it have to be
JSON, which another site's form cannot send.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

_TOKEN: Final = re.compile(rb"[A-Za-z0-9_-]{1,200}\Z")


class SessionCookie:
    """
    :param name: with ``__Host-`` before it browsers take it only for one host, its whole tree, and by TLS (or from
        their own machine).
    :param paths: where it counts.
    :param urls: by which people reach the site, beside the host that requests name: a proxy that ends TLS has ``https``
        where we see ``http``.
    """

    def __init__(self, name: str, paths: Collection[bytes], urls: Collection[str] = ()) -> None:
        self.name = name
        self._paths = frozenset(paths)
        self._origins = frozenset(_origin(url) for url in urls if url)

    def admit(self, request: Any, method: bytes, uri: bytes) -> None:
        """Have a cookie stand for the header that is not there; ``request`` has all its headers, and no body yet."""
        headers = request.requestHeaders
        if uri.partition(b"?")[0] not in self._paths or headers.hasHeader(b"authorization"):
            return
        token = self._token(headers)
        if token is None or not self.from_own_page(request):
            return
        if method == b"POST" and not is_json(headers):
            return
        headers.setRawHeaders(b"authorization", [b"Bearer " + token])

    def from_own_page(self, request: Any) -> bool:
        """Whether the browser says that a page of this site asks."""
        headers = request.requestHeaders
        said = headers.getRawHeaders(b"sec-fetch-site", [])
        if said:
            return bool(said == [b"same-origin"])
        origin = headers.getRawHeaders(b"origin", [])
        host = headers.getRawHeaders(b"host", [])
        if len(origin) != 1 or len(host) != 1:
            return False
        own = (b"https://" if request.isSecure() else b"http://") + host[0]
        return origin[0] == own or origin[0] in self._origins

    def keep(self, token: str, seconds: int) -> bytes:
        """The header ``Set-Cookie`` that has a browser keep a token for so long."""
        attributes = f"Path=/; Max-Age={max(0, seconds)}; Secure; HttpOnly; SameSite=Strict"
        return f"{self.name}={token}; {attributes}".encode()

    def drop(self) -> bytes:
        """The header ``Set-Cookie`` that has a browser forget it."""
        return self.keep("", 0)

    def _token(self, headers: Any) -> bytes | None:
        """The cookie's value; ``None`` where there is none, or two that differ, or what no token is."""
        prefix = self.name.encode() + b"="
        found = {
            part.removeprefix(prefix)
            for line in headers.getRawHeaders(b"cookie", [])
            for part in (each.strip(b" \t") for each in line.split(b";"))
            if part.startswith(prefix)
        }
        token = found.pop() if len(found) == 1 else b""
        return token if _TOKEN.match(token) else None


def _origin(url: str) -> bytes:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".encode()


def is_json(headers: Any) -> bool:
    """Whether a request says that its body is JSON."""
    kinds = headers.getRawHeaders(b"content-type", [])
    return [kind.partition(b";")[0].strip().lower() for kind in kinds] == [b"application/json"]
