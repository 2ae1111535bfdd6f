"""What guests reach: the outside and a few services of their node; not each other, not the node, not its managers."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libvirt")

from cm.drivers.libvirt import pool_xml
from cm.drivers.libvirt.network import definition_uuid
from cm.drivers.libvirt.node import LibvirtNode
from cm.interfaces.hypervisor import DomainSpec, NicSpec
from cm.interfaces.network import NetworkSpec
from cm.rpc.vocabulary import NicModel
from lab.daemon import program_environment
from lab.hosts import Host, Lab
from tests.support.qemu import QemuTests

pytestmark = pytest.mark.skipif(bool(Lab.missing()), reason="; ".join(Lab.missing()))


def network(name: str, pool: str) -> NetworkSpec:
    addresses = IPv4Network(pool)
    return NetworkSpec(name, name, addresses, addresses[1], addresses[1], addresses[-2], ())


RED, GREEN = network("red", "10.128.0.0/24"), network("green", "10.129.0.0/24")


class TestGuestNetwork(QemuTests):
    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, lab: Lab, host: Host) -> Iterator[dict[str, Any]]:
        """What guests on libvirt's own bridges found; see ``guest_network.py``."""
        made = LibvirtNode(host.uri, name="node1")
        for each in (RED, GREEN):
            made.networks.ensure(each)
        listed = [
            {"name": each.name, "bridge": each.bridge, "gateway": f"{each.gateway}/24", "pool": str(each.pool),
             "metadata": True}
            for each in (RED, GREEN)
        ]  # fmt: skip
        with socket.create_server((lab.gateway, 0), backlog=64) as manager:
            told = {"node": host.address, "machine": lab.gateway, "networks": listed,
                    "endpoint_port": manager.getsockname()[1]}  # fmt: skip
            script = str(Path(__file__).with_name("guest_network.py"))
            done = host.run([sys.executable, script, json.dumps(told)], env=program_environment())
        yield json.loads(done.stdout)
        for each in (RED, GREEN):
            made.networks.remove(each.name)
        made.close()

    def test_services(self, found: dict[str, Any]) -> None:
        """A guest gets its address, names, its metadata, and reaches the outside."""
        assert found["firewall"] == "applied"
        assert found["leased"] == ["10.128.0.2/24", "10.128.0.3/24", "10.129.0.2/24"]
        assert found["metadata"] == "for red 10.128.0.2"
        assert {name for name, reached in found["reached"].items() if reached} == {"outside", "DNS by TCP"}

    def test_reaches_nothing_else(self, found: dict[str, Any]) -> None:
        """
        Neither another guest, whatever it takes for its neighbours, nor its node, the node's links or the managers;
        again so after somebody removed our rules. Without them all is reached but other pools, from which libvirt's own
        rules keep what it translates.
        """
        for when in ("tricks", "again"):
            assert {name for name, reached in found[when].items() if reached} == {"outside", "DNS by TCP"}, when
        barred = {name for name, reached in found["control"].items() if not reached}
        assert barred == {"another", "another pool", "c heard"}
        assert found["held"] == len("on"), "a connection that is older than the rules goes on"

    def test_names(self, found: dict[str, Any]) -> None:
        """What a guest calls itself is no name for others; neither are names of the node's own."""
        assert set(found["names"].values()) == {"unknown"}, found["names"]

    def test_tries_of_passwords(self, found: dict[str, Any]) -> None:
        """Connections to screens are taken at a rate for each caller; others are not held up."""
        assert 30 <= found["tries"] < 60
        assert found["another's tries"] == 1

    def test_bandwidth(self, found: dict[str, Any]) -> None:
        """
        What comes to a guest and what it sends is held to its limits, each direction by itself, by an agent that was
        started anew too, which touches nothing; and goes as it can once there are none.
        """
        told = found["bandwidth"]
        assert min(told["free"] + told["unlimited"]) > 4000, told
        for when in ("limited", "made again"):
            incoming, outgoing = told[when]
            assert incoming < 2000 * 1.05 and outgoing < 1000 * 1.05, told
        incoming, outgoing = told["one way"]
        assert incoming > 4000 and outgoing < 1000 * 1.05, told
        assert told["kept"] and told["left"] == ["0", ""], told

    def test_upgrade(
        self, node: LibvirtNode, host: Host, domain: Callable[..., DomainSpec], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A network as an older version defined it stays while guests are on it, and is then defined anew."""
        blue = network("blue", "10.130.0.0/28")

        def options() -> set[str]:
            connection = host.open()
            try:
                xml = connection.networkLookupByName("blue").XMLDesc()
            finally:
                connection.close()
            return {option for option in pool_xml.DNSMASQ_OPTIONS if f"'{option}'" in xml}

        with monkeypatch.context() as older:
            older.setattr(pool_xml, "DNSMASQ_OPTIONS", ("no-ping",))
            definition_uuid.cache_clear()
            LibvirtNode(host.uri, name="older").networks.ensure(blue)
        definition_uuid.cache_clear()  # the older version was another process
        nic = NicSpec("blue", "02:57:0a:82:00:02", "wv0a820002", NicModel.VIRTIO)
        spec = domain(nics=(nic,))
        node.networks.ensure(blue)
        assert options() == {"no-ping"}
        assert "master blue" in host.run(["ip", "link", "show", nic.tap]).stdout
        node.hypervisor.destroy(spec.uuid)
        node.networks.ensure(blue)
        assert options() == set(pool_xml.DNSMASQ_OPTIONS)
        other = replace(blue, gateway=IPv4Address("10.130.0.2"))
        node.networks.ensure(other)
        node.networks.remove("blue")
