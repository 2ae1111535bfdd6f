"""Networks that nodes' agents make: placement, what nodes are told, launches that wait for a bridge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cm.interfaces.hypervisor import NicSpec
from cm.rpc.errors import InvalidParameter, NoCapacity
from cm.rpc.vocabulary import NicModel
from cm.rules.link import hosts_of
from cm.rules.names import link_name
from cm.rules.placement import VMRequest
from cm.services.placement import Placing
from cm.store.creation import NicRow
from cm.store.guest import guest_at
from cm.store.link import links_changed
from cm.store.node_document import own_facts
from cm.store.unknown import Held, UnknownSeen, record_unknown
from lab.postgres import PrivatePostgres
from support.beside import listening
from support.cloud import MemoryCloud, at_database
from support.links import LinkAgent, link_agents
from support.several import insert_rows, vm_rows


@pytest.fixture(scope="module")
def cloud(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "links") as made:
        yield made


@pytest.fixture(scope="module")
def agents(cloud: MemoryCloud) -> list[LinkAgent]:
    return link_agents(cloud)


def network(cloud: MemoryCloud, name: str, prefix: str) -> int:
    """A user's, of a pool whose networks may overlap."""
    pool = cloud.sql(
        "INSERT INTO address_pool (id, name, kind, network, overlap) VALUES"
        " (nextval('network_id_seq'), :n, 'vxlan', '10.0.0.0/8', true) RETURNING id",
        n=name,
    )
    made: int = cloud.sql(
        "WITH next AS (SELECT nextval('network_id_seq') AS id) INSERT INTO network (id, account_id, pool_id, kind,"
        " name, prefix, gateway, overlap, bridge, domain) SELECT id, :u, :pool, 'vxlan', :n, :p,"
        " CAST(host(CAST(:p AS cidr)) AS inet) + 1, true, 'wn' || id, :n || '.user.wawel' FROM next RETURNING id",
        n=name, p=prefix, u=cloud.user_id, pool=pool,
    )  # fmt: skip
    cloud.sql(
        "INSERT INTO network_lease (network_id, address)"
        " SELECT :n, CAST(host(CAST(:p AS cidr)) AS inet) + g FROM generate_series(2, 6) g", n=made, p=prefix,
    )  # fmt: skip
    return made


def insert(cloud: MemoryCloud, node_id: int, *network_ids: int, name: str = "vm") -> Any:
    wanted = vm_rows(
        *(NicRow("virtio", each) for each in network_ids), account_id=cloud.user_id, image_id=cloud.image_id,
        template_id=cloud.template_id, storage_id=cloud.storage_id, node_id=node_id, size_bytes=64 * 2**20, disks=1,
    )  # fmt: skip
    made = insert_rows(cloud.manager.database, wanted)
    cloud.manager.database.transact_now(links_changed, made.vm_id)  # as who makes a VM does
    cloud.sql("UPDATE vm SET name = :n WHERE id = :v", n=name, v=made.vm_id)
    return made


def end(cloud: MemoryCloud, *vm_ids: int) -> None:
    for vm_id in vm_ids:
        cloud.call("user.vm.destroy", [[vm_id]])
    for vm_id in vm_ids:
        cloud.wait(vm_id, "destroyed")
    assert cloud.leaks() == []


def waiting(cloud: MemoryCloud, vm_id: int) -> bool:
    found = cloud.sql("SELECT waits_for FROM operation WHERE vm_id = :v ORDER BY id DESC LIMIT 1", v=vm_id)
    return str(found).startswith("links:")


def test_waits_for_its_bridge(cloud: MemoryCloud, agents: list[LinkAgent]) -> None:
    """A launch waits until the node's agent tells of the bridge, and goes on at once."""
    lab = network(cloud, "lab", "10.130.0.0/29")
    node_id = cloud.node_ids[0]
    first = insert(cloud, node_id, lab)
    cloud.until(lambda: waiting(cloud, first.vm_id), "the launch waits")
    agents[1].converge()  # another node's word changes nothing
    assert waiting(cloud, first.vm_id) and cloud.memory[node_id].world.links == set()
    agents[0].converge()
    cloud.wait(first.vm_id, "running", 5.0)
    [domain] = [d for d in cloud.memory[node_id].world.domains.values() if d.running is not None]
    nic_id = cloud.sql("SELECT id FROM nic WHERE vm_id = :v", v=first.vm_id)
    mac = "02:58:" + ":".join(f"{nic_id:08x}"[n : n + 2] for n in range(0, 8, 2))
    assert domain.running is not None
    assert domain.running.nics == (
        NicSpec("", mac, f"wvn{nic_id:08x}", NicModel.VIRTIO, bridge=link_name(lab), mtu=1450),
    )
    second = insert(cloud, node_id, lab)
    cloud.wait(second.vm_id, "running", 5.0)
    end(cloud, first.vm_id, second.vm_id)
    agents[0].converge()
    assert cloud.memory[node_id].world.links == set()


