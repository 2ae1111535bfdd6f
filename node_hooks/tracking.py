"""What the kernel offers for following flows over a bridge, and its word when somebody changes nftables."""

import errno
import logging
import socket
from pathlib import Path

from node_hooks.command import CommandFailed, Run
from node_hooks.firewall import Tracking

log = logging.getLogger("wawel.node.tracking")

_PROBE = """table bridge wawel_probe {
\tmap zones { typeof iifname : ct zone; }
\tchain prerouting {
\t\ttype filter hook prerouting priority -300; policy accept;
\t\tct zone set iifname map @zones
\t\tct state established ct direction reply accept
\t}
}
"""
_NETLINK_NETFILTER = 12
_NFTABLES_GROUP = 1 << 6  # NFNLGRP_NFTABLES, 7, as a mask
_READ = 65_536


def find_tracking(run: Run) -> Tracking:
    """
    Whether the bridge family follows flows (``nf_conntrack_bridge``); nft checks without changing anything.

    :raises CommandMissing: without nft.
    """
    try:
        run(["nft", "--check", "-f", "-"], _PROBE)
    except CommandFailed:
        return Tracking.INET
    return Tracking.BRIDGE


def show_bridged(root: Path = Path("/proc/sys/net/bridge")) -> None:
    """
    Have bridged packets shown to the inet family; may be repeated.

    :raises OSError: ``br_netfilter`` is not loaded, or we may not.
    """
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        if (root / name).read_text().strip() != "1":
            (root / name).write_text("1\n")
            log.info("%s is set: security groups need it", name)


class RulesWatch:
    """
    Tells when nftables are changed, by whomever.

    :raises OSError: the kernel does not tell us.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        try:
            self._socket.bind((0, _NFTABLES_GROUP))
        except OSError:
            self._socket.close()
            raise

    def wait(self, seconds: float) -> bool:
        """Until something changes, or the time is over; whether something did."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(_READ)
            self._socket.settimeout(0.0)
            while True:
                self._socket.recv(_READ)
        except BlockingIOError:
            return True
        except TimeoutError:
            return False
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # so much that some of it was lost
                raise
            return True

    def close(self) -> None:
        self._socket.close()
