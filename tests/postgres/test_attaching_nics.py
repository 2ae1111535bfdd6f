"""NICs that VMs are given and that are taken from them while they run, or are stopped; what is refused, and what goes
wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cm.drivers.memory.node import MemoryNode
from cm.rpc.errors import (
    CloudError,
    HypervisorError,
    InvalidParameter,
    NetworkOutOfReach,
    NodeUnreachable,
    NoFreeAddress,
    ObjectNotFound,
    VMBusy,
    WrongVMState,
)
from cm.rules.link import hosts_of
from cm.rules.network import limited
from cm.services.bandwidth import BandwidthNotHeld, BandwidthRefused
from cm.services.leaving import settle_leaving
from cm.services.network import AddressTaken
from cm.services.nic import SpoofingRefused
from cm.store.nic import NUMBER_MAX
from cm.store.node_document import own_facts
from lab.postgres import PrivatePostgres
from support.beside import listening
from support.cloud import MemoryCloud, at_database, run
from support.links import LinkAgent, link_agents


@pytest.fixture(scope="module")
def shared(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "attaching_nics", detach_s=0.3, reconcile_s=3600.0) as made:
        yield made


@pytest.fixture(scope="module")
def agents(shared: MemoryCloud) -> list[LinkAgent]:
    return link_agents(shared)


@pytest.fixture(scope="module")
def lab(shared: MemoryCloud) -> int:
    """A user's network."""
    params = {"name": "vx", "network": "10.130.0.0/16", "network6": "fd12:3456:789a::/48"}
    shared.call("admin.pool.add", params, account="admin")
    return int(shared.call("user.network.request", {"name": "lab", "mask": 29})["network_id"])


@pytest.fixture
def cloud(shared: MemoryCloud) -> Iterator[MemoryCloud]:
    """After each test the books balance, and what the record says of running VMs their domains say."""
    yield shared
    shared.until(lambda: not shared.sql("SELECT 1 FROM operation_object"), "nothing is under way")
    assert shared.leaks() == []
    recorded = (
        "SELECT v.node_id, v.uuid::text, array_remove(array_agg(n.mac::text ORDER BY n.number), NULL) FROM vm v"
        " LEFT JOIN nic n ON n.vm_id = v.id WHERE v.seen = 'running' AND v.closed_at IS NULL GROUP BY v.id"
    )
    with shared.manager.database.engine.begin() as connection:
        found = connection.exec_driver_sql(recorded).all()
    for node_id, uuid, macs in found:
        domain = shared.memory[node_id].world.domains[uuid].running
        assert domain is not None and [nic.mac for nic in domain.nics] == macs
    for _, uuid, _ in found:
        vm_id = shared.sql("SELECT id FROM vm WHERE uuid = CAST(:u AS uuid)", u=uuid)
        shared.call("user.vm.destroy", [[vm_id]])
        shared.wait(vm_id, "destroyed")


def everybodys(cloud: MemoryCloud) -> int:
    return int(cloud.sql("SELECT id FROM network WHERE kind = 'nat' AND deleted_at IS NULL ORDER BY id LIMIT 1"))


def running(cloud: MemoryCloud) -> dict[str, Any]:
    """A VM with one NIC, on everybody's network."""
    return cloud.wait(cloud.create(networks=[everybodys(cloud)])["vm_id"], "running")


def stopped(cloud: MemoryCloud) -> dict[str, Any]:
    vm = running(cloud)
    cloud.call("user.vm.stop", [vm["vm_id"]])
    return cloud.wait(vm["vm_id"], "stopped")


def asked(cloud: MemoryCloud, view: str, vm: dict[str, Any], **params: Any) -> dict[str, Any]:
    return cloud.call(f"user.nic.{view}", {"vm_id": vm["vm_id"], **params})


def done(cloud: MemoryCloud, view: str, vm: dict[str, Any], **params: Any) -> dict[str, Any]:
    answer = asked(cloud, view, vm, **params)
    op = cloud.ended(answer["operation_id"])
    assert op["state"] == "done", op
    return answer


