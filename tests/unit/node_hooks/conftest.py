from collections.abc import Iterator
from pathlib import Path

import pytest
from node_endpoint import Endpoint

from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.spool import Spool


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Client]:
    client = Client(parse_endpoint(endpoint.url), Credential(7, endpoint.credential))
    yield client
    client.close()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.ensure()
    return spool
