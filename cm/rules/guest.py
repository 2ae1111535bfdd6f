"""Guests, and what they are told, as they can take it: their names and keys, and the caller's data."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
import uuid as uuid_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cm.rpc.vocabulary import MetadataSource, UserDataEncoding, VMId
from cm.rules.imds import Imds
from cm.rules.names import domain_name
from cm.rules.network import Address, Network

# What cloud-init knows a kind of user data by, and gzip's magic number.
_STARTS = (
    b"#cloud-config",
    b"#!",
    b"#include",
    b"#cloud-boothook",
    b"#part-handler",
    b"#upstart-job",
    b"## template: jinja",
    b"Content-Type:",
    b"MIME-Version:",
    b"From ",
    b"<powershell>",
    b"<script>",
    b"\x1f\x8b",
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}")
_STROKED = str.maketrans("łŁøØđĐ", "lLoOdD")  # letters that Unicode does not take apart
_SHORTEST = 8  # characters; one in twenty words of four letters decodes to something printable by chance


@dataclass(frozen=True)
class Nic:
    """
    ``index`` 0 is the VM's first.

    :ivar public: addresses that it is reached by from outside.
    :ivar network: its network's range of IPv4, as far as it is known here; ``network6`` of IPv6.
    :ivar groups: security groups that it is in, as uuid and name.
    :ivar gateway: its network's, which answers for names, too; ``gateway6`` likewise. None: it has none of ours.
    :ivar mtu: bytes; 0: as usual.
    """

    index: int
    mac: str
    addresses: tuple[Address, ...]
    network: Network | None
    bridge: str
    network_uuid: str
    uuid: str
    public: tuple[Address, ...] = ()
    network6: Network | None = None
    groups: tuple[tuple[str, str], ...] = ()
    gateway: Address | None = None
    gateway6: Address | None = None
    mtu: int = 0


@dataclass(frozen=True)
class GuestsFarm:
    """
    The farm that a guest's VM is in.

    :ivar base: what the VMs' names begin with.
    :ivar number: this guest's; 0 is the head.
    :ivar public_key: of the farm's pair; ``has_key``: this guest is to have the private part.
    :ivar hosts: of its VMs by number: id, name, address.
    """

    farm_id: int
    uuid: str
    base: str
    number: int
    public_key: str
    has_key: bool
    hosts: tuple[tuple[VMId, str, Address], ...]

    @property
    def is_head(self) -> bool:
        return self.number == 0


@dataclass(frozen=True)
class Guest:
    """
    A live VM on its node, with what its metadata is made of. ``nic`` is the one that the request came through.

    :ivar account_number: its account's, as the cloud manager whose it is counts it.
    :ivar tags: those of the VM, where it is to be told them.
    :ivar farm: None: it is in none.
    :ivar dns: whom it asks for names; empty: whom its networks say.
    """

    vm_id: VMId
    uuid: str
    name: str
    node_id: int
    nic: Nic
    nics: tuple[Nic, ...]
    launches: int
    launched_at: datetime | None
    account_number: int
    image_uuid: str
    template_name: str
    reservation_id: str
    root_device: str
    data_devices: tuple[str, ...] = ()
    ssh_username: str = ""
    ssh_key: str = field(default="", repr=False)
    user_data: str = field(default="", repr=False)
    user_data_encoding: UserDataEncoding = UserDataEncoding.AUTO
    metadata: MetadataSource = MetadataSource.NOCLOUD
    imds: Imds = Imds()
    tags: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    farm: GuestsFarm | None = None
    dns: tuple[Address, ...] = ()

    def is_told(self, version: int) -> bool:
        """
        Whether it may read anything but by its hello.

        :param version: of IP, by which it asks.
        """
        return self.metadata is not MetadataSource.NONE and self.imds.answers(version)

    @property
    def instance_id(self) -> str:
        return ec2_id("i", self.uuid)


def ec2_id(prefix: str, uuid: str) -> str:
    """An object's id as EC2 clients know it: ``i-`` and 17 hexadecimal digits, the first ones of its uuid."""
    return f"{prefix}-{uuid_module.UUID(uuid).hex[:17]}"


def hostname(guest: Guest) -> str:
    """The VM's name as one label of RFC 1123, else ``vm-<id>``."""
    return host_label(guest.name, guest.vm_id)


def host_label(name: str, vm_id: int) -> str:
    """The same of any VM."""
    folded = unicodedata.normalize("NFKD", name.translate(_STROKED)).encode("ascii", "ignore").decode().lower()
    label = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:63].rstrip("-")
    return label or domain_name(vm_id)


def user_data(guest: Guest) -> bytes:
    """What the caller meant the guest to read: to the byte, where they said how they write it."""
    if guest.user_data_encoding is UserDataEncoding.BASE64:
        return base64.b64decode(guest.user_data)
    if guest.user_data_encoding is UserDataEncoding.PLAIN:
        return guest.user_data.encode("utf-8", "replace")
    return guessed(guest.user_data)


def guessed(text: str) -> bytes:
    """
    What the caller meant who did not say how they write.

    The rule: a text that is base64 as a whole (line breaks aside) is decoded if that gives something cloud-init knows
    by its first bytes or, from eight characters on, printable UTF-8; every other text goes as it is. CC1's clients
    encode, people at a console do not, and neither says so.
    """
    packed = re.sub(r"[\r\n]", "", text.strip())
    if len(packed) % 4 == 0 and _BASE64.fullmatch(packed):
        try:
            decoded = base64.b64decode(packed, validate=True)
        except binascii.Error:
            decoded = b""
        if decoded.startswith(_STARTS) or (len(packed) >= _SHORTEST and _is_text(decoded)):
            return decoded
    return text.encode("utf-8", "replace")


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(each.isprintable() or each in "\n\r\t" for each in text)


def public_keys(guest: Guest) -> list[str]:
    """The caller's SSH keys, one a line; control characters would end a line of authorized_keys early."""
    lines = (one_line(line) for line in guest.ssh_key.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def key_name(key: str, index: int) -> str:
    """A name for a key, from its comment: the listing of EC2's public-keys wants one without ``=`` and ``/``."""
    words = key.split(" ", 2)
    name = re.sub(r"[^A-Za-z0-9._@-]+", "-", words[2]).strip("-")[:64] if len(words) == 3 else ""
    return name or f"key-{index}"


def one_line(text: str) -> str:
    """White space made single blanks, whatever cannot be printed left out."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())
