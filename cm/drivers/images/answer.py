"""
What a server's answer means for an import: that it can never work (``DownloadRefused``), or that it may later
(``DownloadFailed``). What users are told names hosts and ports alone: paths and queries of URLs may hold tokens.
"""

from __future__ import annotations

import http
import http.client
import re
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from cm.rpc.errors import DownloadFailed, DownloadRefused, ImageRefused
from cm.runtime.wall import utc_now

PROBE_S: Final = 5.0
LOOKUPS: Final = 8  # some 50 s by the engine's pauses: a record that was made just now
SAME_MAX: Final = 3  # times in a row for what a network's whim may be once
_LATER: Final = (408, 425, 429)
# Of a page that somebody should have read: a login, an error, a list of mirrors. Servers that know no type of images
# say text/plain or octet-stream of them; there the content decides.
_PAGES: Final = frozenset(("text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml"))
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~/-]{1,60}\Z")
_TICKET: Final = re.compile(r"(?<=/downloads/).*", re.DOTALL)  # of a manager of ours
_HINTS: Final = {
    401: "it wants a login, and imports have none",
    407: "it wants a login, and imports have none",
    204: "which is no file",
    206: "which is a part of the file only, and nobody asked for one",
}


def check_status(response: http.client.HTTPResponse, host: str) -> None:
    """
    :raises DownloadRefused: asking again would bring the same.
    :raises DownloadFailed: it may not; ``after_s`` is what the server asks for.
    """
    status = response.status
    if status == 200:
        return
    try:
        answer = f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        answer = str(status)
    if status >= 500 or status in _LATER:
        raise DownloadFailed(f"{host} answers {answer}", _after_s(response.getheader("Retry-After")))
    hint = _HINTS.get(status)
    raise DownloadRefused(f"{host} answers {answer}{', ' + hint if hint else ''}")


def _after_s(header: str | None) -> float:
    """Retry-After: seconds, or a date (RFC 9110, 10.2.3). 0: nothing that could be understood."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header.strip()[:9])
    try:
        date: datetime = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - utc_now()).total_seconds())


def check_headers(response: http.client.HTTPResponse, host: str, take_pages: bool) -> None:
    """
    :param take_pages: the content alone is to say what it is.
    :raises DownloadRefused: the body is encoded in a way that we did not ask for.
    :raises ImageRefused: it is said to be a page.
    """
    encoding = response.getheader("Content-Encoding", "").strip().lower()
    if encoding not in ("identity", ""):
        told = encoding if _TOKEN.match(encoding) else "an unknown encoding"
        raise DownloadRefused(f"{host} sends it encoded ({told}), and was asked not to")
    kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    page = kind in _PAGES or kind.endswith(("+json", "+xml")) or kind == "multipart/byteranges"
    if page and not take_pages and _TOKEN.match(kind):
        raise ImageRefused(f"{host} says that it is {kind}, which is no image; if it is one, give its format")


def located(url: str, location: str | None, host: str) -> str:
    """
    Where a redirect leads; blanks and other characters that no URL may hold are quoted, as browsers do.

    :raises DownloadRefused: nowhere.
    """
    if not location:
        raise DownloadRefused(f"{host} redirects, and does not say where to")
    try:
        # Headers come as ISO 8859-1, whatever they are; a percent sign quotes already.
        return urljoin(url, quote(location.strip().encode("latin-1"), safe="%/:=&?~#+!$,;'@()*[]"))
    except ValueError:
        raise DownloadRefused(f"{host} redirects to what is no URL") from None


def told_to_administrators(url: str, address: str) -> str:
    """A URL for logs and administrators: without credentials, query and fragment, and what a download's is good by."""
    parts = urlsplit(url)
    path = _TICKET.sub("...", parts.path[:300], count=1)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
    return f"(GET {shown}{'?...' if parts.query else ''} at {address})"


# ------------------------------------------------------------------ TLS where none is, and the reverse


def handshake_failed(error: OSError, host: str, address: str, port: int, wait_s: float) -> Exception:
    """What to raise for a TLS handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return DownloadRefused(f"the certificate of {host} is not good: {error.verify_message}")
    if speaks_plain_http(address, port, wait_s):
        return DownloadRefused(f"{host} speaks no TLS at port {port}, but plain HTTP: https:// cannot work there")
    if isinstance(error, TimeoutError):
        return DownloadFailed(f"{host} answers no TLS handshake at port {port}", tries=SAME_MAX)
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        told = (error.reason or "unknown").replace("_", " ").lower()
        return DownloadRefused(f"there is no TLS with {host} at port {port}: {told}")
    return DownloadFailed(f"{host} hangs up during the TLS handshake at port {port}")


def no_answer(error: Exception, host: str, address: str, port: int, wait_s: float) -> Exception:
    """What to raise for a request over plain HTTP, or over TLS that stands, that got no answer."""
    if isinstance(error, TimeoutError):
        return DownloadFailed(f"{host} sends nothing")
    if isinstance(error, (http.client.BadStatusLine, ConnectionResetError)):
        # RemoteDisconnected is both; a server of TLS hangs up on plain text, or answers an alert.
        if speaks_tls(host, address, port, wait_s):
            return DownloadRefused(f"{host} speaks TLS at port {port}: http:// cannot work there")
        if not isinstance(error, ConnectionError):
            return DownloadFailed(f"{host} speaks no HTTP at port {port}", tries=SAME_MAX)
        return DownloadFailed(f"{host} hangs up without an answer")
    return DownloadFailed(f"{host}: {words(error)}")


def speaks_plain_http(address: str, port: int, wait_s: float) -> bool:
    try:
        with socket.create_connection((address, port), timeout=min(wait_s, PROBE_S)) as probe:
            probe.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return probe.recv(5).startswith(b"HTTP")
    except OSError:
        return False


def speaks_tls(host: str, address: str, port: int, wait_s: float) -> bool:
    """Whether a handshake comes to its end there; whose certificate it has does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address, port), timeout=min(wait_s, PROBE_S)) as plain:
            with context.wrap_socket(plain, server_hostname=host):
                return True
    except (OSError, ValueError):
        return False


def no_name(error: Exception, host: str) -> Exception:
    """What to raise for a name without an address. One that does not exist may have been made just now."""
    if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
        return DownloadFailed(f"there is no host {host}", tries=LOOKUPS)
    if isinstance(error, UnicodeError):
        return DownloadRefused(f"{host} is no name of a host")
    return DownloadFailed(f"{host} has no address: {words(error)}")


def words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
