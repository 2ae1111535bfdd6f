"""Public addresses: whose they are, whom they lead to, which node answers for them, and ports of shared ones."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import CloudError, InUse, InvalidParameter, ObjectNotFound, QuotaReached, VersionChanged
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.services.guest import find_guest
from cm.services.network import NetworkOverlaps
from cm.services.public_address import NoPublicAddress, NotReachable
from cm.services.public_port import NoPublicPort
from cm.store.node_document import own_facts, shared_facts
from lab.postgres import PrivatePostgres
from support.beside import listening
from support.cloud import MemoryCloud, at_database
from support.links import LinkAgent, link_agents

SHARED = "203.0.113.200"


@pytest.fixture(scope="module")
def cloud(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "public_addresses") as made:
        yield made


@pytest.fixture(scope="module")
def agents(cloud: MemoryCloud) -> list[LinkAgent]:
    """Of nodes that answer for public addresses, and a pool that users' networks are cut from."""
    made = link_agents(cloud)
    pool = f"wawel-{cloud.storage_id}"
    for memory in cloud.memory.values():  # VMs start on either node
        memory.pools.attach(StorageSpec(pool, StorageKind.NETFS, "/srv/main", "filer", f"/export/{cloud.world}"))
    cloud.memory[cloud.node_ids[0]].volumes.create_empty(pool, "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)
    for agent in made:
        agent.answers = ()
        agent.report()
    admin(cloud, "pool.add", name="vx", network="10.130.0.0/16", network6="fd12:3456:789a::/48")
    return made


@pytest.fixture
def addresses(cloud: MemoryCloud) -> Iterator[list[Any]]:
    """Three of IPv4, one of IPv6; given back and gone afterwards, with whatever was added beside."""
    cloud.sql("UPDATE account SET quota_public_addresses = 2, quota_public_ports = 20")
    yield admin(cloud, "public_address.add", addresses=["203.0.113.7-203.0.113.9", "2001:db8::7"])
    for each in admin(cloud, "public_address.get_list"):
        if each["vm_id"] is not None:
            admin(cloud, "public_address.unassign", public_address_id=each["public_address_id"])
        admin(cloud, "public_address.release", public_address_id=each["public_address_id"])
        admin(cloud, "public_address.delete", public_address_id=each["public_address_id"])
    assert cloud.leaks() == []


@pytest.fixture
def vm(cloud: MemoryCloud, agents: list[LinkAgent]) -> Iterator[Any]:
    made = run(cloud, agents)
    yield made
    if cloud.vm(made["vm_id"])["state"] != "destroyed":
        end(cloud, made)


def admin(cloud: MemoryCloud, view: str, **params: Any) -> Any:
    return cloud.call("admin." + view, params, account="admin")


def user(cloud: MemoryCloud, view: str, account: str = "user", **params: Any) -> Any:
    return cloud.call("user." + view, params, account=account)


def run(cloud: MemoryCloud, agents: list[LinkAgent], **params: Any) -> Any:
    """A VM that runs, on a network of its user's."""
    made = cloud.create(**params)
    for agent in agents:
        agent.converge()
    return cloud.wait(made["vm_id"], "running")


def end(cloud: MemoryCloud, *vms: Any) -> None:
    for each in vms:
        user(cloud, "vm.destroy", vm_ids=[each["vm_id"]])
        cloud.wait(each["vm_id"], "destroyed")


def told(cloud: MemoryCloud, node_id: int) -> list[str]:
    """The addresses that a node is to answer for."""
    facts = cloud.manager.database.read_now(own_facts, node_id)
    return [each["address"] for each in facts.public]


def ports(cloud: MemoryCloud, node_id: int) -> list[tuple[str, str, int, str, int]]:
    facts = cloud.manager.database.read_now(own_facts, node_id)
    return [
        (each["address"], each["protocol"], each["port"], each["guest"], each["guest_port"]) for each in facts.ports
    ]


def node_of(cloud: MemoryCloud, vm: Any) -> int:
    return int(cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"]))


def agent_of(cloud: MemoryCloud, agents: list[LinkAgent], vm: Any) -> LinkAgent:
    return next(agent for agent in agents if agent.node_id == node_of(cloud, vm))


# ------------------------------------------------------------------ whose


def test_reachable(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any]) -> None:
    """All there are, as networks, are what every node is told of: its guests may go there, whoever answers for them."""
    def networks() -> list[str]:
        return list(cloud.manager.database.read_now(shared_facts).public)

    assert networks() == ["203.0.113.7/32", "203.0.113.8/31", "2001:db8::7/128"]
    (more,) = admin(cloud, "public_address.add", addresses=["203.0.113.6"])
    assert networks()[0] == "203.0.113.6/31"
    admin(cloud, "public_address.delete", public_address_id=more["public_address_id"])
    assert networks()[0] == "203.0.113.7/32"


def test_add(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any]) -> None:
    """Ranges and lists; those that are there stay; nodes', guests' and no hosts' addresses are refused."""
    assert [each["address"] for each in addresses] == ["203.0.113.7", "203.0.113.8", "203.0.113.9", "2001:db8::7"]
    assert {each["state"] for each in addresses} == {"free"}
    more = admin(cloud, "public_address.add", addresses=["203.0.113.9", "203.0.113.16/30"], uplink="eth1")
    assert [each["address"] for each in more] == ["203.0.113.17", "203.0.113.18"] and more[0]["uplink"] == "eth1"
    for wrong in ("127.0.0.1", "224.0.0.1", "eth0", "203.0.113.9-203.0.113.7", "10.0.0.0/8", "203.0.113.7-2001:db8::1"):
        with pytest.raises(InvalidParameter):
            admin(cloud, "public_address.add", addresses=[wrong])
    with pytest.raises(NetworkOverlaps):
        admin(cloud, "public_address.add", addresses=["10.130.7.7"])
    cloud.sql("UPDATE node SET address = '203.0.113.50' WHERE id = :n", n=agents[0].node_id)
    with pytest.raises(InvalidParameter, match="a node's"):
        admin(cloud, "public_address.add", addresses=["203.0.113.50"])
    with pytest.raises(InvalidParameter):
        admin(cloud, "public_address.add", addresses=["203.0.113.77"], uplink="no interface")
    assert len(admin(cloud, "public_address.get_list")) == 6


