"""Networks of users' own: cut from pools, VMs on them, addresses of both families, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import pytest
from sqlalchemy.orm import Session

from cm.rpc.errors import (
    InUse,
    InvalidParameter,
    NameTaken,
    NetworkOutOfReach,
    NoCapacity,
    NoFreeAddress,
    ObjectNotFound,
    QuotaReached,
    VersionChanged,
)
from cm.rules.access import AccessNeeded
from cm.rules.link import hosts_of
from cm.services.network import AddressTaken, NetworkOverlaps, PoolFull
from cm.store.network import close_network, get_network
from cm.store.nic import draw_nic
from cm.store.node_document import own_facts
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, at_database
from support.links import LinkAgent, link_agents


@pytest.fixture(scope="module")
def cloud(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "user_networks") as made:
        yield made


@pytest.fixture(scope="module")
def agents(cloud: MemoryCloud) -> list[LinkAgent]:
    return link_agents(cloud)


@pytest.fixture
def pool(cloud: MemoryCloud) -> Iterator[Any]:
    """A pool with two networks' room, and all that was cut from it gone again."""
    made = admin(cloud, "pool.add", name="vx", network="10.130.0.0/25", network6="fd12:3456:789a::/48")
    yield made
    for account in ("user", "other"):
        for each in cloud.call("user.network.list_user_networks", account=account):
            cloud.call("user.network.release", [each["network_id"]], account=account)
    admin(cloud, "pool.delete", pool_id=made["pool_id"])
    assert cloud.leaks() == []


def admin(cloud: MemoryCloud, view: str, **params: Any) -> Any:
    return cloud.call("admin." + view, params, account="admin")


def request(cloud: MemoryCloud, account: str = "user", **params: Any) -> Any:
    return cloud.call("user.network.request", params, account=account)


def run(cloud: MemoryCloud, agents: list[LinkAgent], **params: Any) -> Any:
    """A VM that runs."""
    vm = cloud.create(**params)
    for agent in agents:
        agent.converge()
    return cloud.wait(vm["vm_id"], "running")


def end(cloud: MemoryCloud, *vms: Any) -> None:
    for vm in vms:
        cloud.call("user.vm.destroy", [[vm["vm_id"]]])
        cloud.wait(vm["vm_id"], "destroyed")


def test_request(cloud: MemoryCloud, pool: Any) -> None:
    """A network is cut from the first pool with room; it is its user's, with a prefix of either family and a domain."""
    assert cloud.call("user.network.list_available_networks") == [
        {
            "pool_id": pool["pool_id"], "name": "vx", "network": "10.130.0.0/25", "ipv6": True, "prefix_default": 26,
            "prefix_min": 25, "prefix_max": 29,
        }
    ]  # fmt: skip
    lab = request(cloud, name="My Lab", dns="9.9.9.9")
    assert (lab["network"], lab["gateway"], lab["mask"], lab["leases"], lab["leases_used"]) == (
        "10.130.0.0/26", "10.130.0.1", 26, 61, 0,
    )  # fmt: skip
    assert lab["bridge"] == f"wn{lab['network_id']}" and lab["domain"] == "my-lab.user.wawel"
    assert (lab["kind"], lab["user_id"], lab["dns"]) == ("vxlan", cloud.user_id, "9.9.9.9")
    prefix6 = IPv6Network(lab["network6"])
    assert prefix6.subnet_of(IPv6Network("fd12:3456:789a::/48")) and lab["gateway6"] == str(prefix6[1])
    other = request(cloud, "other", name="My Lab", mask=28)
    assert not IPv4Network(other["network"]).overlaps(IPv4Network(lab["network"]))
    assert other["network6"] != lab["network6"]
    assert [each["name"] for each in cloud.call("user.network.list_user_networks")] == ["My Lab"]
    assert {each["network_id"] for each in admin(cloud, "network.get_list")} >= {lab["network_id"], other["network_id"]}
    leases = cloud.call("user.network.list_leases", [lab["network_id"]])
    assert [each["address"] for each in leases] == [f"10.130.0.{n}" for n in range(2, 63)]
    edited = cloud.call("user.network.edit", {"network_id": lab["network_id"], "name": "Lab", "dns": ""})
    assert (edited["name"], edited["dns"], edited["domain"]) == ("Lab", "", lab["domain"])


