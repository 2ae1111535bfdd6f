"""Pools, volumes and networks as XML, from typed values only (https://libvirt.org/formatstorage.html)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from lxml import etree

from cm.drivers.libvirt.pool_kind import PoolKind, pool_kind
from cm.drivers.libvirt.xml_text import Element, element, exact_text, parsed, serialized
from cm.interfaces.network import NetworkSpec
from cm.interfaces.source import BlockSource, DiskSource, FileSource, NetworkSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.rules.network import mac_of

# no-ping saves the 3 s that dnsmasq waits before each offer. The others keep names to those that we give: what a guest
# calls itself in its DHCP request is no name for others, and neither are those of the node's /etc/hosts.
DNSMASQ_OPTIONS: Final = ("no-ping", "dhcp-ignore-names", "no-hosts")
_DNSMASQ: Final = "http://libvirt.org/schemas/network/dnsmasq/1.0"
ADDRESSES_MAX: Final = (
    16_384  # of one network: libvirt's strings end at 4 MiB (REMOTE_STRING_MAX), a host takes 60 bytes
)


def pool_xml(storage: StorageSpec) -> str:
    kind = pool_kind(storage.kind)
    return serialized(
        element(
            "pool",
            element("name", text=exact_text("name", storage.name)),
            kind.source(storage),
            element("target", element("path", text=exact_text("path", storage.path))),
            kind.options(storage),
            type_=str(storage.kind),
        )
    )


@dataclass(frozen=True)
class PoolPlace:
    """
    Where the volumes of a pool are.

    :ivar kind: libvirt's word.
    :ivar path: the directory of their files or devices; of "rbd" what they are called by before their own names.
    """

    kind: str
    path: str
    hosts: tuple[tuple[str, int | None], ...] = ()

    def source(self, volume: str) -> DiskSource:
        if self.kind == "rbd":
            return NetworkSource(self.kind, f"{self.path}/{volume}", self.hosts)
        return (BlockSource if self.kind in _BLOCK else FileSource)(f"{self.path}/{volume}")


_DIRECTORY: Final = pool_kind(StorageKind.DIR)
_BLOCK: Final = frozenset({"logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "zfs"})  # pools of devices


def pool_place(xml: str) -> PoolPlace:
    """
    :param xml: a pool as libvirt knows it, made by us or not.
    """
    root = parsed(xml)
    kind = root.get("type", "")
    hosts = tuple(
        (host.get("name", ""), int(host.get("port")) if host.get("port") else None)
        for host in root.findall("source/host")
    )
    path = root.findtext("source/name") if kind == "rbd" else root.findtext("target/path")
    return PoolPlace(kind, (path or "").rstrip("/"), hosts if kind == "rbd" else ())


def same_pool(xml: str, storage: StorageSpec) -> bool:
    """Whether a pool that libvirt knows is the one that is meant."""
    root = parsed(xml)
    if (root.get("type"), root.findtext("target/path")) != (str(storage.kind), storage.path):
        return False
    kind = pool_kind(storage.kind)
    return kind.facts(root) == kind.facts(parsed(pool_xml(storage)))


def volume_xml(
    name: str,
    format: DiskFormat,
    capacity_bytes: int,
    *,
    base: tuple[str, DiskFormat] | None = None,
    kind: PoolKind | None = None,
) -> str:
    """
    :param base: path and format of what the volume is an overlay on. Both get recorded in its header.
    :param kind: of its pool; None: a directory.
    :raises NotSupported: volumes of that kind have another format.
    """
    capacity_bytes, taken_bytes = (kind or _DIRECTORY).volume_size(format, capacity_bytes)
    block = kind is not None and kind.block
    backing: Element | None = None
    if base is not None:
        backing = element(
            "backingStore",
            element("path", text=exact_text("base", base[0])),
            element("format", type_=str(base[1])),
        )
    return serialized(
        element(
            "volume",
            element("name", text=exact_text("volume", name)),
            element("capacity", text=str(capacity_bytes), unit="bytes"),
            element("allocation", text=str(taken_bytes), unit="bytes"),
            None if block else element("target", element("format", type_=str(format))),
            backing,
            type_="block" if block else "file",
        )
    )


def same_addresses(xml: str, network: NetworkSpec) -> bool:
    """Whether a network that libvirt knows has this bridge, gateway and size, however else it may be defined."""
    root = parsed(xml)
    bridge, ip = root.find("bridge"), root.find("ip")
    if bridge is None or ip is None:
        return False
    found = (bridge.get("name"), ip.get("address"), ip.get("prefix"))
    return found == (network.bridge, str(network.gateway), str(network.pool.prefixlen))


def network_xml(network: NetworkSpec, uuid: str) -> str:
    """
    :param uuid: says which definition this is, see ``networks.definition_uuid``.
    :raises InvalidParameter: more addresses than libvirt can take in one definition; IPv6: no guest is given any yet.

    There is no dynamic range: with hosts alone libvirt tells dnsmasq ``static``.
    """
    if network.pool.version != 4 or not isinstance(network.gateway, IPv4Address):
        raise InvalidParameter("network", "is of IPv6, which nodes do not serve yet")
    count = int(network.last) - int(network.first) + 1
    if not 0 < count <= ADDRESSES_MAX:
        raise InvalidParameter("network", f"has {count} addresses; 1 to {ADDRESSES_MAX} are possible")
    addresses = map(IPv4Address, range(int(network.first), int(network.last) + 1))
    hosts = [
        element("host", mac=mac_of(address), ip=str(address)) for address in addresses if address != network.gateway
    ]
    forwarders = [element("forwarder", addr=str(IPv4Address(server))) for server in network.dns]
    options = etree.Element(f"{{{_DNSMASQ}}}options", nsmap={"dnsmasq": _DNSMASQ})
    for value in DNSMASQ_OPTIONS:
        etree.SubElement(options, f"{{{_DNSMASQ}}}option", value=value)
    return serialized(
        element(
            "network",
            element("name", text=exact_text("name", network.name)),
            element("uuid", text=uuid),
            element("forward", mode="nat"),
            element("bridge", name=exact_text("bridge", network.bridge), stp="off", delay=0),
            element("mac", address=mac_of(network.gateway)),  # guests keep it in their ARP caches over a redefinition
            element("dns", *forwarders) if forwarders else None,
            element(
                "ip",
                element("dhcp", *hosts),
                address=str(network.gateway),
                prefix=network.pool.prefixlen,
                family="ipv4",
            ),
            options,
        )
    )