def test_request(cloud: MemoryCloud, addresses: list[Any]) -> None:
    """The first free one, or the one that is asked for; as many as the quota says; others do not see it."""
    first = user(cloud, "public_address.request", description="web")
    assert (first["address"], first["state"], first["user_id"]) == ("203.0.113.7", "unassigned", cloud.user_id)
    with pytest.raises(NoPublicAddress):
        user(cloud, "public_address.request", "other", address="203.0.113.7")
    six = user(cloud, "public_address.request", family=6)
    assert six["address"] == "2001:db8::7"
    with pytest.raises(QuotaReached):
        user(cloud, "public_address.request")
    use = user(cloud, "user.check_quota")
    assert (use["used_public_addresses"], use["free_public_addresses"]) == (2, 0)
    admin(cloud, "user.edit", user_id=cloud.user_id, quota_public_addresses=3)
    third = user(cloud, "public_address.request", address="203.0.113.9")
    assert [each["address"] for each in user(cloud, "public_address.get_list")] == [
        "203.0.113.7", "203.0.113.9", "2001:db8::7"
    ]  # fmt: skip
    assert user(cloud, "public_address.get_list", "other") == []
    for view in ("get_by_id", "unassign", "release"):
        with pytest.raises(ObjectNotFound):
            user(cloud, f"public_address.{view}", "other", public_address_id=first["public_address_id"])
    named = user(
        cloud, "public_address.edit", public_address_id=third["public_address_id"], description="mail",
        if_version=third["version"],
    )  # fmt: skip
    assert named["description"] == "mail"
    with pytest.raises(VersionChanged):
        user(
            cloud, "public_address.release", public_address_id=third["public_address_id"], if_version=third["version"]
        )
    user(cloud, "public_address.release", public_address_id=third["public_address_id"])
    again = admin(cloud, "public_address.get_by_id", public_address_id=third["public_address_id"])
    assert (again["user_id"], again["description"], again["state"]) == (None, "", "free")


