"""
The signature of a node's requests: pure, so that the endpoint checks with the very code that signs.

``Authorization: Wawel-Node node=<id>,time=<unix seconds>,signature=<hex>``. The credential itself never travels after
enrolment. The bridge and the guest's address stand under the signature: they say which guest asks.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass

SCHEME = "Wawel-Node"
BRIDGE_HEADER = "X-Wawel-Bridge"
ADDRESS_HEADER = "X-Wawel-Address"
HOP_LIMIT_HEADER = "X-Wawel-Hop-Limit"  # of an answer: how many links it may go over
_AUTHORIZATION = re.compile(r"Wawel-Node node=([0-9]{1,18}),time=([0-9]{1,12}),signature=([0-9a-f]{64})")


@dataclass(frozen=True)
class Authorization:
    """What a request claims; nothing of it is checked yet."""

    node_id: int
    time: int
    signature: str

    def header(self) -> str:
        return f"{SCHEME} node={self.node_id},time={self.time},signature={self.signature}"


def sign(
    credential: str, method: str, path: str, time: int, body: bytes, bridge: str = "", address: str = ""
) -> str:
    """
    :param path: with the query, exactly as on the request line.
    :param time: unix seconds, the same number as in the header.
    :param bridge: value of X-Wawel-Bridge, empty without that header; ``address`` likewise.
    :return: 64 hex digits.
    :raises ValueError: a field holds a line feed, which would move the borders between the fields.
    """
    fields = [method, path, str(time), bridge, address, hashlib.sha256(body).hexdigest()]
    if any("\n" in field for field in fields):
        raise ValueError("a signed field may not hold a line feed")
    key = hashlib.sha256(credential.encode()).digest()
    return hmac.new(key, "\n".join(fields).encode(), hashlib.sha256).hexdigest()


def is_signed_by(
    claim: Authorization, credential: str, method: str, path: str, body: bytes, bridge: str = "", address: str = ""
) -> bool:
    """Whether the holder of ``credential`` signed this, compared in constant time. The age is the caller's to judge."""
    try:
        expected = sign(credential, method, path, claim.time, body, bridge, address)
    except ValueError:
        return False
    return hmac.compare_digest(expected, claim.signature)


def parse_authorization(header: str) -> Authorization | None:
    """The claim in an Authorization header; ``None`` for anything but exactly our form."""
    found = _AUTHORIZATION.fullmatch(header)
    return Authorization(int(found[1]), int(found[2]), found[3]) if found else None