def test_refused(cloud: MemoryCloud, pool: Any) -> None:
    """What does not fit is named, and makes nothing; others' networks are not there."""
    lab = request(cloud, name="lab", mask=26)
    for parameter, params in (
        ("mask", {"mask": 30}), ("mask", {"mask": 21}), ("mask", {"network": "10.130.0.64/26", "mask": 27}),
        ("network", {"network": "10.131.0.0/26"}), ("network", {"network": "10.130.0.1/26"}),
        ("network", {"network": "fd12::/64"}), ("network", {"network": "10.130.0.0/30"}), ("dns", {"dns": "x"}),
    ):  # fmt: skip
        with pytest.raises(InvalidParameter) as refused:
            request(cloud, name="new", **params)
        assert refused.value.parameter == parameter, params
    with pytest.raises(NameTaken):
        request(cloud, name="lab")
    with pytest.raises(NetworkOverlaps):
        request(cloud, "other", name="new", network="10.130.0.32/27")
    with pytest.raises(ObjectNotFound):
        request(cloud, name="new", pool="net")
    request(cloud, "other", name="rest", network="10.130.0.64/26")
    with pytest.raises(PoolFull):
        request(cloud, name="new", mask=29)
    for name in ("get_by_id", "release", "edit", "list_leases"):
        with pytest.raises(ObjectNotFound):
            cloud.call(f"user.network.{name}", {"network_id": lab["network_id"]}, account="other")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm.create", {
            "name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id,
            "networks": [lab["network_id"]],
        }, account="other")  # fmt: skip
    with pytest.raises(VersionChanged):
        cloud.call("user.network.release", {"network_id": lab["network_id"], "if_version": 99})
    with pytest.raises(InUse):
        admin(cloud, "pool.delete", pool_id=pool["pool_id"])
    admin(cloud, "pool.lock", pool_id=pool["pool_id"])
    assert cloud.call("user.network.list_available_networks") == []
    with pytest.raises(PoolFull):
        request(cloud, name="new", mask=29)
    admin(cloud, "pool.unlock", pool_id=pool["pool_id"])


def test_share_of_one(cloud: MemoryCloud, pool: Any) -> None:
    """One account has so many networks as its quota says, whatever room there is; fewer takes none away."""
    assert cloud.call("user.user.check_quota")["quota_networks"] == 16
    admin(cloud, "user.edit", user_id=cloud.user_id, quota_networks=5)
    made = [request(cloud, name=f"n{number}", mask=29) for number in range(5)]
    with pytest.raises(QuotaReached, match="networks"):
        request(cloud, name="more", mask=29)
    admin(cloud, "user.edit", user_id=cloud.user_id, quota_networks=4)
    told = cloud.call("user.user.check_quota")
    assert (told["quota_networks"], told["used_networks"], told["free_networks"]) == (4, 5, 0)
    admin(cloud, "user.edit", user_id=cloud.user_id, quota_networks=5)
    cloud.call("user.network.release", [made[3]["network_id"]])
    again = request(cloud, name="more", mask=29)
    assert again["network"] == made[3]["network"] and again["network6"] != made[3]["network6"]
    admin(cloud, "user.edit", user_id=cloud.user_id, quota_networks=16)


def test_pools(cloud: MemoryCloud, pool: Any) -> None:
    """Pools are apart unless the administrator says otherwise of one; its networks are then apart of one user alone."""
    for parameter, params in (
        ("network", {"network": "10.130.0.0/7"}), ("network", {"network": "127.0.0.0/16"}), ("name", {"name": "a b"}),
        ("network6", {"network": "10.131.0.0/16", "network6": "fd00::/65"}),
        ("prefix_default", {"network": "10.131.0.0/16", "prefix_default": 21, "prefix_min": 22}),
        ("prefix_default", {"network": "10.131.0.0/24", "prefix_min": 23}),
    ):  # fmt: skip
        with pytest.raises(InvalidParameter) as refused:
            admin(cloud, "pool.add", **{"name": "two", **params})
        assert refused.value.parameter == parameter, params
    with pytest.raises(NetworkOverlaps):
        admin(cloud, "pool.add", name="two", network="10.130.0.0/16")
    with pytest.raises(NameTaken):
        admin(cloud, "pool.add", name="vx", network="10.131.0.0/16")
    loose = admin(cloud, "pool.add", name="two", network="10.130.0.0/16", overlap=True)
    first = request(cloud, name="a", pool="two")
    second = request(cloud, "other", name="b", pool="two")
    third = request(cloud, name="c", pool="two")
    assert first["network"] == second["network"] != third["network"]
    for account, each in (("user", first), ("other", second), ("user", third)):
        cloud.call("user.network.release", [each["network_id"]], account=account)
    admin(cloud, "pool.delete", pool_id=loose["pool_id"])