def test_two_at_once(cloud: MemoryCloud, addresses: list[Any]) -> None:
    """Many ask at once for the same address: one gets it. Many ask for any: each gets another, within the quota."""
    cloud.sql("UPDATE account SET quota_public_addresses = 3")
    outcomes: list[Any] = []

    def ask(account: str, **params: Any) -> None:
        try:
            outcomes.append(user(cloud, "public_address.request", account, **params)["address"])
        except CloudError as error:
            outcomes.append(error.code)

    def at_once(*asked: Thread) -> None:
        outcomes.clear()
        for each in asked:
            each.start()
        for each in asked:
            each.join()

    who = ("user", "other") * 3
    at_once(*(Thread(target=ask, args=(each,), kwargs={"address": "203.0.113.8"}) for each in who))
    assert sorted(outcomes) == ["203.0.113.8", *["no_public_address"] * 5]
    at_once(*(Thread(target=ask, args=(each,)) for each in who))
    assert sorted(outcomes) == ["203.0.113.7", "203.0.113.9", *["no_public_address"] * 4]
    cloud.sql("UPDATE account SET quota_public_addresses = 1")
    for each in admin(cloud, "public_address.get_list"):
        admin(cloud, "public_address.release", public_address_id=each["public_address_id"])
    at_once(*(Thread(target=ask, args=("user",)) for _ in range(4)))
    assert sorted(outcomes) == ["203.0.113.7", *["quota_reached"] * 3]


# ------------------------------------------------------------------ whom they lead to


def test_life(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any], vm: Any) -> None:
    """The node of a VM that runs answers, and no other; none while it is stopped; the address outlives the VM."""
    own = user(cloud, "public_address.request")
    key = own["public_address_id"]
    got = user(cloud, "public_address.assign", public_address_id=key, vm_id=vm["vm_id"])
    assert (got["vm_id"], got["nic"], got["state"], got["guest"]) == (
        vm["vm_id"], 0, "waiting", vm["leases"][0]["address"]
    )  # fmt: skip
    assert user(cloud, "public_address.assign", public_address_id=key, vm_id=vm["vm_id"]) == got
    here = agent_of(cloud, agents, vm)
    assert {agent.node_id: told(cloud, agent.node_id) for agent in agents} == {
        agent.node_id: ["203.0.113.7"] if agent is here else [] for agent in agents
    }
    [entry] = cloud.manager.database.read_now(own_facts, here.node_id).public
    assert entry == {
        "id": key, "address": "203.0.113.7", "guest": vm["leases"][0]["address"], "uplink": None,
        "bridge": cloud.sql("SELECT bridge FROM network w JOIN nic c ON c.network_id = w.id WHERE c.vm_id = :v",
                            v=vm["vm_id"]),
    }  # fmt: skip
    here.answers = ("203.0.113.7",)
    here.report()
    assert user(cloud, "public_address.get_by_id", public_address_id=key)["state"] == "answered"
    seen = cloud.vm(vm["vm_id"])
    assert seen["public_ip"] == "203.0.113.7"
    assert seen["connections"] == [{"method": "ssh", "command": "ssh 203.0.113.7"}]
    [listed] = [each for each in user(cloud, "vm.get_list") if each["vm_id"] == vm["vm_id"]]
    assert listed["public_ip"] == "203.0.113.7"
    with pytest.raises(InUse):
        user(cloud, "public_address.release", public_address_id=key)

    user(cloud, "vm.stop", vm_id=vm["vm_id"])
    cloud.wait(vm["vm_id"], "stopped")
    assert [told(cloud, agent.node_id) for agent in agents] == [[], []]
    rests = user(cloud, "public_address.get_by_id", public_address_id=key)
    assert (rests["state"], rests["reason"], rests["node_id"]) == ("waiting", "its VM does not run", None)

    there = next(agent for agent in agents if agent is not here)
    admin(cloud, "node.lock", node_id=here.node_id)
    with listening(cloud.settings.database.url) as heard:
        user(cloud, "vm.start", vm_id=vm["vm_id"])
        assert f"document:{there.node_id}" in heard(f"document:{there.node_id}")
    cloud.until(lambda: node_of(cloud, vm) == there.node_id, "it is placed on the other node")
    for agent in agents:
        agent.converge()
    cloud.wait(vm["vm_id"], "running")
    assert (told(cloud, here.node_id), told(cloud, there.node_id)) == ([], ["203.0.113.7"])
    assert user(cloud, "public_address.get_by_id", public_address_id=key)["state"] == "waiting"  # not told yet
    admin(cloud, "node.unlock", node_id=here.node_id)
    here.answers = ()
    here.report()

    end(cloud, vm)
    left = user(cloud, "public_address.get_by_id", public_address_id=key)
    assert (left["state"], left["vm_id"], left["user_id"]) == ("unassigned", None, cloud.user_id)
    assert [told(cloud, agent.node_id) for agent in agents] == [[], []]


