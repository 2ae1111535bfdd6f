"""NICs and disks are rows: what a VM was made with is what its domain has, and what is given back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import msgspec
import pytest
from cluster_builder import add_cluster
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.interfaces.hypervisor import DomainSpec
from cm.rpc.errors import NoFreeAddress
from cm.rules.names import pool_name
from cm.rules.network import mac_of, tap_of
from cm.runtime.database import CHANNEL, Database
from cm.store.booking import _CLOSE
from cm.store.creation import NICS_MAX, Inserted, NicRow, VMRows, insert_vm
from cm.store.guest import _GUEST, _NICS
from cm.store.node_document import _OWN, own_facts
from cm.store.unknown import _HELD
from cm.store.vm import _RENDER, render_new, render_vm
from lab.postgres import PrivatePostgres
from support.beside import connect_beside
from support.cloud import MemoryCloud, at_database
from support.several import insert_rows, vm_rows


@pytest.fixture(scope="module")
def cloud(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "nics") as made:
        yield made


def rows(cloud: MemoryCloud, *nics: NicRow, disks: int = 1) -> VMRows:
    return vm_rows(
        *nics, account_id=cloud.user_id, image_id=cloud.image_id, template_id=cloud.template_id,
        storage_id=cloud.storage_id, node_id=cloud.node_ids[0], size_bytes=64 * 2**20, disks=disks,
    )  # fmt: skip


def insert(cloud: MemoryCloud, wanted: VMRows) -> Inserted:
    return insert_rows(cloud.manager.database, wanted)


def nics(cloud: MemoryCloud, vm_id: int) -> list[Any]:
    statement = """
SELECT n.number, n.mac::text AS mac, n.tap, n.model, p.name AS pool, array_agg(host(l.address)) AS addresses
  FROM nic n JOIN network p ON p.id = n.network_id LEFT JOIN network_lease l ON l.nic_id = n.id
 WHERE n.vm_id = :id GROUP BY n.id, p.name ORDER BY n.number
"""
    with cloud.manager.database.engine.connect() as connection:
        return list(connection.execute(text(statement), {"id": vm_id}))


def end(cloud: MemoryCloud, vm_id: int) -> None:
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    assert nics(cloud, vm_id) == []
    assert cloud.leaks() == []


def running(cloud: MemoryCloud, wanted: VMRows) -> DomainSpec:
    spec = cloud.memory[wanted.node_id].world.domains[str(wanted.uuid)].running
    assert spec is not None
    return spec


@pytest.fixture
def pools(cloud: MemoryCloud) -> Iterator[dict[str, int]]:
    """Two networks beside the first one, with six addresses each."""
    made = {}
    for name, network in (("front", "10.129.0.0/29"), ("back", "10.130.0.0/29")):
        made[name] = cloud.call("admin.network.add", {"name": name, "network": network}, account="admin")["pool_id"]
    yield made
    for pool_id in made.values():
        cloud.call("admin.network.delete", {"pool_id": pool_id}, account="admin")


def test_one(cloud: MemoryCloud) -> None:
    """What callers get today: one NIC, whose MAC and tap its network knows its address by; one disk."""
    vm = cloud.create()
    address = IPv4Address(vm["leases"][0]["address"])
    cloud.wait(vm["vm_id"], "running")
    [nic] = nics(cloud, vm["vm_id"])
    assert tuple(nic) == (0, mac_of(address), tap_of(address), "virtio", "net", [str(address)])
    end(cloud, vm["vm_id"])


def test_two_of_each(cloud: MemoryCloud, pools: dict[str, int]) -> None:
    """A VM with two NICs on networks of their own and two disks runs with all of them, and gives them all back."""
    wanted = rows(cloud, NicRow("virtio", pools["back"]), NicRow("e1000", pools["front"]), disks=2)
    made = insert(cloud, wanted)
    back, front = IPv4Address("10.130.0.2"), IPv4Address("10.129.0.2")
    assert made.addresses == (back, front)
    vm = cloud.wait(made.vm_id, "running")
    assert [lease["address"] for lease in vm["leases"]] == [str(back), str(front)]
    spec = running(cloud, wanted)
    assert [(nic.network, nic.mac, nic.tap, nic.model) for nic in spec.nics] == [
        ("wawel-back", mac_of(back), tap_of(back), "virtio"),
        ("wawel-front", mac_of(front), tap_of(front), "e1000"),
    ]
    assert [(disk.path, disk.device) for disk in spec.disks] == [
        (f"/srv/main/{disk.volume}", disk.device) for disk in wanted.disks
    ]
    memory = cloud.memory[wanted.node_id]
    assert {"wawel-front", "wawel-back"} <= set(memory.world.networks)
    for disk in wanted.disks:
        assert memory.volumes.find(pool_name(cloud.storage_id), disk.volume) is not None
    end(cloud, made.vm_id)
    for disk in wanted.disks:
        assert memory.volumes.find(pool_name(cloud.storage_id), disk.volume) is None


def test_two_on_one_network(cloud: MemoryCloud) -> None:
    """NICs that name no network get addresses of their own, and no other VM gets these."""
    wanted = rows(cloud, NicRow("virtio"), NicRow("virtio"))
    made = insert(cloud, wanted)
    other = cloud.create()
    addresses = {*map(str, made.addresses), other["leases"][0]["address"]}
    assert len(addresses) == 3
    cloud.wait(made.vm_id, "running")
    assert [nic.mac for nic in running(cloud, wanted).nics] == [mac_of(address) for address in made.addresses]
    end(cloud, made.vm_id)
    cloud.wait(other["vm_id"], "running")
    end(cloud, other["vm_id"])


def test_too_few(cloud: MemoryCloud, pools: dict[str, int]) -> None:
    """Where a network has fewer addresses than it takes, or is locked, nothing is made."""
    with pytest.raises(NoFreeAddress):
        insert(cloud, rows(cloud, *[NicRow("virtio", pools["front"])] * 6))
    cloud.call("admin.network.lock", {"pool_id": pools["back"]}, account="admin")
    with pytest.raises(NoFreeAddress):
        insert(cloud, rows(cloud, NicRow("virtio", pools["front"]), NicRow("virtio", pools["back"])))
    assert cloud.sql("SELECT count(*) FROM nic") == 0
    assert cloud.leaks() == []


def test_unclear(cloud: MemoryCloud, pools: dict[str, int]) -> None:
    """A NIC that takes any network beside one that names its own might be given the same address."""
    with pytest.raises(ValueError, match="more than"):
        insert(cloud, rows(cloud, *[NicRow("virtio")] * (NICS_MAX + 1)))
    with pytest.raises(ValueError, match="same address"):
        insert(cloud, rows(cloud, NicRow("virtio"), NicRow("virtio", pools["front"])))


def test_rows_decide(cloud: MemoryCloud) -> None:
    """A domain has what the row of its NIC says, whatever its address or its image would suggest."""
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.sql("UPDATE nic SET mac = '02:58:00:00:00:07', tap = 'wvn00000007' WHERE vm_id = :id", id=vm["vm_id"])
    cloud.sql("UPDATE image SET network_device = 'e1000'")
    try:
        cloud.call("user.vm.start", [vm["vm_id"]])
        cloud.wait(vm["vm_id"], "running")
        [domain] = [d for m in cloud.memory.values() if (d := m.world.domains.get(vm["uuid"])) is not None]
        [nic] = domain.running.nics
        assert (nic.mac, nic.tap, nic.model) == ("02:58:00:00:00:07", "wvn00000007", "virtio")
        end(cloud, vm["vm_id"])
    finally:
        cloud.sql("UPDATE image SET network_device = 'virtio'")


def told(cloud: MemoryCloud, node_id: int) -> list[Any]:
    """The NICs that a node's agent is told of."""
    return list(cloud.manager.database.read_now(own_facts, node_id).nics)


