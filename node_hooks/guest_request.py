"""
Reading what a guest asks. Pure, and strict: a guest is a stranger, and two readers of one request must not differ.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

HEAD_LIMIT = 16 << 10
BODY_LIMIT = 64 << 10
METHODS = ("GET", "PUT", "POST")
TOKEN_PATH = "/latest/api/token"
POLL_PATH = "/agent/poll"

_FORWARDED = {
    "content-type": "Content-Type",
    "user-agent": "User-Agent",
    "x-aws-ec2-metadata-token": "X-aws-ec2-metadata-token",
    "x-aws-ec2-metadata-token-ttl-seconds": "X-aws-ec2-metadata-token-ttl-seconds",
}
_REFUSED = ("forwarded", "x-real-ip")
_REFUSED_PREFIXES = ("x-forwarded-", "x-wawel-")
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]{1,8192}) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([\x20-\x7e\t]*)")


class RefusedRequest(Exception):
    """Answered with ``status`` and ``reason``; nothing of it is forwarded."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class GuestRequest:
    """``path`` is normalised and holds the query; ``headers`` are only those that may be forwarded."""

    method: str
    path: str
    headers: dict[str, str]
    body_bytes: int
    expects_continue: bool

    @property
    def asks_token(self) -> bool:
        return self.method == "PUT" and self.path.partition("?")[0] == TOKEN_PATH

    @property
    def waits(self) -> bool:
        """Whether it is answered once there is something to tell."""
        return self.method == "POST" and self.path == POLL_PATH


def parse_head(head: bytes) -> GuestRequest:
    """
    :param head: request line and headers, without the empty line that ends them.
    :raises RefusedRequest: malformed, or not to be forwarded.
    """
    first, *lines = head.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        raise RefusedRequest(400, "malformed request line")
    method = found[1].decode()
    if method not in METHODS:
        raise RefusedRequest(405, "method not allowed")
    headers: dict[str, str] = {}
    length: int | None = None
    expects_continue = False
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise RefusedRequest(400, "malformed header")
        name, value = header[1].decode().lower(), header[2].decode().strip()
        if name in _REFUSED or name.startswith(_REFUSED_PREFIXES):
            # Through a proxy anybody could speak as this guest; EC2 refuses X-Forwarded-For for the same reason.
            raise RefusedRequest(403, "forwarded requests are refused")
        if name == "transfer-encoding":
            raise RefusedRequest(411, "length required")
        if name == "content-length":
            if length is not None or not re.fullmatch(r"[0-9]{1,9}", value):
                raise RefusedRequest(400, "malformed Content-Length")
            length = int(value)
        if name == "expect" and value.lower() == "100-continue":
            expects_continue = True
        if name in _FORWARDED:
            if _FORWARDED[name] in headers:
                raise RefusedRequest(400, "header given twice")
            headers[_FORWARDED[name]] = value
    if (length or 0) > BODY_LIMIT:
        raise RefusedRequest(413, "body too large")
    return GuestRequest(method, normalise_path(found[2].decode()), headers, length or 0, expects_continue)


def normalise_path(target: str) -> str:
    """
    One spelling per path: percent signs decoded once and put back where needed, repeated slashes made one. The
    query stays as it is.

    :param target: printable ASCII.
    :raises RefusedRequest: not a path, or one that climbs.
    """
    path, mark, query = target.partition("?")
    if not path.startswith("/") or "#" in target:
        raise RefusedRequest(400, "malformed path")
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedRequest(400, "malformed path") from None
    if ".." in decoded or "\\" in decoded or not decoded.isprintable():
        raise RefusedRequest(400, "malformed path")
    return quote(re.sub(r"/{2,}", "/", decoded), safe="/:@!$&'()*+,;=~-._") + mark + query