def node_of(cloud: MemoryCloud, vm: dict[str, Any]) -> MemoryNode:
    return cloud.memory[cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])]


def macs(cloud: MemoryCloud, vm: dict[str, Any]) -> list[str]:
    """Of the domain that runs."""
    domain = node_of(cloud, vm).world.domains[vm["uuid"]].running
    assert domain is not None
    return [nic.mac for nic in domain.nics]


def cards(cloud: MemoryCloud, vm: dict[str, Any]) -> list[dict[str, Any]]:
    return cloud.call("user.nic.get_list", [vm["vm_id"]])


def numbers(cloud: MemoryCloud, vm: dict[str, Any]) -> list[int]:
    return [card["nic"] for card in cards(cloud, vm)]


def converge(agents: list[LinkAgent]) -> None:
    for agent in agents:
        agent.converge()


@contextmanager
def bounded(cloud: MemoryCloud, kbit: int) -> Iterator[None]:
    """The cluster's settings let owners have so much, out of their VMs."""
    policy = cloud.manager.services.policy
    object.__setattr__(policy, "nic_kbit_out", kbit)
    try:
        yield
    finally:
        object.__setattr__(policy, "nic_kbit_out", 0)


# ------------------------------------------------------------------ come and go


def test_running(cloud: MemoryCloud, lab: int, agents: list[LinkAgent]) -> None:
    """
    A running VM is given a NIC when its node has the network, with addresses, a name and the default group from the
    beginning; taken away again it is nobody's, and its addresses are others' to have.
    """
    vm = running(cloud)
    with listening(cloud.settings.database.url) as take:
        answer = asked(cloud, "attach", vm, network_id=lab)
        node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])
        assert f"document:{node_id}" in take(f"document:{node_id}")
    waits = "SELECT waits_for FROM operation WHERE id = :o"
    cloud.until(lambda: str(cloud.sql(waits, o=answer["operation_id"])).startswith("links:"), "it waits for its bridge")
    assert len(macs(cloud, vm)) == 1
    facts = cloud.manager.database.read_now(own_facts, node_id)
    told = next(nic for nic in facts.nics if nic["mac"] == answer["mac"])
    default = cloud.sql("SELECT id FROM security_group WHERE account_id = :u AND is_default", u=cloud.user_id)
    assert (told["addresses"], told["groups"], told["spoofing"]) == (answer["addresses"], [default], False)
    assert [host["mac"] for host in hosts_of(facts.links[0])] == [answer["mac"]]
    converge(agents)
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    assert macs(cloud, vm) == [card["mac"] for card in cards(cloud, vm)] and answer["mac"] in macs(cloud, vm)
    card = cards(cloud, vm)[1]
    assert (card["nic"], card["network"], card["security_group_ids"], card["leaving"]) == (1, "lab", [default], False)
    assert [lease["address"] for lease in cloud.vm(vm["vm_id"])["leases"]][1:] == answer["addresses"]
    done(cloud, "detach", vm, nic=1)
    assert numbers(cloud, vm) == [0] and len(macs(cloud, vm)) == 1
    assert len(cloud.vm(vm["vm_id"])["leases"]) == 1
    assert cloud.sql("SELECT count(*) FROM network_lease WHERE network_id = :n AND nic_id IS NOT NULL", n=lab) == 0
    assert cloud.manager.database.read_now(own_facts, node_id).links == ()


