"""AWS's own clients read a guest's metadata, by a node's forwarder, over HTTP all the way."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from botocore.utils import IMDSRegionProvider, InstanceMetadataFetcher, InstanceMetadataRegionFetcher
from cluster_builder import Peer, add_vm, change

from cm.runtime.database import Database
from contextualization.endpoint import site_of
from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.metadata import Forwarder
from support.cloud import reactor, run

AWS = Path("/usr/bin/aws")
GUEST = "127.0.0.1"  # whoever asks on this machine


@pytest.fixture
def service(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a guest finds its metadata, which wants tokens; AWS's settings lead there, and to nothing else."""
    peer = Peer(database)
    peer.now = time.time()
    peer.enrol("a")
    vm_id = database.transact_now(lambda session: add_vm(session, peer.ids, "a", "10.128.0.5"))
    change(database, "UPDATE network_lease SET address = CAST(:own AS inet) WHERE nic_id IS NOT NULL", own=GUEST)
    change(database, "UPDATE vm SET imds_tokens = 'required' WHERE id = :id", id=vm_id)

    async def listen() -> Any:
        return reactor.listenTCP(0, site_of(peer.endpoint, reactor), interface="127.0.0.1")

    port = run(listen)
    credential = Credential(peer.ids["a"], peer.credentials[peer.ids["a"]])
    address = parse_endpoint(f"http://127.0.0.1:{port.getHost().port}")
    forwarder = Forwarder("wbr0", lambda: Client(address, credential), (GUEST, 0), bind_device=False)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://{GUEST}:{forwarder.port}/")
    yield f"http://{GUEST}:{forwarder.port}/"
    forwarder.close()

    async def close() -> None:
        await port.stopListening()

    run(close)


def test_botocore(service: str) -> None:
    """botocore gets its token and the region; of a role there is none, which is no error to it."""
    assert InstanceMetadataRegionFetcher(base_url=service, timeout=20).retrieve_region() == "krakow"
    assert IMDSRegionProvider(Session()).provide() == "krakow"
    assert InstanceMetadataFetcher(base_url=service, timeout=20).retrieve_iam_role_credentials() == {}


@pytest.mark.skipif(not AWS.exists(), reason="Debian's awscli could not be had: bin/bootstrap clients")
def test_aws_cli(service: str) -> None:
    """The aws cli takes its region from the guest's metadata, and says so."""
    told = subprocess.run(
        [str(AWS), "configure", "list"],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    (line,) = (line.split() for line in told.stdout.splitlines() if "region" in line)
    assert line[:3] == ["region", "krakow", "imds"], told.stdout
