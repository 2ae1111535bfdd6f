"""Rows of a small cluster for tests of agents and guests: nodes, one pool, VMs with their leases."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from cm.models import VM, Account, AddressPool, Image, Network, NetworkLease, Node, Storage, Template, Volume
from cm.runtime.database import Database
from cm.services.agent import enrol, issue_enrolment_token
from cm.store.nic import insert_nic, lock_lease
from cm.store.vm import render_vm
from contextualization.endpoint import Endpoint, IListens
from contextualization.settings import EndpointSettings
from contextualization.wire import Answer, Exchange
from node_hooks.signature import ADDRESS_HEADER, BRIDGE_HEADER, Authorization, sign


def add_node(session: Session, name: str) -> int:
    node = Node(
        name=name,
        address="192.0.2.1",
        uri=f"memory://{name}",
        cpu_total=8,
        memory_mib_total=8192,
        cpu_overcommit=1.0,
        memory_overcommit=1.0,
    )
    session.add(node)
    session.flush()
    return node.id


def add_cluster(session: Session) -> dict[str, int]:
    """Two nodes, one pool 10.128.0.0/28 on bridge wbr0, an account, an image and a template; their ids."""
    account = Account(
        login="ala", name="Ala", quota_cpu=10, quota_memory_mib=10_000, quota_storage_mib=10_000, quota_vms=10
    )
    storage = Storage(name="local", kind="dir", path="/srv", capacity_bytes=2**40, overcommit=1.0)
    session.add_all([account, storage])
    session.flush()
    volume = Volume(storage_id=storage.id, name="d.qcow2", format="qcow2", made=True)
    session.add(volume)
    session.flush()
    image = Image(kind="system", name="debian", account_id=account.id, volume_id=volume.id, state="ok")
    template = Template(name="m1.small", cpu=1, memory_mib=512)
    session.add_all([image, template])
    session.flush()
    ids = {"account": account.id, "image": image.id, "template": template.id}
    ids["pool"] = add_pool(session, "net", "10.128.0.0/28", "wbr0")
    ids["a"], ids["b"] = add_node(session, "a"), add_node(session, "b")
    return ids


def add_pool(session: Session, name: str, network: str, bridge: str) -> int:
    block = IPv4Network(network)
    gateway, *rest = block.hosts()
    number = session.scalar(text("SELECT nextval('network_id_seq')"))
    pool = AddressPool(id=number, name=name, network=network)
    session.add(pool)
    session.flush()
    made = Network(
        id=pool.id, pool_id=pool.id, kind="nat", name=name, prefix=network, gateway=str(gateway), bridge=bridge
    )
    session.add(made)
    session.flush()
    session.add_all([NetworkLease(network_id=made.id, address=str(address)) for address in rest])
    session.flush()
    return made.id


def add_vm(session: Session, ids: dict[str, int], node: str, address: str, **changes: Any) -> int:
    """A VM that runs on a node of ``ids`` and has an address of the pool."""
    values = {
        "name": "web",
        "seen": "running",
        "secret": f"secret-of-{address}",
        "node_claimed": True,
        "launches": 1,
        "cpu": 1,
        "memory_mib": 512,
        **changes,
    }
    vm = VM(
        account_id=ids["account"],
        image_id=ids["image"],
        template_id=ids["template"],
        node_id=ids[node],
        reservation_id="cccccccc-0000-4000-8000-00000000000c",
        **values,
    )
    session.add(vm)
    session.flush()
    add_nic(session, vm.id, address)
    session.execute(
        text("UPDATE vm SET launched_at = clock_timestamp() - interval '1 minute' WHERE id = :id"), {"id": vm.id}
    )
    render_vm(session, vm.id, "enter")
    return vm.id


def add_nic(session: Session, vm_id: int, address: str, number: int = 0) -> None:
    lease = lock_lease(session, IPv4Address(address))
    assert lease is not None
    insert_nic(session, lease, vm_id, number, "virtio")


class Peer:
    """
    An endpoint on a database, asked without HTTP in between, as signed nodes ask it.

    :param listener: brings the database's notifications; without one the endpoint remembers nothing.
    """

    def __init__(
        self,
        database: Database,
        ids: dict[str, int] | None = None,
        listener: IListens | None = None,
        **settings: Any,
    ) -> None:
        self.database = database
        self._listener = listener
        self.clock = Clock()
        self.now = 1_700_000_000.0
        self.ids = ids or database.transact_now(add_cluster)
        self.credentials: dict[int, str] = {}
        self._settings = EndpointSettings(b"k" * 32, region="krakow", **settings)
        self.start()

    def start(self) -> None:
        """Another process takes over."""
        self.endpoint = Endpoint(self.database, self._settings, self.clock, self._listener, lambda: self.now)

    def enrol(self, name: str) -> str:
        node_id = self.ids[name]
        token = self.database.transact_now(issue_enrolment_token, node_id)
        self.credentials[node_id] = self.database.transact_now(enrol, token, "boot-1", "1", "1").credential
        self.endpoint.authenticator.forget("")
        return token

    def begin(self, exchange: Exchange) -> Deferred[Answer]:
        return Deferred.fromCoroutine(self.endpoint.answer(exchange))

    def send(self, exchange: Exchange) -> Answer:
        """The answer, which inline threads give at once."""
        return result_of(self.begin(exchange))

    def signed(
        self,
        node: str,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        bridge: str = "",
        address: str = "",
        skew_s: int = 0,
        **headers: str,
    ) -> Exchange:
        node_id, at = self.ids[node], int(self.now) + skew_s
        signature = sign(self.credentials[node_id], method, path, at, body, bridge, address)
        sent = {"Authorization": Authorization(node_id, at, signature).header(), **headers}
        if bridge:
            sent |= {BRIDGE_HEADER: bridge, ADDRESS_HEADER: address}
        return Exchange(method, path, {name.lower(): (each,) for name, each in sent.items()}, body)

    def ask(self, node: str, address: str, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """A guest's request, as its node forwards it."""
        bridge = headers.pop("bridge", "wbr0")
        return self.send(self.signed(node, method, "/guest" + path, body, bridge=bridge, address=address, **headers))

    def deliver(self, node: str, *events: dict[str, Any], boot_id: str = "boot-1") -> Answer:
        body = json.dumps({"boot_id": boot_id, "events": list(events)}).encode()
        return self.send(self.signed(node, "POST", "/node/events", body))


def result_of(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "it still waits"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def value(database: Database, statement: str, **parameters: Any) -> Any:
    return database.read_now(lambda session: session.scalar(text(statement), parameters))


def change(database: Database, statement: str, **parameters: Any) -> None:
    database.transact_now(lambda session: session.execute(text(statement), parameters) and None)