def test_bridge_that_went(cloud: MemoryCloud, agents: list[LinkAgent]) -> None:
    """A bridge that went before its agent could tell so: the launch waits until it is there again."""
    gone = network(cloud, "gone", "10.130.1.0/29")
    node_id = cloud.node_ids[0]
    world = cloud.memory[node_id].world
    world.links = {link_name(gone)}
    agents[0].report()
    world.links = set()
    made = insert(cloud, node_id, gone)
    cloud.until(lambda: waiting(cloud, made.vm_id), "the launch waits")
    agents[0].converge()
    cloud.wait(made.vm_id, "running", 5.0)
    end(cloud, made.vm_id)


def test_asks_others_for_names(cloud: MemoryCloud, agents: list[LinkAgent]) -> None:
    """A VM's own servers are told to its nodes at once, with its next lease to its guest; bad ones change nothing."""
    lab, node_id = network(cloud, "asking", "10.130.3.0/29"), cloud.node_ids[0]
    made = insert(cloud, node_id, lab)
    agents[0].converge()
    cloud.wait(made.vm_id, "running", 5.0)

    def told() -> list[Any]:
        facts = cloud.manager.database.read_now(own_facts, node_id)
        return [host.get("dns") for host in hosts_of(facts.links[0])]

    assert told() == [None]
    with listening(cloud.settings.database.url) as take:
        cloud.call("user.vm.edit", {"vm_id": made.vm_id, "dns": " 9.9.9.9, 2620:FE::fe 9.9.9.9"})
        assert f"document:{node_id}" in {*take(f"document:{node_id}")}
    assert told() == [["9.9.9.9", "2620:fe::fe"]]
    many = "1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4"
    for bad in ("dns.example", "127.0.0.53", "224.0.0.251", "::", "fe80::1", "9.9.9.9/32", many):
        with pytest.raises(InvalidParameter):
            cloud.call("user.vm.edit", {"vm_id": made.vm_id, "name": "other", "dns": bad})
    found = cloud.call("user.vm.get_by_id", [made.vm_id])
    assert (found["dns"], found["name"]) == ("9.9.9.9 2620:fe::fe", "vm")
    cloud.call("user.vm.edit", {"vm_id": made.vm_id, "name": "vm"})
    assert told() == [["9.9.9.9", "2620:fe::fe"]]
    cloud.call("user.vm.edit", {"vm_id": made.vm_id, "dns": ""})
    assert told() == [None]
    end(cloud, made.vm_id)


def test_nodes_are_told(cloud: MemoryCloud, agents: list[LinkAgent]) -> None:
    """
    Nodes know of the networks that they carry: who else carries them, and who is on them, wherever; others not. All
    carriers are woken by a VM that is new on one of them.
    """
    both, alone = network(cloud, "both", "10.130.2.0/29"), network(cloud, "alone", "10.130.2.0/29")
    one, two = cloud.node_ids
    here = insert(cloud, one, both, name="Web One")
    with listening(cloud.settings.database.url) as take:
        there = insert(cloud, two, both, alone, name="web one")
        assert {f"document:{one}", f"document:{two}"} <= {*take(f"document:{one}"), *take(None)}
    cloud.until(lambda: waiting(cloud, here.vm_id) and waiting(cloud, there.vm_id), "both wait")
    [link] = agents[0].links()
    assert link == {
        "name": link_name(both), "kind": "vxlan", "bridge": link_name(both), "vni": 4096 + both,
        "local": "10.77.0.11", "peers": ["10.77.0.12"], "mtu": 1450, "uplink": None, "vlan": None,
        "gateways": ["10.130.2.1/29"], "masquerade": True, "dhcp": True, "domain": "both.user.wawel", "dns": [],
        "metadata": True,
    }  # fmt: skip
    assert [(each["name"], each["peers"]) for each in agents[1].links()] == [
        (link_name(both), ["10.77.0.11"]), (link_name(alone), []),
    ]  # fmt: skip
    facts = cloud.manager.database.read_now(own_facts, one)
    [hosts] = [hosts_of(each) for each in facts.links]
    assert [(each["name"], each["addresses"]) for each in hosts] == [
        ("web-one", ["10.130.2.2"]), (f"web-one-{there.vm_id}", ["10.130.2.3"]),
    ]  # fmt: skip
    for agent in agents:
        agent.converge()
    cloud.wait(here.vm_id, "running", 5.0)
    cloud.wait(there.vm_id, "running", 5.0)
    # Two networks of one range: a guest is who has the address on that bridge.
    for bridge, expected in ((both, there.vm_id), (alone, there.vm_id)):
        address = cloud.sql(
            "SELECT host(address) FROM network_lease l JOIN nic c ON c.id = l.nic_id"
            " WHERE c.vm_id = :v AND l.network_id = :n", v=there.vm_id, n=bridge,
        )  # fmt: skip
        found = cloud.manager.database.read_now(guest_at, two, link_name(bridge), address)
        assert found.id == expected
    end(cloud, here.vm_id, there.vm_id)
    assert agents[0].links() == agents[1].links() == []