def test_spoofing(cloud: MemoryCloud) -> None:
    """
    An administrator lets a card send as anybody, its owner takes that back; the node is told at once, and so is the one
    that the VM moves to, which has rules for it already.
    """
    vm = running(cloud)
    place = {"vm_id": vm["vm_id"], "nic": 0}
    with pytest.raises(SpoofingRefused):
        cloud.call("user.nic.edit", {**place, "spoofing": True})
    with pytest.raises(InvalidParameter):
        cloud.call("admin.nic.edit", {**place, "nic": 7, "spoofing": True}, account="admin")
    node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])
    other_id = next(each for each in cloud.node_ids if each != node_id)
    cloud.sql("UPDATE vm SET moves_to = :n WHERE id = :v", n=other_id, v=vm["vm_id"])
    with listening(cloud.settings.database.url) as take:
        told = cloud.call("admin.nic.edit", {**place, "spoofing": True}, account="admin")
        last = max(f"document:{each}" for each in cloud.node_ids)
        assert {f"document:{each}" for each in cloud.node_ids} <= set(take(last))
    cloud.sql("UPDATE vm SET moves_to = NULL WHERE id = :v", v=vm["vm_id"])
    assert told["spoofing"] and cloud.call("admin.nic.get_list", [vm["vm_id"]], account="admin") == [told]
    assert [nic["spoofing"] for nic in cloud.manager.database.read_now(own_facts, node_id).nics] == [True]
    assert not cloud.call("user.nic.edit", {**place, "spoofing": False})["spoofing"]
    assert [nic["spoofing"] for nic in cloud.manager.database.read_now(own_facts, node_id).nics] == [False]


def test_bandwidth(cloud: MemoryCloud, lab: int, agents: list[LinkAgent]) -> None:
    """
    Owners bound what their cards carry, up to what the cluster allows, from the beginning or later; administrators
    beyond it. Where a VM runs on a node that holds no limits none is taken; a stopped one's is.
    """
    vm = cloud.wait(cloud.create(networks=[everybodys(cloud)], kbit_in=500)["vm_id"], "running")
    place = {"vm_id": vm["vm_id"], "nic": 0}
    (card,) = cards(cloud, vm)
    assert (card["kbit_in"], card["kbit_out"]) == (500, None)
    with pytest.raises(BandwidthNotHeld):
        cloud.call("user.nic.edit", {**place, "kbit_out": 1000})
    for agent in agents:
        agent.shapes = True
        agent.report()
    told = cloud.call("user.nic.edit", {**place, "kbit_out": 2000})
    assert (told["kbit_in"], told["kbit_out"]) == (500, 2000)
    node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])

    def documented() -> list[tuple[int | None, int | None]]:
        nics = cloud.manager.database.read_now(own_facts, node_id).nics
        return [(nic.get("kbit_in"), nic.get("kbit_out")) for nic in (limited(each, 1000, 0) for each in nics)]

    assert documented() == [(500, 2000)]
    with pytest.raises(InvalidParameter):
        cloud.call("user.nic.edit", {**place, "kbit_out": 63})
    with bounded(cloud, 1500):
        with pytest.raises(BandwidthRefused):
            cloud.call("user.nic.edit", {**place, "kbit_out": 1501})
        with pytest.raises(BandwidthRefused):
            cloud.create(networks=[everybodys(cloud)], kbit_out=1501)
        with pytest.raises(BandwidthRefused):
            asked(cloud, "attach", vm, network_id=lab, kbit_out=1501)
        assert cloud.call("admin.nic.edit", {**place, "kbit_out": 5000}, account="admin")["kbit_out"] == 5000
    told = cloud.call("user.nic.edit", {**place, "kbit_in": 0, "kbit_out": 0})
    assert (told["kbit_in"], told["kbit_out"], told["spoofing"]) == (None, None, False)
    assert documented() == [(1000, None)], "the cluster's own"
    converge(agents)
    answer = asked(cloud, "attach", vm, network_id=lab, kbit_in=700)
    waits = "SELECT waits_for FROM operation WHERE id = :o"
    cloud.until(lambda: str(cloud.sql(waits, o=answer["operation_id"])).startswith("links:"), "it waits for its bridge")
    converge(agents)
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    assert [card["kbit_in"] for card in cards(cloud, vm)] == [None, 700]


