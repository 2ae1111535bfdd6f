"""
What no client of EC2's would send: requests made from the model, then spoilt, and signed all the same. ``fuzz.py``
sends them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from clm.ec2.actions import HANDLERS
from clm.ec2.model import Shape, model
from support.connection import Answered
from support.inputs import Broken, Input

_CODE: Final = re.compile(r"[A-Z][A-Za-z0-9.]+\Z")
_HOSTILE: Final = (
    "", " ", "a", "<x>", "&amp;", "]]>", "'\"", "\x01", "\ud7ff", "\ufffe", "ż" * 40, "a" * 300, "*", "?", "\\", "-1",
    "0", "1", "2147483648", "9" * 25, "1e9", "true", "TRUE", "no", "0.0.0.0/0", "::/0", "10.0.0.0/99", "tcp",
    "-1", "aws:x", "Name",
    "i-", "i-123", "vol-0000000g000000000", "i-00000000000000000", "vol-00000000000000000", "sg-00000000000000000",
    "2026-01-01T00:00:00Z", "9999-99-99", "AAAA", "=", "%00",
    "../..", "../../etc/passwd", "${x}", "' OR 1=1 --", "\r\n",
)  # fmt: skip
_NAMES: Final = (
    "X", "Filter", "Filter.1", "Tag.1.Key", "Tag.0.Value", "a.b.c", "..", ".", "1", "<a>", "Filter.1.Value.x", "\x00",
    "InstanceId.1", "DryRun", "MaxResults", "NextToken", "a" * 200, ".".join("a" * 20),
)  # fmt: skip
_FILTERS: Final = ("tag:x", "tag-key", "vpc-id", "instance-id", "group-id", "name", "moon", "", "tag:", "*")
_PREFIXES: Final = {
    "LaunchTemplate": "lt-", "SecurityGroupRule": "sgr-", "ImportTask": "import-ami-", "NetworkAcl": "acl-",
    "DhcpOptions": "dopt-", "PlacementGroup": "pg-",
    "NetworkInterface": "eni-", "Instance": "i-", "Volume": "vol-", "Snapshot": "snap-", "KeyPair": "key-",
    "Group": "sg-", "Subnet": "subnet-", "Image": "ami-", "Vpc": "vpc-", "Allocation": "eipalloc-", "Resource": "",
    "KeyName": "of-",
}  # fmt: skip
_LISTED_MAX: Final = 4
LATER: Final = (503, "Unavailable")  # what a machine without time for it is told by; ``fuzz.py`` counts these
_ACTIONS: Final = sorted(HANDLERS)


@dataclass
class Maker:
    """
    Makes requests of one person, whose key it has; the same ones of the same seed.

    :param host: with its port, as it is signed.
    :param own: ids of what is theirs; ``others``: of what is another's.
    """

    chance: random.Random
    host: str
    access_key: str
    secret_key: str
    own: Sequence[str]
    others: Sequence[str]

    def make(self) -> Input:
        chance = self.chance
        name = chance.choice(_ACTIONS) if chance.random() < 0.98 else chance.choice(("", "X", "CreateFleet", "<x>"))
        action = model().find(name)
        pairs: list[tuple[str, str]] = []
        if action is not None:
            pairs = list(self._structure(action.input, "", 0))
        for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
            pairs = self._spoilt(pairs)
        version = "2016-11-15" if chance.random() < 0.98 else chance.choice(_HOSTILE)
        every = [("Action", name), ("Version", version), *pairs]
        raw = [(self._bytes(key), self._bytes(value)) for key, value in every]
        # Version 2 takes each name once; what the parser makes of twins is the codec's test to say.
        kept = list(dict(raw).items())
        headers = [("host", self.host.encode()), ("content-type", b"application/x-www-form-urlencoded")]
        said = b" ".join(value for _, value in kept)
        changes = not name.startswith(("Describe", "Get"))
        # Whatever a template names is kept; whether there is that is seen when it is used.
        blind = any(b"LaunchTemplate" in text for pair in kept for text in pair)
        return Input("POST", "/", headers, self._signed(kept), said, changes, _judge, f"{name}: {kept!r}", blind)

    def _signed(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """A body with a signature of version 2 over whatever it holds."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        more = [(b"AWSAccessKeyId", self.access_key.encode()), (b"SignatureMethod", b"HmacSHA256"),
                (b"SignatureVersion", b"2"), (b"Timestamp", stamp)]  # fmt: skip
        every = sorted([*pairs, *more])
        text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in every)
        told = f"POST\n{self.host}\n/\n{text}".encode()
        made = base64.b64encode(hmac.digest(self.secret_key.encode(), told, hashlib.sha256)).decode()
        return f"{text}&Signature={quote(made, safe='')}".encode()

    def _bytes(self, text: str) -> bytes:
        if self.chance.random() < 0.001:
            return b"\xff\xfe"
        return text.encode("utf-8", "surrogatepass")

    def _structure(self, shape: Shape, path: str, depth: int) -> Iterator[tuple[str, str]]:
        for member in shape.members:
            wanted = member.name in shape.required
            if member.name == "DryRun":
                share = 0.1
            else:
                share = 0.95 if wanted else 0.25 / (depth + 1)
            if depth < 6 and self.chance.random() < share:
                inside = f"{path}.{member.asked}" if path else member.asked
                yield from self._value(member.shape, inside, depth, member.name)

    def _value(self, shape: Shape, path: str, depth: int, name: str) -> Iterator[tuple[str, str]]:
        chance = self.chance
        if shape.kind == "structure":
            yield from self._structure(shape, path, depth + 1)
        elif shape.kind == "list":
            assert shape.element is not None
            start = chance.choice((0, 1, 1, 1, 7))
            for index in range(chance.randrange(1, _LISTED_MAX)):
                at = start + index * chance.choice((1, 1, 3))
                yield from self._value(shape.element, f"{path}.{at}", depth + 1, name)
        else:
            yield path, self._scalar(shape, name, path)

    def _scalar(self, shape: Shape, name: str, path: str) -> str:
        chance = self.chance
        if chance.random() < 0.15:
            return chance.choice(_HOSTILE)
        if shape.kind == "boolean":
            return chance.choice(("true", "false", "1", "0"))
        if shape.kind in ("integer", "long"):
            return str(chance.choice((-1, 0, 1, 1, 2, 5, 22, 80, 1000, 65_535)))
        if shape.kind == "timestamp":
            return "2026-01-01T00:00:00Z"
        if shape.kind == "blob":
            return base64.b64encode(chance.randbytes(chance.randrange(40))).decode()
        ids = self._ids(name, path)
        if ids and chance.random() < 0.9:
            return chance.choice(ids)
        if path.startswith("Filter.") and path.endswith(".Name"):
            return chance.choice(_FILTERS)
        if "Cidr" in name:
            return chance.choice(("0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "10.130.7.0/26"))
        if name == "IpProtocol":
            return chance.choice(("tcp", "udp", "icmp", "-1"))
        if name == "InstanceType":
            return "small"
        return chance.choice(("x", "web", "volume", "instance", "disableApiTermination", "userData", *_HOSTILE[:6]))

    def _ids(self, name: str, path: str) -> list[str]:
        """Ids that may stand here, or of a kind that may not; half of them another's."""
        prefix = next((each for word, each in _PREFIXES.items() if word in name), None)
        if prefix is None or not re.search(r"Id|Resources|KeyName|PublicIp|Groups", name):
            return []
        both = [*self.own, *self.others]
        return [each for each in both if each.startswith(prefix)] + self.chance.sample(self.own, 1)

    def _spoilt(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        chance = self.chance
        if not pairs or chance.random() < 0.2:
            return [*pairs, (chance.choice(_NAMES), chance.choice(_HOSTILE))]
        index = chance.randrange(len(pairs))
        name, value = pairs[index]
        rest = pairs[:index] + pairs[index + 1 :]
        how = chance.randrange(6)
        if how == 0:
            return rest
        if how == 1:
            return [*rest, (name, chance.choice(_HOSTILE))]
        if how == 2:
            return [*rest, (name + chance.choice((".1", ".x", ".", "")), value)]
        if how == 3:
            index_ = chance.choice((".0", ".01", ".999999", ".1000000", ".-1", ""))
            return [*rest, (re.sub(r"\.\d+", index_, name), value)]
        if how == 4:
            return [*pairs, (name.partition(".")[0], value)]
        return [*rest, (chance.choice(_NAMES), value)]


def _judge(answered: Answered) -> str:
    try:
        root = ElementTree.fromstring(answered.body)
    except ElementTree.ParseError as error:
        raise Broken(f"no XML ({error})") from None
    if answered.status == 200:
        return ""
    code = root.findtext("Errors/Error/Code") or ""
    if answered.status >= 500 and (answered.status, code) != LATER:
        raise Broken("a 5xx")
    if root.tag != "Response" or _CODE.match(code) is None or code == "InternalError":
        raise Broken("no error of EC2's")
    if code in ("AuthFailure", "SignatureDoesNotMatch"):
        raise Broken("it was signed well")
    return code