def test_refused(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any], vm: Any) -> None:
    """A card has one address of a family, an address one card; who lacks the address or the VM finds neither."""
    one, two = (user(cloud, "public_address.request")["public_address_id"] for _ in range(2))
    user(cloud, "public_address.assign", public_address_id=one, vm_id=vm["vm_id"])
    with pytest.raises(InUse):
        user(cloud, "public_address.assign", public_address_id=two, vm_id=vm["vm_id"])
    with pytest.raises(InvalidParameter):
        user(cloud, "public_address.assign", public_address_id=two, vm_id=vm["vm_id"], nic=1)
    theirs = user(cloud, "public_address.request", "other", family=6)["public_address_id"]
    with pytest.raises(ObjectNotFound):
        user(cloud, "public_address.assign", public_address_id=theirs, vm_id=vm["vm_id"])
    with pytest.raises(ObjectNotFound):
        user(cloud, "public_address.assign", "other", public_address_id=theirs, vm_id=vm["vm_id"])
    other = run(cloud, agents)
    with pytest.raises(InUse):
        user(cloud, "public_address.assign", public_address_id=one, vm_id=other["vm_id"])
    assert user(cloud, "public_address.unassign", public_address_id=one)["state"] == "unassigned"
    user(cloud, "public_address.assign", public_address_id=one, vm_id=other["vm_id"])
    assert cloud.vm(other["vm_id"])["public_ip"] == "203.0.113.7" and cloud.vm(vm["vm_id"])["public_ip"] is None
    admin(cloud, "public_address.unassign", public_address_id=one)
    with pytest.raises(InUse):
        admin(cloud, "public_address.delete", public_address_id=one)
    user(cloud, "public_address.release", "other", public_address_id=theirs)
    end(cloud, other)
    plain = run(cloud, agents, networks=[cloud.sql("SELECT min(id) FROM network WHERE kind = 'nat'")])
    with pytest.raises(NotReachable):
        user(cloud, "public_address.assign", public_address_id=one, vm_id=plain["vm_id"])
    with pytest.raises(NotReachable):
        user(cloud, "vm.add_port", vm_id=plain["vm_id"], guest_port=22)
    end(cloud, plain)


def test_older_agents(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any], vm: Any) -> None:
    """A node whose agent knows of none answers for none, and it is told why."""
    key = user(cloud, "public_address.request")["public_address_id"]
    user(cloud, "public_address.assign", public_address_id=key, vm_id=vm["vm_id"])
    here = agent_of(cloud, agents, vm)
    here.answers = None
    with listening(cloud.settings.database.url) as heard:
        here.report()
        assert "document:0" in heard("document:0")  # another node may come to answer for what it did
    facts = cloud.manager.database.read_now(own_facts, here.node_id)
    assert not facts.answers_public and not facts.public
    waits = user(cloud, "public_address.get_by_id", public_address_id=key)
    assert waits["state"] == "waiting" and "too old" in waits["reason"]
    here.answers = ()
    here.report()
    assert told(cloud, here.node_id) == ["203.0.113.7"]


