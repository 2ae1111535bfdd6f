"""
What browsers ask before a page of another origin may send something here (the Fetch standard, 3.2): origins that the
operator names may, others get no word of it. Nothing here goes by cookies, so none are allowed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cm.rpc.http.request import WireRequest, one

_AGE_S: Final = 7200  # for which a browser need not ask again


class Cors:
    """
    :param origins: as browsers name them: ``https://portal.example``, without a slash at the end.
    :param methods, headers: what pages may ask with.
    :param exposed: headers of answers that they may read.
    """

    def __init__(
        self,
        origins: Collection[str],
        methods: Collection[bytes],
        headers: Collection[bytes],
        exposed: Collection[bytes],
    ) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self._methods, self._headers, self._exposed = (b", ".join(each) for each in (methods, headers, exposed))

    def tell(self, request: WireRequest) -> None:
        """Say in an answer's headers what its page may do; of a request that only asks, what it may ask."""
        if not self._origins:
            return
        told = request.responseHeaders.setRawHeaders
        told(b"vary", (b"origin",))
        origin = one(request.requestHeaders, b"origin")
        if origin not in self._origins:
            return
        told(b"access-control-allow-origin", (origin,))
        told(b"access-control-expose-headers", (self._exposed,))
        if request.method == b"OPTIONS" and request.requestHeaders.hasHeader(b"access-control-request-method"):
            told(b"access-control-allow-methods", (self._methods,))
            told(b"access-control-allow-headers", (self._headers,))
            told(b"access-control-max-age", (b"%d" % _AGE_S,))