def test_edit_pool(cloud: MemoryCloud, pool: Any) -> None:
    """
    A pool is called otherwise, grows, and shrinks by what no network has; networks that were cut from it stay as they
    are. It shares addresses no more once no network does. One that is a network keeps all but its description.
    """
    key = {"pool_id": pool["pool_id"]}
    lab = request(cloud, name="lab", network="10.130.0.64/26")
    told = admin(cloud, "pool.edit", **key, name="vz", description="of the lab", network="10.130.0.0/24", prefix_min=24)
    assert (told["name"], told["description"], told["network"], told["prefix_min"]) == (
        "vz", "of the lab", "10.130.0.0/24", 24,
    )  # fmt: skip
    wide = request(cloud, name="wide", network="10.130.0.128/25")
    for network in ("10.130.0.0/25", "10.130.0.64/26", "10.131.0.0/24"):
        with pytest.raises(InUse, match=f"network {wide['network_id']}"):
            admin(cloud, "pool.edit", **key, network=network, prefix_min=26)
    cloud.call("user.network.release", [wide["network_id"]])
    with pytest.raises(InvalidParameter, match="prefix_default"):
        admin(cloud, "pool.edit", **key, network="10.130.0.64/26")
    told = admin(cloud, "pool.edit", **key, network="10.130.0.64/26", prefix_min=26)
    assert (told["network"], told["networks"]) == ("10.130.0.64/26", 1)
    for refused in ({"network6": ""}, {"network6": "fd12:3456:789b::/48"}):
        with pytest.raises(InUse, match=f"network {lab['network_id']}"):
            admin(cloud, "pool.edit", **key, **refused)
    assert admin(cloud, "pool.edit", **key, network6="fd12:3456::/32")["network6"] == "fd12:3456::/32"
    assert cloud.call("user.network.get_by_id", [lab["network_id"]])["network6"] == lab["network6"]
    other = admin(cloud, "pool.add", name="two", network="10.131.0.0/16")
    with pytest.raises(NameTaken):
        admin(cloud, "pool.edit", **key, name="two")
    with pytest.raises(NetworkOverlaps, match="two"):
        admin(cloud, "pool.edit", **key, network="10.128.0.0/14", prefix_min=26)
    for parameter, params in (
        ("name", {"name": "a b"}), ("network", {"network": "10.130.0.1/16"}), ("network6", {"network6": "fd00::/65"}),
    ):  # fmt: skip
        with pytest.raises(InvalidParameter) as wrong:
            admin(cloud, "pool.edit", **key, **params)
        assert wrong.value.parameter == parameter
    shared = admin(cloud, "pool.edit", **key, overlap=True)
    assert shared["overlap"] and admin(cloud, "pool.edit", **key, overlap=False)["overlap"] is False
    admin(cloud, "pool.edit", pool_id=other["pool_id"], overlap=True)
    loose = request(cloud, name="loose", pool="two")
    with pytest.raises(InUse, match=f"network {loose['network_id']}"):
        admin(cloud, "pool.edit", pool_id=other["pool_id"], overlap=False)
    for each in (lab, loose):
        cloud.call("user.network.release", [each["network_id"]])
    assert admin(cloud, "pool.edit", **key, network6="")["network6"] is None
    admin(cloud, "pool.delete", pool_id=other["pool_id"])
    (everybodys,) = [each for each in admin(cloud, "pool.get_list") if each["kind"] == "nat"]
    fixed = {"pool_id": everybodys["pool_id"]}
    with pytest.raises(InvalidParameter, match="network by itself"):
        admin(cloud, "pool.edit", **fixed, name="all")
    assert admin(cloud, "pool.edit", **fixed, description="everybody's")["description"] == "everybody's"


