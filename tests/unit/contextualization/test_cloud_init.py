"""What guests are told, as NoCloud's documents and OpenStack's; and the CDs that they stand on."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import subprocess
from dataclasses import replace
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from threading import Thread
from typing import Any

import pycdlib
import pytest
from guest_builder import guest, nic

from cm.drivers.images.iso import unnamed_file, write_iso
from cm.rpc.vocabulary import MetadataSource, UserDataEncoding
from cm.rules.cloud_init import LABELS, network_data, seed_files, static_config, vendor_data, vendor_text
from cm.rules.guest import Guest
from cm.rules.metadata import HELLO_URL, SEED_BYTES

FIRST = replace(
    nic(), gateway=IPv4Address("10.128.0.1"), addresses=(IPv4Address("10.128.0.5"), IPv6Address("fd00::105")),
    network6=IPv6Network("fd00::/64"), gateway6=IPv6Address("fd00::1"), mtu=1450,
)  # fmt: skip
SECOND = replace(nic("10.128.0.9", 1), gateway=IPv4Address("10.128.0.1"))
UNKNOWN = replace(nic("10.128.0.10", 2), addresses=(), network=None)
MADE = guest(nic=FIRST, nics=(FIRST, SECOND, UNKNOWN))
MULTIPART = b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\n#!/bin/sh\n\n--b--\n'


def content(made: Guest, source: MetadataSource) -> dict[str, bytes]:
    """What a reader of ISO 9660 finds on a guest's seed."""
    files = seed_files(made, source, "krakow", HELLO_URL)
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(write_iso(files, LABELS[source])))
    assert iso.pvd.volume_identifier.decode().strip() == LABELS[source]
    found = {}
    for names in ("rr_path", "joliet_path"):
        for path in files:
            read = io.BytesIO()
            iso.get_file_from_iso_fp(read, **{names: f"/{path}"})
            assert found.setdefault(path, read.getvalue()) == read.getvalue()
    iso.close()
    return found


def test_static_1() -> None:
    """Version 1: each address of each NIC, by MAC address; the first one is the way out; what is not known is asked."""
    first, second, unknown = static_config(MADE)["config"]
    assert (first["mac_address"], first["name"], first["mtu"]) == ("02:57:0a:80:00:05", "eth0", 1450)
    assert first["subnets"] == [
        {"type": "static", "address": "10.128.0.5", "netmask": "255.255.255.0", "gateway": "10.128.0.1",
         "dns_nameservers": ["10.128.0.1"]},
        {"type": "static6", "address": "fd00::105/64", "gateway": "fd00::1", "dns_nameservers": ["fd00::1"]},
    ]  # fmt: skip
    assert second["subnets"] == [{"type": "static", "address": "10.128.0.9", "netmask": "255.255.255.0"}]
    assert unknown["subnets"] == [{"type": "dhcp"}] and "mtu" not in unknown


def test_static_2() -> None:
    """Version 2 says the same."""
    nics = static_config(MADE, 2)["ethernets"]
    assert nics["eth0"] == {
        "match": {"macaddress": "02:57:0a:80:00:05"}, "set-name": "eth0", "mtu": 1450,
        "addresses": ["10.128.0.5/24", "fd00::105/64"],
        "routes": [{"to": "0.0.0.0/0", "via": "10.128.0.1"}, {"to": "::/0", "via": "fd00::1"}],
        "nameservers": {"addresses": ["10.128.0.1", "fd00::1"]},
    }  # fmt: skip
    assert "routes" not in nics["eth1"] and nics["eth2"]["dhcp4"] is True


def test_network_data() -> None:
    """OpenStack's says the same."""
    told = network_data(MADE)
    assert [(link["ethernet_mac_address"], link.get("mtu")) for link in told["links"]] == [
        ("02:57:0a:80:00:05", 1450), ("02:57:0a:80:00:09", None), ("02:57:0a:80:00:0a", None),
    ]  # fmt: skip
    kinds = [(each["type"], each.get("ip_address"), each.get("netmask")) for each in told["networks"]]
    assert kinds == [
        ("ipv4", "10.128.0.5", "255.255.255.0"), ("ipv6", "fd00::105", "64"), ("ipv4", "10.128.0.9", "255.255.255.0"),
        ("ipv4_dhcp", None, None),
    ]  # fmt: skip
    ways = [route["gateway"] for each in told["networks"] for route in each.get("routes", ())]
    assert ways == ["10.128.0.1", "fd00::1"]
    assert [each["address"] for each in told["services"]] == ["10.128.0.1", "fd00::1"]


def test_servers_of_its_own() -> None:
    """A guest that asks others for names is told of them alone, in each form; each family of its own in the oldest."""
    made = replace(MADE, dns=(IPv4Address("9.9.9.9"), IPv6Address("2620:fe::fe")))
    subnets = static_config(made)["config"][0]["subnets"]
    assert [each["dns_nameservers"] for each in subnets] == [["9.9.9.9"], ["2620:fe::fe"]]
    told = ["9.9.9.9", "2620:fe::fe"]
    assert static_config(made, 2)["ethernets"]["eth0"]["nameservers"] == {"addresses": told}
    assert [each["address"] for each in network_data(made)["services"]] == told


