"""Forwarder and anti-spoofing rules in a real kernel: bridge, veth, nft. Skipped where that is not to be had."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNSHARE = ["unshare", "--net", "--mount", "--propagation", "private"]


def obstacle() -> str:
    if os.geteuid() != 0:
        return "not root"
    for program in ("unshare", "ip", "nft"):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"{program} is not installed"
    probe = "nft add table bridge probe && ip link add br1 type bridge && ip link add veth1 type veth peer name veth2"
    done = subprocess.run([*UNSHARE, "sh", "-c", probe], capture_output=True, text=True)
    return f"this kernel lacks something: {done.stderr.strip()[:100]}" if done.returncode else ""


OBSTACLE = obstacle()


@pytest.mark.skipif(bool(OBSTACLE), reason=f"the network of a node was not tried: {OBSTACLE}")
def test_node(tmp_path: Path) -> None:
    """Guests get their own answers and can speak only as themselves, also after the bridge was made anew."""
    script = Path(__file__).with_name("namespace_node.py")
    done = subprocess.run(
        [*UNSHARE, sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["firewall"] == "applied" and found["networks"][0]["state"] == "served"
    assert found["metadata"] == ["for br1 10.128.0.2", "for br1 10.128.0.3"]
    assert found["neighbour"]
    assert [name for name, passed in found["passes"].items() if not passed] == []
    assert [name for name, dropped in found["dropped"].items() if not dropped] == []
    # Without the table all of them pass: it is the table that drops them, not the test that cannot see them.
    assert [name for name, passed in found["control"].items() if not passed] == []
    assert found["without bridge"] == "no bridge yet"
    assert found["bridge made anew"] == "for br1 10.128.0.2"
    assert found["asked"] == [["br1", "10.128.0.2"], ["br1", "10.128.0.3"]]