def test_unique_local(cloud: MemoryCloud, agents: list[LinkAgent], pool: Any) -> None:
    """
    A network of a pool without IPv6 has unique local addresses of the cluster's, unless its user or the operator says
    otherwise; so have its VMs. Those that are there stay as they are.
    """
    plain = admin(cloud, "pool.add", name="two", network="10.131.0.0/16")
    own = IPv6Network("fc00::/7")
    assert {each["name"]: each["ipv6"] for each in cloud.call("user.network.list_available_networks")}["two"]
    lab, other = request(cloud, name="lab", pool="two"), request(cloud, "other", name="lab", pool="two")
    found = [IPv6Network(each["network6"]) for each in (lab, other)]
    assert found[0] != found[1] and found[0].supernet(new_prefix=48) == found[1].supernet(new_prefix=48)
    assert all(each.subnet_of(own) and each.prefixlen == 64 for each in found)
    assert not found[0].subnet_of(IPv6Network("fd12:3456:789a::/48")) and lab["gateway6"] == str(found[0][1])
    assert request(cloud, name="four", pool="two", ipv6=False)["network6"] is None
    vm = run(cloud, agents, networks=[lab["network_id"]])
    assert [":" in lease["address"] for lease in cloud.vm(vm["vm_id"])["leases"]] == [False, True]
    policy = cloud.manager.services.policy
    object.__setattr__(policy, "ula", False)
    try:
        assert request(cloud, name="off", pool="two")["network6"] is None
        with pytest.raises(InvalidParameter, match="ipv6"):
            request(cloud, name="on", pool="two", ipv6=True)
        assert request(cloud, name="of a pool", pool="vx", ipv6=True)["network6"].startswith("fd12:3456:789a:")
    finally:
        object.__setattr__(policy, "ula", True)
    end(cloud, vm)
    for each in cloud.call("user.network.list_user_networks"):
        cloud.call("user.network.release", [each["network_id"]])
    cloud.call("user.network.release", [other["network_id"]], account="other")
    admin(cloud, "pool.delete", pool_id=plain["pool_id"])


def test_first_vm(cloud: MemoryCloud, agents: list[LinkAgent], pool: Any) -> None:
    """Who has no network gets one with their first VM; the next ones are on it. Without a pool all is as it was."""
    first = run(cloud, agents)
    [default] = cloud.call("user.network.list_user_networks")
    assert default["is_default"] and default["name"] == "default" and default["leases_used"] == 1
    second = run(cloud, agents, name="second")
    assert [each["network_id"] for each in cloud.call("user.network.list_user_networks")] == [default["network_id"]]
    four, six = (ip_address(lease["address"]) for lease in first["leases"])
    assert four in IPv4Network(default["network"]) and six in IPv6Network(default["network6"])
    assert isinstance(six, IPv6Address) and six != IPv6Address(default["gateway6"])
    told = [cloud.manager.database.read_now(own_facts, node_id) for node_id in cloud.node_ids]
    hosts = next(hosts_of(link) for facts in told for link in facts.links)
    assert {host["name"] for host in hosts} == {"vm", "second"}
    assert sorted(host["addresses"] for host in hosts) == sorted(
        [lease["address"] for lease in vm["leases"]] for vm in (first, second)
    )
    with pytest.raises(InUse, match=f"VM {first['vm_id']}"):
        cloud.call("user.network.release", [default["network_id"]])
    end(cloud, first, second)
    assert cloud.sql("SELECT count(*) FROM network_lease WHERE family(address) = 6") == 0
    admin(cloud, "pool.lock", pool_id=pool["pool_id"])
    cloud.call("user.network.release", [default["network_id"]])
    plain = cloud.create()
    assert plain["leases"][0]["address"].startswith("10.128.0.")
    cloud.wait(plain["vm_id"], "running")
    end(cloud, plain)