def test_seed_iso() -> None:
    """NoCloud's documents by their names, on a volume that cloud-init knows."""
    found = content(replace(MADE, ssh_key="ssh-ed25519 AAAA ala", ssh_username="ala"), MetadataSource.SEED_ISO)
    assert json.loads(found["meta-data"])["instance-id"] == MADE.instance_id
    assert json.loads(found["network-config"]) == static_config(MADE)
    first, _, rest = found["vendor-data"].decode().partition("\n")
    assert first == "#cloud-config" and json.loads(rest)["users"][1]["name"] == "ala"
    assert found["user-data"] == b""


def test_config_drive() -> None:
    """OpenStack's documents likewise; user data is not there where nobody gave any."""
    found = content(replace(MADE, ssh_key="ssh-ed25519 AAAA ala"), MetadataSource.CONFIG_DRIVE)
    told = json.loads(found["openstack/latest/meta_data.json"])
    assert (told["uuid"], told["hostname"], told["availability_zone"]) == (MADE.uuid, "web-server", "krakow")
    assert told["public_keys"] == {"ala": "ssh-ed25519 AAAA ala"} and told["keys"][0]["data"] == "ssh-ed25519 AAAA ala"
    assert json.loads(found["openstack/latest/network_data.json"]) == network_data(MADE)
    assert json.loads(found["openstack/latest/vendor_data.json"])["cloud-init"].startswith("#cloud-config\n")
    assert "openstack/latest/user_data" not in found


@pytest.mark.parametrize(
    "data", [b"#!/bin/sh\n", gzip.compress(b"#cloud-config\n"), bytes(range(256)) * 64, MULTIPART],
    ids=["text", "gzip", "binary", "multipart"],
)  # fmt: skip
@pytest.mark.parametrize("source", sorted(LABELS))
def test_user_data(source: MetadataSource, data: bytes) -> None:
    """User data is there to the byte."""
    told = {"user_data": base64.b64encode(data).decode(), "user_data_encoding": UserDataEncoding.BASE64}
    found = content(replace(MADE, **told), source)
    assert found["user-data" if source is MetadataSource.SEED_ISO else "openstack/latest/user_data"] == data


def test_largest() -> None:
    """Whatever a VM may be told fits on what is claimed for it."""
    nics = tuple(replace(FIRST, index=index) for index in range(100))
    told = replace(MADE, nics=nics, user_data="x" * 65_536, ssh_key="ssh-ed25519 AAAA x\n" * 1000, ssh_username="ala")
    more: dict[str, Any] = {"bootcmd": ["x" * 16_384]}
    for source, label in LABELS.items():
        assert len(write_iso(seed_files(told, source, "krakow", HELLO_URL, more), label)) <= SEED_BYTES


def test_vendor_data() -> None:
    """What the cluster tells all guests is beside what is theirs; users come together."""
    made = replace(MADE, ssh_key="ssh-ed25519 AAAA x", ssh_username="ala")
    told = vendor_data(made, HELLO_URL, {"timezone": "Europe/Warsaw", "users": ["default", {"name": "help"}]})
    assert told["timezone"] == "Europe/Warsaw" and told["phone_home"]["url"] == HELLO_URL
    assert [each if isinstance(each, str) else each["name"] for each in told["users"]] == ["default", "help", "ala"]


class Script(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/agent/install" else 404)
        self.end_headers()
        self.wfile.write(b"echo installed >$MARK\n")

    def log_message(self, *_: Any) -> None:
        """Tests are silent."""


def test_agent(tmp_path: Path) -> None:
    """A cluster that wants it has cloud-init fetch our agent and install it, once, beside what else is told."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Script) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        told = vendor_text(MADE, f"http://127.0.0.1:{server.server_address[1]}/hello", install_agent=True)
        config, script = [part for part in message_from_string(told).walk() if not part.is_multipart()]
        assert config.get_content_type() == "text/cloud-config" and "phone_home" in str(config.get_payload())
        assert script.get_content_type() == "text/x-shellscript"
        program, mark = tmp_path / "wawel-guest", tmp_path / "mark"
        here = {"/usr/local/sbin/wawel-guest": program, "/run/systemd/system": tmp_path}
        text = str(script.get_payload())
        for place, instead in here.items():
            assert place in text
            text = text.replace(place, str(instead))

        def run() -> str:
            subprocess.run(["sh", "-c", text], check=True, timeout=30, env={**os.environ, "MARK": str(mark)})
            return mark.read_text() if mark.exists() else ""

        assert run() == "installed\n"
        mark.unlink()
        program.touch(0o755)
        assert run() == ""
        server.shutdown()
    assert vendor_text(MADE, HELLO_URL).startswith("#cloud-config\n")


def test_unnamed_file() -> None:
    """It is read by its path as any file, and is in no directory."""
    with unnamed_file(b"seed") as path:
        with open(path, "rb") as file:
            assert file.read() == b"seed"