def test_with_the_vm(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any]) -> None:
    """A VM may be made with an address; one that is not the caller's refuses the VM."""
    key = user(cloud, "public_address.request")["public_address_id"]
    made = run(cloud, agents, public_ip_id=key)
    assert made["public_ip"] == "203.0.113.7"
    with pytest.raises(InUse):
        cloud.create(public_ip_id=key)
    end(cloud, made)
    with pytest.raises(ObjectNotFound):
        cloud.create(public_ip_id=addresses[1]["public_address_id"])
    assert cloud.leaks() == []


def test_by_cc1s_names(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any], vm: Any) -> None:
    """CC1's functions do the same by leases."""
    assert user(cloud, "public_ip.request") == "203.0.113.7"
    [own] = user(cloud, "public_ip.get_list")
    [network] = user(cloud, "network.list_user_networks")
    lease = next(
        each["lease_id"]
        for each in user(cloud, "network.list_leases", network_id=network["network_id"], used_only=True)
        if each["address"] == vm["leases"][0]["address"]
    )
    user(cloud, "public_ip.assign", lease_id=lease, public_ip_id=own["public_ip_id"])
    assert user(cloud, "public_ip.get_list") == [{**own, "lease_id": lease, "vm_name": vm["name"]}]
    assert cloud.vm(vm["vm_id"])["public_ip"] == "203.0.113.7"
    with pytest.raises(ObjectNotFound):
        user(cloud, "public_ip.unassign", "other", lease_id=lease)
    user(cloud, "public_ip.unassign", lease_id=lease)
    with pytest.raises(ObjectNotFound):
        user(cloud, "public_ip.unassign", lease_id=lease)
    user(cloud, "public_ip.assign", lease_id=lease, public_ip_id=own["public_ip_id"])
    admin(cloud, "public_ip.unassign", lease_id=lease)
    user(cloud, "public_ip.release", public_ip_id=own["public_ip_id"])
    admin(cloud, "public_ip.add", start_address="203.0.113.30", count=2)
    added = ("203.0.113.30", "203.0.113.31")
    more = [each["public_ip_id"] for each in admin(cloud, "public_ip.get_list") if each["address"] in added]
    assert user(cloud, "public_ip.request", "other") == "203.0.113.7"
    admin(cloud, "public_ip.release", public_ip_id_list=[own["public_ip_id"]])
    admin(cloud, "public_ip.delete", public_ip_id_list=[own["public_ip_id"], *more])


# ------------------------------------------------------------------ ports


@pytest.fixture
def shared(cloud: MemoryCloud, addresses: list[Any]) -> Any:
    [made] = admin(cloud, "public_address.add", addresses=[SHARED], shared=True)
    return made