def test_stopped(cloud: MemoryCloud, lab: int, agents: list[LinkAgent]) -> None:
    """A stopped VM has it from its next start, and what was taken meanwhile no more."""
    vm = stopped(cloud)
    converge(agents)
    done(cloud, "attach", vm, network_id=lab, address="10.130.0.5", model="e1000", security_group_ids=[])
    done(cloud, "detach", vm, nic=0)
    (card,) = cards(cloud, vm)
    assert (card["nic"], card["addresses"][0]) == (1, "10.130.0.5")
    assert (card["model"], card["security_group_ids"]) == ("e1000", [])
    cloud.call("user.vm.start", [vm["vm_id"]])
    waits = "SELECT count(*) FROM operation WHERE vm_id = :v AND waits_for LIKE 'links:%'"
    cloud.until(lambda: cloud.sql(waits, v=vm["vm_id"]) == 1, "it waits for its bridge")
    converge(agents)
    cloud.wait(vm["vm_id"], "running")
    assert macs(cloud, vm) == [card["mac"]]


def test_public(cloud: MemoryCloud, lab: int) -> None:
    """With a NIC go its ports; its public address stays its owner's, for another NIC."""
    cloud.call("admin.public_address.add", {"addresses": ["203.0.113.7"]}, account="admin")
    cloud.call("admin.public_address.add", {"addresses": ["203.0.113.8"], "shared": True}, account="admin")
    mine = cloud.call("user.public_address.request")["public_address_id"]
    vm = stopped(cloud)
    done(cloud, "attach", vm, network_id=lab)
    done(cloud, "attach", vm, network_id=lab)
    cloud.call("user.public_address.assign", {"public_address_id": mine, "vm_id": vm["vm_id"], "nic": 1})
    for nic in (1, 2):
        cloud.call("user.vm.add_port", {"vm_id": vm["vm_id"], "guest_port": 22, "nic": nic})
    version = cloud.call("user.public_address.get_by_id", [mine])["version"]
    done(cloud, "detach", vm, nic=1)
    left = cloud.call("user.public_address.get_by_id", [mine])
    assert (left["vm_id"], left["nic"]) == (None, None) and left["version"] > version
    assert cloud.sql("SELECT count(*) FROM public_port") == 1 and cloud.vm(vm["vm_id"])["public_ip"] is None
    cloud.call("user.public_address.assign", {"public_address_id": mine, "vm_id": vm["vm_id"], "nic": 2})
    done(cloud, "detach", vm, nic=2)
    assert cloud.sql("SELECT count(*) FROM public_port") == 0


def test_numbers(cloud: MemoryCloud) -> None:
    """A NIC keeps its number; a new one comes after the last, and after the greatest number where one is free."""
    vm, net = running(cloud), everybodys(cloud)
    for _ in range(2):
        done(cloud, "attach", vm, network_id=net)
    done(cloud, "detach", vm, nic=1)
    assert numbers(cloud, vm) == [0, 2]
    assert done(cloud, "attach", vm, network_id=net)["nic"] == 3
    cloud.sql("UPDATE nic SET number = :m WHERE vm_id = :v AND number = 3", v=vm["vm_id"], m=NUMBER_MAX)
    cloud.sql("UPDATE nic SET number = 1 WHERE vm_id = :v AND number = 2", v=vm["vm_id"])
    assert done(cloud, "attach", vm, network_id=net)["nic"] == 2
    cloud.sql("UPDATE nic SET number = 100 + number WHERE vm_id = :v", v=vm["vm_id"])  # in the order of the domain
    for place, wanted in enumerate((100, 101, 100 + NUMBER_MAX, 102)):
        cloud.sql("UPDATE nic SET number = :p WHERE vm_id = :v AND number = :w", p=place, v=vm["vm_id"], w=wanted)


