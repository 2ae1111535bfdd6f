"""
What cloud-init and its like are told, as documents: NoCloud's and OpenStack's, which are the same facts. They are YAML
to cloud-init and written as JSON, which is YAML: a typed writer leaves no name or key a way out of its quotes.

By the metadata service a guest is told to ask for its addresses (DHCP): it has asked already when it reads that. On a
seed they stand as they are, since a guest of a seed may be where nobody answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any, Final

from cm.rpc.vocabulary import MetadataSource
from cm.rules.guest import Guest, Nic, hostname, key_name, public_keys, user_data
from cm.rules.guest_farm import SEED_FILE, farm_script
from cm.rules.network import Address

HEADER: Final = "#cloud-config\n"
POSTED: Final = ("instance_id", "hostname", "fqdn")
NOTHING: Final[Mapping[str, Any]] = {}
# What volumes are known by. ISO 9660 has no lower case in its labels; cloud-init and ds-identify take either.
LABELS: Final[Mapping[MetadataSource, str]] = {
    MetadataSource.SEED_ISO: "CIDATA",
    MetadataSource.CONFIG_DRIVE: "config-2",
}


INSTALL_PATH: Final = "/agent/install"
# By Python, which the agent needs anyhow; a disk of a saved image has it, and it keeps itself up to date.
INSTALL_SCRIPT: Final = """\
#!/bin/sh
[ ! -x /usr/local/sbin/wawel-guest ] && [ -d /run/systemd/system ] && command -v python3 > /dev/null || exit 0
python3 -c 'import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())' {url} | sh
"""


def meta_data(guest: Guest) -> dict[str, Any]:
    document: dict[str, Any] = {"instance-id": guest.instance_id, "local-hostname": hostname(guest)}
    if keys := public_keys(guest):
        document["public-keys"] = keys
    return document


def vendor_data(guest: Guest, hello_url: str, more: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """
    The hello, and the caller's account with its keys. A guest's user data outweighs it key by key.

    :param more: what the cluster tells all its guests, likewise.
    """
    config: dict[str, Any] = {**more, "phone_home": {"url": hello_url, "post": list(POSTED), "tries": 10}}
    keys = public_keys(guest)
    if keys and guest.ssh_username:
        user: dict[str, Any] = {"name": guest.ssh_username, "ssh_authorized_keys": keys}
        if guest.ssh_username == "root":
            # Locking is cloud-init's default for every user it is told of; of root it would take away the console.
            user["lock_passwd"] = False
            config["disable_root"] = False
        else:
            user |= {"sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash", "lock_passwd": True}
        config["users"] = [*more.get("users", ["default"]), user]
    return config


def vendor_text(
    guest: Guest, hello_url: str, more: Mapping[str, Any] = NOTHING, install_agent: bool = False
) -> str:
    """As ``vendor_data``, with what sets up a guest of a farm, and what installs our own agent."""
    config = HEADER + json.dumps(vendor_data(guest, hello_url, more))
    scripts = [] if guest.farm is None else [farm_script(guest, guest.farm)]
    if install_agent:
        scripts.append(INSTALL_SCRIPT.format(url=hello_url.rpartition("/")[0] + INSTALL_PATH))
    if not scripts:
        return config
    # As parts, since user data that has scripts or files of its own would outweigh keys of ours in one document. What
    # scripts leave is there before the hello, which cloud-init says last.
    mixed = MIMEMultipart(boundary=f"wawel_{guest.uuid}")
    for kind, content in (("cloud-config", config), *(("x-shellscript", script) for script in scripts)):
        mixed.attach(MIMEText(content, kind, "us-ascii"))
    return mixed.as_string()


def network_config(guest: Guest) -> dict[str, Any]:
    """Version 2: DHCP on each NIC, known by its MAC address."""
    nics = {
        f"nic{nic.index}": {
            "match": {"macaddress": nic.mac},
            "dhcp4": True,
            "dhcp6": any(address.version == 6 for address in nic.addresses),
        }
        for nic in guest.nics
    }
    return {"version": 2, "ethernets": nics}


def static_config(guest: Guest, version: int = 1) -> dict[str, Any]:
    """
    Each NIC with the addresses that it has, where they are known here; the first one with a gateway is the way out.

    :param version: 1, which all cloud-inits read and cloudbase-init too; or 2.
    """
    out = way_out(guest)
    if version == 1:
        parts: list[dict[str, Any]] = []
        for nic in guest.nics:
            subnets = [_subnet(guest, nic, address, nic is out) for address in nic.addresses] or [{"type": "dhcp"}]
            part = {"type": "physical", "name": f"eth{nic.index}", "mac_address": nic.mac, "subnets": subnets}
            parts.append(part | ({"mtu": nic.mtu} if nic.mtu else {}))
        return {"version": 1, "config": parts}
    nics: dict[str, Any] = {}
    for nic in guest.nics:
        each: dict[str, Any] = {"match": {"macaddress": nic.mac}, "set-name": f"eth{nic.index}"}
        if nic.mtu:
            each["mtu"] = nic.mtu
        if nic.addresses:
            each["addresses"] = [f"{address}/{prefix_of(nic, address)}" for address in nic.addresses]
            if nic is out:
                each["routes"] = [
                    {"to": "::/0" if gateway.version == 6 else "0.0.0.0/0", "via": str(gateway)}
                    for gateway in gateways_of(nic)
                ]
                each["nameservers"] = {"addresses": [str(each) for each in servers_of(guest, nic)]}
        else:
            each["dhcp4"] = True
        nics[f"eth{nic.index}"] = each
    return {"version": 2, "ethernets": nics}


def way_out(guest: Guest) -> Nic | None:
    return next((nic for nic in guest.nics if nic.addresses and nic.gateway is not None), None)


def gateways_of(nic: Nic) -> list[Address]:
    return [gateway for gateway in (nic.gateway, nic.gateway6) if gateway is not None]


def servers_of(guest: Guest, nic: Nic) -> list[Address]:
    """Whom a guest with this way out asks for names."""
    return list(guest.dns) or gateways_of(nic)


def prefix_of(nic: Nic, address: Address) -> int:
    """Of an address's network, in bits; where that is not known, of the address alone."""
    network = nic.network if address.version == 4 else nic.network6
    return address.max_prefixlen if network is None else network.prefixlen