def test_nodes_are_told(cloud: MemoryCloud) -> None:
    """The node that a VM is placed on, and it alone, is told of its NICs, at once; and of no others."""
    listening = connect_beside(cloud.settings.database.url)
    listening.cursor().execute(f"LISTEN {CHANNEL}")

    def woken() -> set[str]:
        listening.poll()
        found = {each.payload for each in listening.notifies if each.payload.startswith("document:")}
        listening.notifies.clear()
        return found

    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])
    [other] = set(cloud.node_ids) - {node_id}
    assert woken() == {f"document:{node_id}"}
    address = IPv4Address(vm["leases"][0]["address"])
    bridge = cloud.sql("SELECT bridge FROM network WHERE name = 'net'")
    entry = {
        "tap": tap_of(address), "mac": mac_of(address), "bridge": bridge, "spoofing": False, "foreign": False,
        "kbit_in": None, "kbit_out": None, "groups": [],
        "addresses": [str(address)],
    }  # fmt: skip
    assert told(cloud, node_id) == [entry] and told(cloud, other) == []
    cloud.sql("UPDATE vm SET moves_to = :n WHERE id = :v", n=other, v=vm["vm_id"])
    cloud.sql("UPDATE vnc_port SET reserved_for = :v WHERE node_id = :n AND port = 5999", n=other, v=vm["vm_id"])
    assert told(cloud, node_id) == told(cloud, other) == [entry]
    cloud.sql("UPDATE vm SET moves_to = NULL WHERE id = :v", v=vm["vm_id"])
    cloud.sql("UPDATE vnc_port SET reserved_for = NULL WHERE reserved_for = :v", v=vm["vm_id"])
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    assert told(cloud, node_id) == []
    woken()
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    placed = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])
    assert woken() == {f"document:{placed}"} and told(cloud, placed) == [entry]
    end(cloud, vm["vm_id"])
    listening.close()


STATEMENTS = (
    (_RENDER, {"id": 1}),
    (_CLOSE, {"id": 1, "may_run_on": None}),
    (_HELD, {"id": 1}),
    (_OWN, {"id": 1}),
    (_GUEST, {"bridge": "b", "address": "10.128.0.5", "node_id": 1}),
    (_NICS, {"id": 1}),
)


