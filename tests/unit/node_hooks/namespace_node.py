"""
One node with two guests in a network namespace of its own; prints what it found as JSON.

Run by ``test_node_namespace.py`` under ``unshare --net --mount``. A guest is a namespace too, its tap a veth.
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

import json
import socket
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from node_endpoint import Endpoint

from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.document import parse_document
from node_hooks.metadata import Forwarder
from node_hooks.network import Converger
from node_hooks.state import StateFile

# One as of a VM of an older release, one that has both names from its own id.
NICS = {
    "10.128.0.2": {"tap": "wv0a800002", "mac": "02:57:0a:80:00:02", "addresses": ["10.128.0.2"]},
    "10.128.0.3": {"tap": "wvn00000007", "mac": "02:58:00:00:00:07", "addresses": ["fd00::3", "10.128.0.3"]},
}
BROADCAST = b"\xff" * 6
IPV6 = bytes.fromhex("6000000000143b40fe80") + b"\1" * 14 + b"\xff\2" + b"\1" * 14 + b"\xa5" * 20
ASK = (
    "import socket; s = socket.create_connection(('169.254.169.254', 80), 3);"
    "s.sendall(b'GET /latest/meta-data/ HTTP/1.1\\r\\n\\r\\n'); d = b''.join(iter(lambda: s.recv(9999), b''));"
    "print(d.split(b'\\r\\n\\r\\n')[-1].decode())"
)
SEND = (
    "import socket, sys; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0));"
    "s.send(bytes.fromhex(sys.argv[1]))"
)


def sh(command: str) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


def make_bridge() -> None:
    sh("ip link add br1 type bridge forward_delay 0 mcast_snooping 0 && ip addr add 10.128.0.1/24 dev br1")
    sh("ip link set br1 address 02:00:00:00:00:01 && ip link set br1 up")


def make_guest(name: str, address: str) -> None:
    nic = NICS[address]
    sh(f"ip netns add {name} && ip link add {nic['tap']} type veth peer name eth0 netns {name}")
    sh(f"ip link set {nic['tap']} master br1 up")
    sh(f"ip -n {name} link set eth0 address {nic['mac']} && ip -n {name} link set eth0 up")
    sh(f"ip -n {name} addr add {address}/24 dev eth0 && ip -n {name} route add default via 10.128.0.1")


def inside(name: str, program: str, *arguments: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", name, sys.executable, "-IS", "-c", program, *arguments], capture_output=True, text=True
    )
    return (done.stdout or done.stderr[-200:]).strip()


def passes(frame: bytes) -> bool:
    """Whether the bridge sees a frame that the first guest sends."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as listener:
        listener.bind(("br1", 0))
        listener.settimeout(0.1)
        inside("g1", SEND, frame.hex())
        try:
            while True:
                # The kernel puts a VLAN tag beside the frame, so only its end is looked for: 28 bytes are a whole ARP
                # message, or an IP header and a UDP one.
                if frame[-28:] in listener.recv(4096):
                    return True
        except TimeoutError:
            return False


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip(source: str, sport: int, dport: int) -> bytes:
    payload = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + (8).to_bytes(2, "big") + b"\0\0"
    head = bytes.fromhex("4500001c000000004011") + b"\0\0" + socket.inet_aton(source) + b"\xff" * 4
    total = sum(int.from_bytes(head[i : i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + (0xFFFF - total).to_bytes(2, "big") + head[12:] + payload


def arp(sender_mac: str, sender: str, operation: int = 1) -> bytes:
    head = bytes.fromhex("000108000604") + operation.to_bytes(2, "big")
    return head + mac(sender_mac) + socket.inet_aton(sender) + b"\0" * 6 + socket.inet_aton("10.128.0.77")


def main(state_dir: str) -> None:
    sh("mount -t tmpfs tmpfs /run && ip link set lo up && mount -t sysfs sysfs /sys")
    endpoint = Endpoint()
    address, credential = parse_endpoint(endpoint.url), Credential(7, endpoint.credential)
    state = StateFile(Path(state_dir))
    converger = Converger(
        state, lambda bridge: Forwarder(bridge, lambda: Client(address, credential)),
        listens=lambda: [IPv4Address("10.128.0.1")],
    )  # fmt: skip
    network = {"name": "n", "bridge": "br1", "gateway": "10.128.0.1/24", "pool": "10.128.0.0/20", "metadata": True}
    document = parse_document({
        "version": "1", "networks": [network], "hook_version": "", "nics": list(NICS.values()),
    })  # fmt: skip
    converger.converge(document)
    make_bridge()
    make_guest("g1", "10.128.0.2")
    make_guest("g2", "10.128.0.3")
    converger.converge(document)
    own, other = (nic["mac"] for nic in NICS.values())
    found: dict[str, object] = {"firewall": state.get("firewall"), "networks": state.get("networks")}
    found["metadata"] = [inside("g1", ASK), inside("g2", ASK)]
    inside("g1", "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ('10.128.0.3', 9))")
    found["neighbour"] = other in sh("sleep 0.2; ip -n g1 neigh")

    def frame(kind: str, content: bytes, source: str = own) -> bytes:
        return BROADCAST + mac(source) + bytes.fromhex(kind) + content

    allowed = {
        "own address": frame("0800", ip("10.128.0.2", 5000, 5001)),
        "own ARP": frame("0806", arp(own, "10.128.0.2")),
        "ARP probe": frame("0806", arp(own, "0.0.0.0")),
        "DHCP discover": frame("0800", ip("0.0.0.0", 68, 67)),
    }
    forbidden = {
        "another's address": frame("0800", ip("10.128.0.3", 5000, 5001)),
        "the gateway's address": frame("0800", ip("10.128.0.1", 5000, 5001)),
        "another's MAC": frame("0800", ip("10.128.0.2", 5000, 5001), other),
        "another's pair": frame("0800", ip("10.128.0.3", 5000, 5001), other),
        "ARP of another": frame("0806", arp(own, "10.128.0.3")),
        "ARP of the gateway": frame("0806", arp(own, "10.128.0.1", 2)),
        "ARP with another's MAC inside": frame("0806", arp(other, "10.128.0.2")),
        "ARP probe with another's MAC inside": frame("0806", arp(other, "0.0.0.0")),
        "DHCP answer": frame("0800", ip("10.128.0.2", 67, 68)),
        "DHCP answer from another port": frame("0800", ip("10.128.0.2", 1067, 68)),
        "no address, no DHCP": frame("0800", ip("0.0.0.0", 5000, 5001)),
        "IPv6": frame("86dd", IPV6),
        "VLAN tag": frame("8100", b"\0\x05\x08\0" + ip("10.128.0.2", 5000, 5001)),
        "unknown protocol": frame("88b5", b"\xa7" * 40),
    }
    found["passes"] = {name: passes(each) for name, each in allowed.items()}
    found["dropped"] = {name: not passes(each) for name, each in forbidden.items()}
    sh("nft delete table bridge wawel")
    found["control"] = {name: passes(each) for name, each in forbidden.items()}
    sh("ip link delete br1")
    converger.converge(document)
    found["without bridge"] = state.get("networks")[0]["state"]
    make_bridge()
    sh("ip link set wv0a800002 master br1 up")
    converger.converge(document)
    found["bridge made anew"] = inside("g1", ASK)
    found["asked"] = sorted({(bridge, guest) for _, _, bridge, guest, _, _ in endpoint.guests})
    converger.close()
    endpoint.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