def test_nodes_are_told_of_ends(cloud: MemoryCloud, agents: list[LinkAgent]) -> None:
    """
    The nodes that carry a network are told at once that a VM on it is called otherwise, stopped, started, or gone, that
    names are asked for elsewhere, and that a node's tunnels end elsewhere; so are nodes that let its group in.
    """
    lab = network(cloud, "told", "10.130.4.0/29")
    one, two = cloud.node_ids
    both = {f"document:{one}", f"document:{two}"}
    here, there = insert(cloud, one, lab, name="a"), insert(cloud, two, lab, name="b")
    for agent in agents:
        agent.converge()
    for made in (here, there):
        cloud.wait(made.vm_id, "running", 5.0)
    with listening(cloud.settings.database.url) as take:

        def told() -> set[str]:
            return {each for each in take(None) if each.startswith("document:")}

        def stop() -> None:
            cloud.call("user.vm.stop", [here.vm_id])
            cloud.wait(here.vm_id, "stopped")

        told()
        cloud.call("user.vm.edit", [here.vm_id, "called"])
        assert told() == both
        cloud.call("user.network.edit", [lab, None, None, "192.0.2.53"])
        assert told() == both
        cloud.call("admin.node.edit", {"node_id": one, "tunnel_address": "10.77.0.21"}, account="admin")
        assert both <= told()
        assert agents[1].links()[0]["peers"] == ["10.77.0.21"]
        stop()
        assert both <= told()
        assert agents[0].links() == [] and agents[1].links()[0]["peers"] == []
        group = cloud.call("user.security_group.create", ["members"])["security_group_id"]
        cloud.call("user.security_group.add_rule", [group, "in", "any", None, None, group])
        for made in (here, there):
            cloud.call("user.security_group.assign", [made.vm_id, [group]])
        told()
        cloud.call("user.vm.destroy", [[here.vm_id]])
        cloud.wait(here.vm_id, "destroyed")
        assert told() == {f"document:{two}"}
    end(cloud, there.vm_id)
    cloud.sql("UPDATE node SET tunnel_address = '10.77.0.11' WHERE id = :n", n=one)
    for agent in agents:
        agent.converge()


def test_groups_lose_members(cloud: MemoryCloud) -> None:
    """A node on which nothing of a VM was is told of its end where a group there names one of the VM's."""
    lab, other = network(cloud, "left", "10.130.5.0/29"), network(cloud, "right", "10.130.5.8/29")
    one, two = cloud.node_ids
    here, there = insert(cloud, one, lab), insert(cloud, two, other)
    called = cloud.call("user.security_group.create", ["clients"])["security_group_id"]
    served = cloud.call("user.security_group.create", ["servers"])["security_group_id"]
    cloud.call("user.security_group.add_rule", [served, "in", "any", None, None, called])
    cloud.call("user.security_group.assign", [here.vm_id, [called]])
    cloud.call("user.security_group.assign", [there.vm_id, [served]])
    with listening(cloud.settings.database.url) as take:
        take(None)
        cloud.call("user.vm.destroy", [[here.vm_id]])
        cloud.wait(here.vm_id, "destroyed")
        assert f"document:{two}" in take(None)
    end(cloud, there.vm_id)


def test_nodes_that_do_not(cloud: MemoryCloud, agents: list[LinkAgent]) -> None:
    """A node whose agent makes no links, or of which nobody knows where its tunnels end, takes no VM that needs one."""
    request = VMRequest(1, 64, frozenset(), links=True)

    def choose(session: Any) -> int:
        return Placing(session, "spread").choose(request).node_id

    one, two = cloud.node_ids
    agents[0].capable = False
    agents[0].report()
    assert cloud.sql("SELECT makes_links FROM node WHERE id = :n", n=one) is False
    with pytest.raises(KeyError):
        cloud.manager.database.transact_now(lambda session: {}[choose(session) == two])
    cloud.sql("UPDATE node SET tunnel_address = '', address = 'n2.example.org' WHERE id = :n", n=two)
    with pytest.raises(NoCapacity, match="2 nodes: no links"):
        cloud.manager.database.transact_now(choose)
    cloud.sql("UPDATE node SET address = '192.0.2.2' WHERE id = :n", n=two)
    with pytest.raises(KeyError):
        cloud.manager.database.transact_now(lambda session: {}[choose(session) == two])


def test_numbers_of_unknown_cards(cloud: MemoryCloud) -> None:
    """After an older dump was restored, no new NIC gets the MAC address of one that still runs."""
    there = cloud.sql("SELECT nextval('nic_id_seq')") + 77
    domain = UnknownSeen("00000000-0000-4000-8000-00000000000f", "vm-9", "running", Held(nic=there))
    cloud.manager.database.transact_now(record_unknown, cloud.node_ids[0], [domain])
    assert cloud.sql("SELECT nextval('nic_id_seq')") == there + 1
    cloud.sql("DELETE FROM unknown_domain")