def test_ports(cloud: MemoryCloud, agents: list[LinkAgent], shared: Any, vm: Any) -> None:
    """Ports end alike where they can; repeated ones are the same; they go with the VM, and count."""
    ssh = user(cloud, "vm.add_port", vm_id=vm["vm_id"], guest_port=22)
    assert (ssh["address"], ssh["port"], ssh["state"]) == (SHARED, 20022, "waiting")
    assert user(cloud, "vm.add_port", vm_id=vm["vm_id"], guest_port=22) == ssh
    dns = user(cloud, "vm.add_port", vm_id=vm["vm_id"], guest_port=22, protocol="udp")
    assert dns["port"] == 20022
    web = user(cloud, "vm.add_port", vm_id=vm["vm_id"], guest_port=51820, protocol="udp")
    assert web["port"] == 30000
    here, guest = agent_of(cloud, agents, vm), vm["leases"][0]["address"]
    assert ports(cloud, here.node_id) == [
        (SHARED, "tcp", 20022, guest, 22), (SHARED, "udp", 20022, guest, 22), (SHARED, "udp", 30000, guest, 51820)
    ]  # fmt: skip
    here.answers = (SHARED,)
    here.report()
    seen = cloud.vm(vm["vm_id"])
    assert [each["state"] for each in seen["ports"]] == ["answered"] * 3
    assert seen["connections"] == [{"method": "ssh", "command": f"ssh -p 20022 {SHARED}"}]
    told = user(cloud, "vm.get_connections", vm_id=vm["vm_id"])
    inside = [("network", f"ssh {lease['address']}") for lease in vm["leases"]]
    assert [(each["through"], each["command"]) for each in told] == [("port", f"ssh -p 20022 {SHARED}"), *inside]
    screen = user(cloud, "vm.attach_vnc", vm_id=vm["vm_id"])
    cloud.ended(screen["operation_id"])
    last = user(cloud, "vm.get_connections", vm_id=vm["vm_id"])[-1]
    assert last == {
        "through": "screen", "method": "vnc", "address": screen["address"], "port": screen["port"],
        "command": f"vncviewer {screen['address']}::{screen['port']}",
    }  # fmt: skip
    cloud.ended(user(cloud, "vm.detach_vnc", vm_id=vm["vm_id"])["operation_id"])
    now = admin(cloud, "public_address.get_by_id", public_address_id=shared["public_address_id"])
    assert (now["state"], now["ports"], now["node_id"]) == ("answered", 3, here.node_id)
    with pytest.raises(InUse):
        admin(cloud, "public_address.delete", public_address_id=shared["public_address_id"])
    with pytest.raises(NoPublicAddress):
        user(cloud, "public_address.request", address=SHARED)
    cloud.sql("UPDATE account SET quota_public_ports = 3")
    with pytest.raises(QuotaReached):
        user(cloud, "vm.add_port", vm_id=vm["vm_id"], guest_port=80)
    user(cloud, "vm.remove_port", vm_id=vm["vm_id"], guest_port=51820, protocol="udp")
    with pytest.raises(ObjectNotFound):
        user(cloud, "vm.remove_port", vm_id=vm["vm_id"], guest_port=51820, protocol="udp")
    with pytest.raises(ObjectNotFound):
        user(cloud, "vm.add_port", "other", vm_id=vm["vm_id"], guest_port=80)
    assert user(cloud, "user.check_quota")["used_public_ports"] == 2
    end(cloud, vm)
    assert cloud.sql("SELECT count(*) FROM public_port") == 0
    here.answers = ()
    here.report()


def test_one_node_answers(cloud: MemoryCloud, agents: list[LinkAgent], shared: Any, vm: Any) -> None:
    """Of a shared address one node answers: a VM elsewhere gets a port of another one, or none."""
    user(cloud, "vm.add_port", vm_id=vm["vm_id"], guest_port=22)
    here = agent_of(cloud, agents, vm)
    there = next(agent for agent in agents if agent is not here)
    admin(cloud, "node.lock", node_id=here.node_id)
    other = run(cloud, agents)
    assert node_of(cloud, other) == there.node_id
    with pytest.raises(NoPublicPort):
        user(cloud, "vm.add_port", vm_id=other["vm_id"], guest_port=22)
    admin(cloud, "public_address.add", addresses=["203.0.113.201"], shared=True)
    got = user(cloud, "vm.add_port", vm_id=other["vm_id"], guest_port=22)
    assert (got["address"], got["port"]) == ("203.0.113.201", 20022)
    # The first VM comes to the other node, and its address with it.
    user(cloud, "vm.stop", vm_id=vm["vm_id"])
    cloud.wait(vm["vm_id"], "stopped")
    user(cloud, "vm.start", vm_id=vm["vm_id"])
    for agent in agents:
        agent.converge()
    cloud.wait(vm["vm_id"], "running")
    assert node_of(cloud, vm) == there.node_id
    assert [each[0] for each in ports(cloud, there.node_id)] == [SHARED, "203.0.113.201"]
    assert ports(cloud, here.node_id) == []
    # Two VMs with ports of one address, brought apart: the older port's node answers, the other one waits.
    cloud.sql("UPDATE public_port SET address_id = :a, port = 20023 WHERE port = 20022 AND address_id <> :a",
              a=shared["public_address_id"])  # fmt: skip
    cloud.sql("UPDATE vm SET node_id = :n WHERE id = :v", n=here.node_id, v=vm["vm_id"])
    assert [len(ports(cloud, each.node_id)) for each in (here, there)] == [1, 0]
    [waits] = cloud.vm(other["vm_id"])["ports"]
    assert waits["state"] == "waiting" and "another node" in waits["reason"]
    cloud.sql("UPDATE vm SET node_id = :n WHERE id = :v", n=there.node_id, v=vm["vm_id"])
    admin(cloud, "node.unlock", node_id=here.node_id)
    end(cloud, other)