def netmask_of(nic: Nic, address: IPv4Address) -> str:
    return str(IPv4Network(f"{address}/{prefix_of(nic, address)}", strict=False).netmask)


def _subnet(guest: Guest, nic: Nic, address: Address, out: bool) -> dict[str, Any]:
    if isinstance(address, IPv6Address):
        made = {"type": "static6", "address": f"{address}/{prefix_of(nic, address)}"}
        gateway = nic.gateway6
    else:
        made = {"type": "static", "address": str(address), "netmask": netmask_of(nic, address)}
        gateway = nic.gateway
    if out and gateway is not None:
        servers = [each for each in guest.dns if each.version == address.version] if guest.dns else [gateway]
        return {**made, "gateway": str(gateway), "dns_nameservers": [str(each) for each in servers]}
    return made


# ------------------------------------------------------------------ OpenStack's


def network_data(guest: Guest) -> dict[str, Any]:
    """``network_data.json``, as Nova's metadata has it."""
    out = way_out(guest)
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    for nic in guest.nics:
        link: dict[str, Any] = {
            "id": f"nic{nic.index}", "type": "phy", "ethernet_mac_address": nic.mac, "vif_id": nic.uuid,
        }  # fmt: skip
        links.append(link | ({"mtu": nic.mtu} if nic.mtu else {}))
        for told in [_openstack(nic, address, nic is out) for address in nic.addresses] or [{"type": "ipv4_dhcp"}]:
            place = {"id": f"network{len(networks)}", "link": link["id"], "network_id": nic.network_uuid}
            networks.append(place | told)
    servers = servers_of(guest, out) if out is not None else []
    services = [{"type": "dns", "address": str(each)} for each in servers]
    return {"links": links, "networks": networks, "services": services}


def _openstack(nic: Nic, address: Address, out: bool) -> dict[str, Any]:
    gateway: Address | None
    if isinstance(address, IPv6Address):
        kind, nowhere, gateway, mask = "ipv6", "::", nic.gateway6, str(prefix_of(nic, address))
    else:
        kind, nowhere, gateway, mask = "ipv4", "0.0.0.0", nic.gateway, netmask_of(nic, address)
    ways = [{"network": nowhere, "netmask": nowhere, "gateway": str(gateway)}] if out and gateway is not None else []
    return {"type": kind, "ip_address": str(address), "netmask": mask, "routes": ways}


def openstack_meta_data(guest: Guest, zone: str) -> dict[str, Any]:
    """``meta_data.json``; what cloud-init and cloudbase-init read of it. :param zone: the cluster's name."""
    keys = {key_name(key, index): key for index, key in enumerate(public_keys(guest))}
    return {
        "uuid": guest.uuid,
        "name": guest.name,
        "hostname": hostname(guest),
        "availability_zone": zone,
        "launch_index": 0,
        "public_keys": keys,
        "keys": [{"type": "ssh", "name": name, "data": key} for name, key in keys.items()],
        "meta": {},
    }


# ------------------------------------------------------------------ seeds


def seed_files(
    guest: Guest,
    source: MetadataSource,
    zone: str,
    hello_url: str,
    more: Mapping[str, Any] = NOTHING,
    farm_key: str = "",
    install_agent: bool = False,
) -> dict[str, bytes]:
    """
    The files of a seed by their paths. The caller's data is in them to the byte.

    :param farm_key: the private part of its farm's pair, for a guest that is to have it. It has a file of its own:
        cloud-init copies to the disk what it reads.
    """
    vendor = vendor_text(guest, hello_url, more, install_agent)
    key = {SEED_FILE: farm_key.encode()} if farm_key else {}
    if source is MetadataSource.SEED_ISO:
        return {
            "meta-data": _json(meta_data(guest)),
            "user-data": user_data(guest),
            "vendor-data": vendor.encode(),
            "network-config": _json(static_config(guest)),
            **key,
        }
    files = {
        "meta_data.json": _json(openstack_meta_data(guest, zone)),
        "network_data.json": _json(network_data(guest)),
        "vendor_data.json": _json({"cloud-init": vendor}),
    }
    if guest.user_data:
        files["user_data"] = user_data(guest)
    return {f"openstack/latest/{name}": content for name, content in files.items()} | key


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()