def test_refused(cloud: MemoryCloud, lab: int, agents: list[LinkAgent]) -> None:
    """What does not fit is told, and changes nothing."""
    vm, net = running(cloud), everybodys(cloud)
    theirs = cloud.call("user.network.request", {"name": "theirs", "mask": 29}, account="other")["network_id"]
    group = cloud.call("user.security_group.create", {"name": "theirs"}, account="other")["security_group_id"]
    taken = cards(cloud, vm)[0]["addresses"][0]
    wrong: list[tuple[type[CloudError], str, dict[str, Any]]] = [
        (ObjectNotFound, "attach", {"network_id": theirs}),
        (ObjectNotFound, "attach", {"network_id": 10**9}),
        (ObjectNotFound, "attach", {"network_id": net, "security_group_ids": [group]}),
        (AddressTaken, "attach", {"network_id": net, "address": taken}),
        (InvalidParameter, "attach", {"network_id": lab, "address": "10.130.0.1"}),
        (InvalidParameter, "attach", {"network_id": lab, "address": "fd12::1"}),
        (InvalidParameter, "attach", {"network_id": net, "model": "ne2000"}),
        (InvalidParameter, "attach", {"network_id": net, "model": "e1000"}),  # while it runs
        (InvalidParameter, "detach", {"nic": 1}),
    ]  # fmt: skip
    for error, view, params in wrong:
        with pytest.raises(error):
            asked(cloud, view, vm, **params)
    cloud.call("admin.network.lock", [net], account="admin")
    with pytest.raises(NoFreeAddress):
        asked(cloud, "attach", vm, network_id=net)
    cloud.call("admin.network.unlock", [net], account="admin")
    agents[0].capable = agents[1].capable = False
    for agent in agents:
        agent.report()
    with pytest.raises(NetworkOutOfReach):
        asked(cloud, "attach", vm, network_id=lab)
    agents[0].capable = agents[1].capable = True
    for agent in agents:
        agent.report()
    for _ in range(7):
        done(cloud, "attach", vm, network_id=net)
    with pytest.raises(InvalidParameter, match="8 network cards"):
        asked(cloud, "attach", vm, network_id=net)
    cloud.call("user.vm.pause", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "paused")
    with pytest.raises(WrongVMState):
        asked(cloud, "detach", vm, nic=1)
    cloud.call("user.vm.resume", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    cloud.call("user.network.release", [theirs], account="other")
    cloud.call("user.security_group.delete", [group], account="other")


# ------------------------------------------------------------------ what goes wrong


def test_attach_fails(cloud: MemoryCloud) -> None:
    """A NIC that a node refuses is gone again with its address, whatever the node did of it."""
    vm, net = running(cloud), everybodys(cloud)
    for after in (False, True):
        node_of(cloud, vm).fail_next("attach", HypervisorError("no room on the bus", 1), after=after)
        op = cloud.ended(asked(cloud, "attach", vm, network_id=net)["operation_id"])
        assert (op["state"], op["error"]) == ("failed", "hypervisor_error")
        cloud.until(lambda: numbers(cloud, vm) == [0] and len(macs(cloud, vm)) == 1, "it is taken back")
        cloud.wait(vm["vm_id"], "running")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.operation.retry", [op["operation_id"]])


def test_answer_lost(cloud: MemoryCloud) -> None:
    """An answer that does not come is asked for again: the NIC is there once, and gone once."""
    vm = running(cloud)
    for view, params, count in (("attach", {"network_id": everybodys(cloud)}, 2), ("detach", {"nic": 1}, 1)):
        node_of(cloud, vm).fail_next(view, NodeUnreachable("n1", "gone"), after=True)
        done(cloud, view, vm, **params)
        assert len(macs(cloud, vm)) == count == len(cards(cloud, vm))


def test_bridge_that_went(cloud: MemoryCloud, lab: int, agents: list[LinkAgent]) -> None:
    """A bridge that went before its agent could tell: the NIC waits until it is there again."""
    vm = running(cloud)
    node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])
    world = cloud.memory[node_id].world
    world.links = {f"wn{lab}"}
    for agent in agents:
        agent.report()
    world.links = set()
    answer = asked(cloud, "attach", vm, network_id=lab)
    waits = "SELECT waits_for FROM operation WHERE id = :o"
    cloud.until(lambda: str(cloud.sql(waits, o=answer["operation_id"])).startswith("links:"), "it waits for its bridge")
    converge(agents)
    assert cloud.ended(answer["operation_id"])["state"] == "done"


