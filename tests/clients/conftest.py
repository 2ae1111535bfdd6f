"""A cloud with real guests that speaks EC2, and where the clients are that ``bin/bootstrap clients`` brings."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.federation import Federation
from lab.hosts import Lab
from lab.processes import wait_until

STATE = Path(os.environ.get("WAWEL_STATE") or Path(__file__).parents[2] / ".state")
CLIENTS = STATE / "clients"
REGION = "north"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacking = Lab.missing() or ([] if (CLIENTS / "venv" / "bin" / "aws").exists() else ["bin/bootstrap clients"])
    for item in items:
        if lacking and Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason="; ".join(lacking)))


@dataclass
class Endpoint:
    """Where EC2's clients are pointed at, and a key that they sign with. What is in the cloud is one user's."""

    port: int
    key: dict[str, Any] = field(repr=False)
    home: Path
    user: Any  # calls views
    public: str  # the one public address; the machine is on the nodes' link, and outside

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{CLIENTS}/venv/bin:/usr/bin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": self.key["access_key"], "AWS_SECRET_ACCESS_KEY": self.key["secret_key"],
            "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1",
        }  # fmt: skip

    def run(self, *words: str, fails: bool = False, **more: str) -> str:
        """What a program says; with ``fails`` what it says when it does."""
        made = subprocess.run(
            words, env={**self.environment, **more}, cwd=self.home, capture_output=True, text=True, timeout=600
        )
        assert (made.returncode != 0) == fails, f"{' '.join(words)}\n{made.stdout[-6000:]}\n{made.stderr[-3000:]}"
        return made.stderr + made.stdout if fails else made.stdout

    def left(self) -> dict[str, list[str]]:
        """What the user has in the cloud, by kind; a life ends with what it began with."""
        kinds = ("vm", "disk", "snapshot", "security_group")
        made = {kind: self.user.call(f"user.{kind}.get_list", {"cluster": REGION}) for kind in kinds}
        made["key"] = self.user.call("user.key.get_list")
        return {kind: [str(each.get("name")) for each in found] for kind, found in made.items()}


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {"listen": {"ec2": f"127.0.0.1:{port}"}}
    with Federation(tmp_path_factory.mktemp("clients"), 1, 1, "qemu", durable=False, settings=settings) as cloud:
        user = cloud.clm.keep(cloud.clm.client(cloud.credentials.user))
        admin = cloud.clusters[0].admin
        admin.call("admin.pool.add", {"name": "vx", "network": "10.130.0.0/16"})
        public = cloud.clusters[0].real_node(1).host.address.rsplit(".", 1)[0] + ".200"
        admin.call("admin.public_address.add", {"addresses": [public]})
        wait_until(lambda: _makes_links(admin), "the node's agent to say that it makes links", 120)
        user.call("user.network.request", {"name": "lab", "cluster": REGION})
        user.call("user.security_group.ensure_default", {"cluster": REGION})
        key = user.call("user.api_key.create", {"name": "clients", "scope": ["all"], "ec2": True})
        yield Endpoint(port, key, tmp_path_factory.mktemp("home"), user, public)


def _makes_links(admin: Any) -> bool:
    nodes = admin.call("admin.node.get_list")
    return all(
        node["report"] is not None and {"links", "public"} <= set(node["report"]["capabilities"]) for node in nodes
    )


def eventually(holds: Any) -> None:
    """:param holds: what comes true by itself, though machines may be slow."""
    until = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < until
        time.sleep(1)