def test_several(cloud: MemoryCloud, agents: list[LinkAgent], pool: Any) -> None:
    """A VM has a card on each network that it names, also everybody's, with the addresses that were asked for."""
    lab = request(cloud, name="lab", mask=29)
    everybodys = cloud.sql("SELECT id FROM network WHERE name = 'net'")
    networks = [lab["network_id"], everybodys, lab["network_id"], lab["network_id"]]
    vm = run(cloud, agents, networks=networks, addresses=["", "10.128.0.77", "10.130.0.2", "10.130.0.5"])
    assert [lease["address"] for lease in vm["leases"] if "." in lease["address"]] == [
        "10.130.0.3", "10.128.0.77", "10.130.0.2", "10.130.0.5",
    ]  # fmt: skip
    one = [lab["network_id"]]
    with pytest.raises(AddressTaken):
        cloud.create(networks=one, addresses=["10.130.0.5"])
    for addresses, more in (
        (["10.130.0.1"], {}), (["10.130.0.7"], {}), (["10.131.0.2"], {}), (["x"], {}), (["", ""], {}),
        (["10.130.0.4"], {"count": 2}), (["10.130.0.4"], {"networks": None}),
    ):  # fmt: skip
        with pytest.raises(InvalidParameter) as refused:
            cloud.create(**{"networks": one, "addresses": addresses, **more})
        assert refused.value.parameter == "addresses", addresses
    with pytest.raises(NoFreeAddress):
        cloud.create(networks=one, count=4)
    end(cloud, vm)