def test_guest_keeps_it(cloud: MemoryCloud) -> None:
    """A guest that does not let go keeps the NIC and its address; a later yes is found by looking."""
    vm = running(cloud)
    done(cloud, "attach", vm, network_id=everybodys(cloud))
    node = node_of(cloud, vm)
    node.holds_nics.add(vm["uuid"])
    op = cloud.ended(asked(cloud, "detach", vm, nic=1)["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "nic_kept")
    services = cloud.manager.services
    run(lambda: settle_leaving(services))
    card = cards(cloud, vm)[1]
    assert card["leaving"] and len(card["addresses"]) == 1 and len(macs(cloud, vm)) == 2
    node.let_go_of_nics(vm["uuid"])
    run(lambda: settle_leaving(services))
    assert numbers(cloud, vm) == [0] and len(macs(cloud, vm)) == 1


def test_kept_over_a_stop(cloud: MemoryCloud) -> None:
    """What a guest kept is its VM's after a stop as before, and nobody waits for it any more."""
    vm = running(cloud)
    done(cloud, "attach", vm, network_id=everybodys(cloud))
    node_of(cloud, vm).holds_nics.add(vm["uuid"])
    assert cloud.ended(asked(cloud, "detach", vm, nic=1)["operation_id"])["state"] == "failed"
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    run(lambda: settle_leaving(cloud.manager.services))
    assert [card["leaving"] for card in cards(cloud, vm)] == [False, False]
    done(cloud, "detach", vm, nic=1)


def test_destroy_beats_detach(cloud: MemoryCloud) -> None:
    """A destroy does not wait for a guest that keeps a NIC."""
    vm = running(cloud)
    node_of(cloud, vm).holds_nics.add(vm["uuid"])
    answer = asked(cloud, "detach", vm, nic=0)
    with pytest.raises(VMBusy):
        cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.ended(answer["operation_id"])["state"] in ("abandoned", "failed")


def test_end_during_attach(cloud: MemoryCloud) -> None:
    """A guest that ends while it is given a NIC leads to what its policy says, and the NIC is its VM's."""
    vm = running(cloud)
    node = node_of(cloud, vm)
    release = node.hang(60.0, methods=["attach"])
    answer = asked(cloud, "attach", vm, network_id=everybodys(cloud))
    node.guest_power_off(vm["uuid"])
    release()
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    cloud.wait(vm["vm_id"], "stopped")
    assert numbers(cloud, vm) == [0, 1]


def test_given_up(cloud: MemoryCloud) -> None:
    """An attach that is given up is undone, whatever its node did of it; a detach leaves the NIC as it is."""
    vm = running(cloud)
    node = node_of(cloud, vm)
    under_way = "SELECT state FROM operation WHERE id = :o"
    release = node.hang(60.0, methods=["attach"])
    answer = asked(cloud, "attach", vm, network_id=everybodys(cloud))
    cloud.until(lambda: cloud.sql(under_way, o=answer["operation_id"]) == "running", "it is under way")
    cloud.call("user.operation.abandon", [answer["operation_id"]])
    release()
    cloud.until(lambda: numbers(cloud, vm) == [0] and len(macs(cloud, vm)) == 1, "it is undone")
    cloud.wait(vm["vm_id"], "running")
    node.holds_nics.add(vm["uuid"])
    answer = asked(cloud, "detach", vm, nic=0)
    cloud.call("user.operation.abandon", [answer["operation_id"]])
    cloud.until(lambda: not cloud.sql("SELECT 1 FROM operation_object"), "nothing is under way")
    assert numbers(cloud, vm) == [0] and len(macs(cloud, vm)) == 1