@pytest.mark.parametrize("analyzed", [False, True])
def test_one_address_among_many(database: Database, analyzed: bool) -> None:
    """Of the leases of a large cluster no statement about one VM reads more than that VM's, fresh database or not."""
    fill = """
INSERT INTO address_pool (id, name, network) VALUES (nextval('network_id_seq'), 'large', '10.1.0.0/20');
INSERT INTO network (id, pool_id, kind, name, prefix, gateway, bridge)
SELECT id, id, kind, name, network, '10.1.0.1', 'b' FROM address_pool WHERE name = 'large';
INSERT INTO network_lease (network_id, address) SELECT p.id, inet '10.1.0.2' + g FROM network p,
       generate_series(0, 4000) g WHERE p.name = 'large';
INSERT INTO vm (name, account_id, image_id, template_id, node_id, node_claimed, reservation_id, cpu, memory_mib, secret)
SELECT 'vm', :account, :image, :template, :a, true, gen_random_uuid(), 1, 1, '' FROM generate_series(1, 300);
INSERT INTO nic (vm_id, number, network_id, mac, tap, model)
SELECT v.id, 0, p.id, CAST('0258' || lpad(to_hex(v.id), 8, '0') AS macaddr), 'wvn' || v.id, 'virtio'
  FROM vm v, network p WHERE p.name = 'large';
UPDATE network_lease l SET nic_id = n.id FROM nic n
 WHERE l.network_id = n.network_id AND l.address = inet '10.1.0.2' + (n.id - (SELECT min(id) FROM nic))
"""

    def look(session: Session) -> None:
        session.execute(text(fill), add_cluster(session))
        if analyzed:
            session.execute(text("ANALYZE"))
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        for statement, values in STATEMENTS:
            statement(session, **values)
            asked = ", ".join("NULL" if (v := values[name]) is None else f"'{v}'" for name in statement.parameters)
            plan = session.execute(text(f"EXPLAIN (FORMAT json) EXECUTE {statement.name} ({asked})")).scalar_one()
            read = list(leases_read(plan[0]["Plan"]))
            assert read and all(read), (statement.name, read)

    database.transact_now(look)


def leases_read(plan: dict[str, Any]) -> Iterator[str]:
    """By which condition each scan of leases finds them in an index; empty: it reads all."""
    if plan.get("Relation Name") == "network_lease" and plan["Node Type"] != "ModifyTable":
        yield plan.get("Index Cond", "") or plan.get("Recheck Cond", "")
    for each in plan.get("Plans", ()):
        yield from leases_read(each)


def test_by_its_id(cloud: MemoryCloud) -> None:
    """A NIC without an IPv4 address has its MAC and its tap from its own id."""
    engine = cloud.manager.database.engine
    with Session(engine) as session:  # never committed: nodes have no such networks yet
        pool_id = session.scalar(
            text(
                "WITH p AS (INSERT INTO address_pool (id, name, network)"
                " VALUES (nextval('network_id_seq'), 'six', 'fd00::/64') RETURNING *)"
                " INSERT INTO network (id, pool_id, kind, name, prefix, gateway, bridge)"
                " SELECT id, id, kind, name, network, 'fd00::1', 'six' FROM p RETURNING id"
            )
        )
        session.execute(
            text("INSERT INTO network_lease (network_id, address) VALUES (:p, 'fd00::2'), (:p, 'fd00::3')"),
            {"p": pool_id},
        )
        made = insert_vm(session, rows(cloud, NicRow("virtio", pool_id), NicRow("virtio", pool_id)))
        assert made.addresses == (IPv6Address("fd00::2"), IPv6Address("fd00::3"))
        found = session.execute(
            text("SELECT id, mac::text AS mac, tap FROM nic WHERE vm_id = :v ORDER BY number"), {"v": made.vm_id}
        ).all()
        for row in found:
            digits = f"{row.id:08x}"
            assert row.mac.replace(":", "") == f"0258{digits}" and row.tap == f"wvn{digits}"
        assert len(found) == 2
        session.rollback()


def test_shown_as_read_anew(cloud: MemoryCloud) -> None:
    """What is shown of a new VM is made of what its rows were told to be, and is what reading them gives."""
    network = cloud.sql("SELECT id FROM network")

    def go(session: Session, vnc: bool) -> None:
        made = insert_vm(session, replace(rows(cloud, *[NicRow("virtio", network)] * 2), vnc=vnc))
        shown = msgspec.json.decode(render_new(session, made.row))
        again = msgspec.json.decode(render_vm(session, made.vm_id))
        assert again == {**shown, "version": shown["version"] + 1}
        assert shown["operation"] == "vm_create" and len(shown["leases"]) == 2
        assert (shown["vnc_endpoint"] is not None) is vnc
        raise KeyError

    for vnc in (True, False):
        with pytest.raises(KeyError):
            cloud.manager.database.transact_now(go, vnc)