def test_shared(cloud: MemoryCloud, agents: list[LinkAgent], pool: Any) -> None:
    """
    Others have VMs on a network that is shared with them, by level; what is withdrawn gives nothing more, and leaves
    the cards that are there.
    """
    lab = request(cloud, name="lab", mask=28)["network_id"]
    everybodys = (cloud.sql("SELECT id FROM network WHERE name = 'net'"), None, "user")

    def share(level: str | None) -> None:
        cloud.call("user.acl.set", {"kind": "network", "object_id": lab, "level": level, "login": "other"})

    def other(view: str, **params: Any) -> Any:
        return cloud.call(f"user.{view}", params, account="other")

    def listed() -> list[tuple[int, str | None, str]]:
        found = other("network.list_user_networks", shared=True)
        return [(each["network_id"], each["user_login"], each["access"]) for each in found]

    parts = {"name": "theirs", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
    assert listed() == [everybodys] and cloud.call("user.network.list_user_networks", {"shared": True}) != []
    share("user")
    assert listed() == [everybodys, (lab, "user", "user")] and other("network.list_user_networks") == []
    assert other("network.get_by_id", network_id=lab)["access"] == "user"
    assert [each["level"] for each in other("acl.get_list", kind="network", object_id=lab)] == ["user"]
    [vm] = other("vm.create", **parts, networks=[lab])
    for agent in agents:
        agent.converge()
    cloud.until(lambda: other("vm.get_by_id", vm_id=vm["vm_id"])["state"] == "running", "it runs")
    [card] = other("nic.get_list", vm_id=vm["vm_id"])
    assert card["network_id"] == lab
    [group] = other("security_group.get_list")
    assert card["security_group_ids"] == [group["security_group_id"]]  # of the VM's account, not of the network's
    leases = cloud.call("user.network.list_leases", {"network_id": lab, "used_only": True})
    assert {(each["vm_name"], each["user_id"]) for each in leases} == {("theirs", cloud.other_id)}
    for view in ("edit", "release"):
        with pytest.raises(AccessNeeded):
            other(f"network.{view}", network_id=lab)
    share("operator")
    assert other("network.edit", network_id=lab, description="ours")["description"] == "ours"
    with pytest.raises(AccessNeeded):
        other("network.release", network_id=lab)
    share(None)
    assert listed() == [everybodys]
    for view, params in (
        ("network.get_by_id", {"network_id": lab}), ("vm.create", {**parts, "networks": [lab]}),
        ("nic.attach", {"vm_id": vm["vm_id"], "network_id": lab}),
        ("acl.get_list", {"kind": "network", "object_id": lab}),
    ):  # fmt: skip
        with pytest.raises(ObjectNotFound):
            other(view, **params)
    assert [each["nic_id"] for each in other("nic.get_list", vm_id=vm["vm_id"])] == [card["nic_id"]]
    with pytest.raises(InUse, match=f"VM {vm['vm_id']}"):
        cloud.call("user.network.release", [lab])
    other("vm.destroy", vm_ids=[vm["vm_id"]])
    cloud.until(lambda: other("vm.get_by_id", vm_id=vm["vm_id"])["state"] == "destroyed", "it is gone")
    with pytest.raises(ObjectNotFound):  # everybody's are nobody's to share
        cloud.call("user.acl.get_list", {"kind": "network", "object_id": everybodys[0]})


def test_bridges(cloud: MemoryCloud, agents: list[LinkAgent]) -> None:
    """
    VMs on a bridge of the nodes are on nodes that have it. Their agents are told whose addresses nobody here knows, and
    on a VLAN with addresses of ours they are the gateway.
    """
    site = admin(cloud, "network.add_bridge", name="site", uplink="br0")
    assert (site["kind"], site["bridge"], site["network"], site["leases"]) == ("bridge", "br0", "", 0)
    dmz = admin(cloud, "network.add_bridge", name="dmz", uplink="eth1", vlan=12, network="10.140.0.0/24", mtu=9000)
    assert (dmz["bridge"], dmz["vlan"], dmz["gateway"]) == (f"wn{dmz['network_id']}", 12, "10.140.0.1")
    for wrong, error in (
        ({"uplink": "br0"}, NameTaken), ({"uplink": "eth1", "vlan": 12}, NameTaken),
        ({"uplink": "wn7"}, InvalidParameter), ({"uplink": "a b"}, InvalidParameter),
        ({"uplink": "br1", "network": "10.141.0.0/24"}, InvalidParameter),
        ({"uplink": "eth1", "vlan": 13, "network": "10.140.0.0/25"}, NetworkOverlaps),
        ({"uplink": "br1", "user_id": 10**6}, ObjectNotFound), ({"uplink": "br1", "name": "dmz"}, NameTaken),
    ):  # fmt: skip
        with pytest.raises(error):
            admin(cloud, "network.add_bridge", **{"name": "new", **wrong})
    networks = [site["network_id"], dmz["network_id"]]
    with pytest.raises(NoCapacity, match="no br0"):
        cloud.create(networks=networks)
    agents[0].uplinks = ("br0", "eth0")
    agents[1].uplinks = ("br0", "eth1")
    for agent in agents:
        agent.report()
    vm = run(cloud, agents, networks=networks)
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"]) == agents[1].node_id
    facts = cloud.manager.database.read_now(own_facts, agents[1].node_id)
    told = {nic["bridge"]: (nic["foreign"], nic["addresses"]) for nic in facts.nics}
    assert told == {"br0": (True, []), dmz["bridge"]: (False, ["10.140.0.2"])}
    plain, tagged = agents[1].links()
    assert (plain["uplink"], plain["vlan"], plain["gateways"], plain["dhcp"]) == ("br0", None, [], False)
    assert (tagged["uplink"], tagged["vlan"], tagged["mtu"]) == ("eth1", 12, 9000)
    assert tagged["gateways"] == ["10.140.0.1/24"]
    assert [card["addresses"] for card in cloud.call("user.nic.get_list", [vm["vm_id"]])] == [[], ["10.140.0.2"]]
    assert cloud.leaks() == []  # a card without an address of ours is none
    other = run(cloud, agents, networks=networks[:1])
    cloud.sql("UPDATE node SET uplinks = '{}' WHERE id = :n", n=cloud.sql("SELECT node_id FROM vm WHERE id = :v",
                                                                          v=other["vm_id"]))  # fmt: skip
    with pytest.raises(NetworkOutOfReach):
        cloud.call("user.nic.attach", {"vm_id": other["vm_id"], "network_id": networks[1]})
    for agent in agents:
        agent.sequence += 1
        agent.report()
    end(cloud, vm, other)
    for network_id in networks:
        admin(cloud, "network.delete", pool_id=network_id)
    assert cloud.leaks() == [] and cloud.sql("SELECT count(*) FROM nic") == 0


@pytest.mark.parametrize("network", [None, "10.140.0.0/24"])
def test_bridge_deleted_meanwhile(cloud: MemoryCloud, agents: list[LinkAgent], network: str | None) -> None:
    """
    Who comes to a network while it is deleted finds none, and who deletes one while somebody comes is refused: with
    addresses that nobody here gives, too, where there are no leases to meet at.
    """
    for agent in agents:
        agent.uplinks = ("eth1",)
        agent.report()
    vm = run(cloud, agents)
    engine = cloud.manager.database.engine
    made = [admin(cloud, "network.add_bridge", name=f"n{vlan}", uplink="eth1", vlan=vlan, network=network and
                  f"10.14{vlan - 20}.0.0/24")["network_id"] for vlan in (21, 22, 23)]  # fmt: skip

    def meets(change: Any, call: Any) -> Any:
        """What a call is answered that comes while a change is not yet committed."""
        with ThreadPoolExecutor(1) as pool, Session(engine) as session:
            change(session)
            session.flush()
            asked: Future[Any] = pool.submit(call)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = "
            cloud.until(lambda: asked.done() or cloud.sql(waiting + "'transactionid'") > 0, "it waits, or is done")
            session.commit()
            return asked.exception(60)

    def delete(network_id: int) -> Any:
        return lambda session: close_network(session, get_network(session, network_id, lock=True))

    attach = {"vm_id": vm["vm_id"], "network_id": made[0]}
    assert isinstance(meets(delete(made[0]), lambda: cloud.call("user.nic.attach", attach)), NoFreeAddress)
    assert isinstance(meets(delete(made[1]), lambda: cloud.create(networks=[made[1]])), NoFreeAddress)

    def come(session: Session) -> None:
        assert draw_nic(session, vm["vm_id"], made[2], None, "virtio") is not None

    refused = meets(come, lambda: admin(cloud, "network.delete", pool_id=made[2]))
    assert isinstance(refused, InUse), refused
    assert cloud.leaks() == []
    end(cloud, vm)
    admin(cloud, "network.delete", pool_id=made[2])


def test_of_an_account_that_ends(cloud: MemoryCloud, agents: list[LinkAgent], pool: Any) -> None:
    """An account's networks go with it, unless others' VMs are on one."""
    lab = request(cloud, name="lab", mask=28)["network_id"]
    third = cloud.account("third")
    cloud.sql("UPDATE network SET account_id = :a WHERE id = :i", a=third, i=lab)
    params = {"kind": "network", "object_id": lab, "level": "user", "login": "user"}
    admin(cloud, "acl.set", **params)
    vm = run(cloud, agents, networks=[lab])
    with pytest.raises(InUse, match=f"VM {vm['vm_id']} on network {lab}"):
        admin(cloud, "user.delete", user_id=third)
    end(cloud, vm)
    admin(cloud, "user.delete", user_id=third)
    with pytest.raises(ObjectNotFound):
        admin(cloud, "network.get_by_id", pool_id=lab)


def test_groups_from_the_beginning(cloud: MemoryCloud, agents: list[LinkAgent], pool: Any) -> None:
    """All cards of a new VM are in the groups that it names, on everybody's networks too; in none if it names none."""
    lab = request(cloud, name="lab", mask=28)
    networks = [lab["network_id"], cloud.sql("SELECT id FROM network WHERE name = 'net'")]
    groups = [cloud.call("user.security_group.create", {"name": name})["security_group_id"] for name in ("web", "db")]
    theirs = cloud.call("user.security_group.create", {"name": "web"}, account="other")["security_group_id"]
    for wrong, error in (([groups[0], theirs], ObjectNotFound), ([*range(1, 10)], QuotaReached)):
        with pytest.raises(error):
            cloud.create(networks=networks, security_group_ids=wrong)
    vms = [run(cloud, agents, networks=networks, security_group_ids=ids) for ids in (groups, [])]
    for vm, ids in zip(vms, (sorted(groups), []), strict=True):
        cards = cloud.call("user.nic.get_list", [vm["vm_id"]])
        assert [card["security_group_ids"] for card in cards] == [ids, ids]
    told = [cloud.manager.database.read_now(own_facts, node_id) for node_id in cloud.node_ids]
    assert {group_id for facts in told for group_id in facts.used} == set(groups)
    assert [cloud.call("user.security_group.get_by_id", [group_id])["nics"] for group_id in groups] == [2, 2]
    end(cloud, *vms)
    for account, group_id in (("user", groups[0]), ("user", groups[1]), ("other", theirs)):
        cloud.call("user.security_group.delete", [group_id], account=account)
