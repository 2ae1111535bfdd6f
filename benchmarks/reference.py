"""
What Wawel's calls are compared with: Twisted answering every request with the same kilobyte, in a process of its own.

Its speed is what this machine, Python, Twisted and the client have to give just now. It prints its port.
"""

from __future__ import annotations

from twisted.internet import reactor as installed
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

BODY = b'{"jsonrpc":"2.0","result":"' + b"x" * 987 + b'","id":1}'


class Constant(Resource):
    isLeaf = True

    def render_PUT(self, request: Request) -> bytes:
        """Twisted has kept the body in a file."""
        return b""

    def render_GET(self, request: Request) -> bytes:
        return BODY

    def render_POST(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return BODY


class QuietSite(Site):
    def log(self, request: Request) -> None:
        """No access log: Wawel writes none either."""


def main() -> None:
    from typing import Any

    reactor: Any = installed
    port = reactor.listenTCP(0, QuietSite(Constant()), interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