def test_moves_live(cloud: MemoryCloud, agents: list[LinkAgent], addresses: list[Any], vm: Any) -> None:
    """The node that a guest goes to translates its address before the guest is there, and answers for it afterwards."""
    got = user(cloud, "public_address.request")
    user(cloud, "public_address.assign", public_address_id=got["public_address_id"], vm_id=vm["vm_id"])
    here = agent_of(cloud, agents, vm)
    there = next(agent for agent in agents if agent is not here)
    there.coming = ()
    moved = admin(cloud, "vm.migrate", vm_id=vm["vm_id"])
    there.converge()

    def op() -> Any:
        return admin(cloud, "operation.get", operation_id=moved["operation_id"])

    cloud.until(lambda: "public address" in op()["waiting_for"], "the target's translation is awaited")
    facts = cloud.manager.database.read_now(own_facts, there.node_id)
    assert [each["address"] for each in facts.coming] == [got["address"]] and told(cloud, there.node_id) == []
    assert told(cloud, here.node_id) == [got["address"]]
    assert "migrate" not in cloud.memory[here.node_id].calls
    there.coming = (got["address"],)
    there.report()
    cloud.until(lambda: op()["finished"], "it has moved")
    assert op()["state"] == "done" and node_of(cloud, vm) == there.node_id
    assert told(cloud, there.node_id) == [got["address"]] and told(cloud, here.node_id) == []
    assert not cloud.manager.database.read_now(own_facts, there.node_id).coming
    there.coming = None
    there.report()


def test_explained(cloud: MemoryCloud, agents: list[LinkAgent], shared: Any, vm: Any) -> None:
    """Whether somebody outside gets in: by a public address or this very port, as far as groups let them."""

    def asked(port: int, protocol: str = "tcp", address: str = "198.51.100.7") -> Any:
        return user(
            cloud, "network.explain", vm_id=vm["vm_id"], address=address, incoming=True, port=port, protocol=protocol
        )["verdict"]

    assert asked(22) == "answers_only"
    user(cloud, "vm.add_port", vm_id=vm["vm_id"], guest_port=22)
    assert (asked(22), asked(22, "udp"), asked(80)) == ("no_rule_in", "answers_only", "answers_only")
    user(cloud, "security_group.assign", vm_id=vm["vm_id"], security_group_ids=[])
    assert (asked(22), asked(80)) == ("passes", "answers_only")
    key = user(cloud, "public_address.request")["public_address_id"]
    user(cloud, "public_address.assign", public_address_id=key, vm_id=vm["vm_id"])
    assert (asked(80), asked(80, address="2001:db8::1")) == ("passes", "answers_only")
    guest = find_in_guest(cloud, vm)
    assert list(map(str, guest.nics[0].public)) == ["203.0.113.7"]


def find_in_guest(cloud: MemoryCloud, vm: Any) -> Any:
    """As the VM's metadata are made of it."""
    statement = "SELECT bridge FROM network w JOIN nic c ON c.network_id = w.id WHERE c.vm_id = :v"
    bridge = cloud.sql(statement, v=vm["vm_id"])
    address = vm["leases"][0]["address"]
    return cloud.manager.database.read_now(find_guest, node_of(cloud, vm), bridge, address)
