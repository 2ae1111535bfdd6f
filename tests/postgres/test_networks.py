"""Networks: pools of addresses, their leases, and what nodes are told of them."""

from __future__ import annotations

import threading
from ipaddress import IPv4Address, IPv4Network

import pytest
from admin_bench import Bench, cluster_bench
from cluster_builder import add_nic

from cm.rpc.errors import CloudError, InUse, InvalidParameter, NameTaken, ObjectNotFound, RoleNeeded, VersionChanged
from cm.services.network import NetworkOverlaps, network_spec, networks_of
from cm.store.network import list_networks

bench = cluster_bench


def test_add(bench: Bench) -> None:
    """A /29 has six host addresses: one is the gateway's, five may be leased."""
    made = bench.call("admin.network.add", name="lan", network="10.1.0.0/29", dns="9.9.9.9, 1.1.1.1")
    assert (made["leases"], made["leases_used"], made["gateway"], made["mask"]) == (5, 0, "10.1.0.1", 29)
    assert made["bridge"] == f"wbr{made['pool_id']}"
    assert made["dns"] == "9.9.9.9 1.1.1.1"
    addresses = bench.call("admin.network.list_leases", pool_id=made["pool_id"], used_only=False)
    assert [lease["address"] for lease in addresses] == [f"10.1.0.{n}" for n in range(2, 7)]
    page = bench.call("admin.network.list_leases", pool_id=made["pool_id"], used_only=False, limit=2)
    rest = bench.call("admin.network.list_leases", pool_id=made["pool_id"], used_only=False, after=page[-1]["lease_id"])
    assert [lease["address"] for lease in page + rest] == [lease["address"] for lease in addresses]
    assert bench.call("admin.network.get_list") == [bench.call("admin.network.get_by_id", pool_id=made["pool_id"])]


def test_gateway_in_the_middle(bench: Bench) -> None:
    """A gateway may be any host address; it is never leased, and nodes are told the whole range."""
    bench.call("admin.network.add", name="lan", network="10.1.0.0/29", gateway="10.1.0.4", bridge="br-lan")
    assert bench.sql("SELECT count(*) FROM network_lease WHERE host(address) = '10.1.0.4'") == 0
    [row] = bench.database.read_now(list_networks)
    spec = network_spec(row)
    assert (spec.name, spec.bridge, spec.gateway) == ("wawel-lan", "br-lan", IPv4Address("10.1.0.4"))
    assert (spec.pool, spec.first, spec.last) == (
        IPv4Network("10.1.0.0/29"), IPv4Address("10.1.0.1"), IPv4Address("10.1.0.6"),
    )  # fmt: skip


def test_sizes(bench: Bench) -> None:
    """The largest network has 4,093 leases, the smallest one."""
    assert bench.call("admin.network.add", name="big", network="10.16.0.0/20")["leases"] == 4093
    assert bench.call("admin.network.add", name="small", network="10.2.0.0/30")["leases"] == 1


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("network", {"network": "10.0.0.0/19"}),
        ("network", {"network": "10.0.0.0/31"}),
        ("network", {"network": "10.0.0.1/24"}),
        ("network", {"network": "fd00::/64"}),
        ("network", {"network": "127.0.0.0/24"}),
        ("network", {"network": "169.254.0.0/24"}),
        ("network", {"network": "127.0.1.0/24"}),
        ("network", {"network": "224.0.0.0/24"}),
        ("network", {"network": "nonsense"}),
        ("gateway", {"gateway": "10.129.0.1"}),
        ("gateway", {"gateway": "10.128.0.0"}),
        ("gateway", {"gateway": "10.128.0.255"}),
        ("gateway", {"gateway": "x"}),
        ("dns", {"dns": "example.org"}),
        ("dns", {"dns": "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4"}),
        ("name", {"name": "a b"}),
        ("name", {"name": "a/b"}),
        ("bridge", {"bridge": "a-name-that-is-too-long"}),
        ("bridge", {"bridge": "../x"}),
    ],
)
def test_add_refused(bench: Bench, parameter: str, values: dict[str, str]) -> None:
    """What does not fit is named, and nothing is left of it."""
    before = bench.trace()
    with pytest.raises(InvalidParameter) as refused:
        bench.call("admin.network.add", **{"name": "lan", **values})
    assert refused.value.parameter == parameter
    assert bench.trace() == before


def test_taken(bench: Bench) -> None:
    """Addresses, names and bridges belong to one live network."""
    bench.call("admin.network.add", name="lan", network="10.1.0.0/24", bridge="br0")
    before = bench.trace()
    for network in ("10.1.0.0/24", "10.1.0.128/25", "10.1.0.0/22"):
        with pytest.raises(NetworkOverlaps) as refused:
            bench.call("admin.network.add", name="other", network=network)
        assert refused.value.other == "lan"
    with pytest.raises(NameTaken):
        bench.call("admin.network.add", name="lan", network="10.2.0.0/24")
    with pytest.raises(NameTaken):
        bench.call("admin.network.add", name="other", network="10.2.0.0/24", bridge="br0")
    assert bench.trace() == before


def test_overlap_race(bench: Bench) -> None:
    """Of many who add overlapping networks at once, one wins."""
    outcomes: list[str] = []

    def add(number: int) -> None:
        try:
            bench.call("admin.network.add", name=f"n{number}", network=f"10.1.{number // 4 * 4}.0/22")
            outcomes.append("ok")
        except CloudError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["network_overlaps"] * 3 + ["ok"]
    assert bench.sql("SELECT count(*) FROM network_lease") == 1021


def test_lock(bench: Bench) -> None:
    """The lock is a word of the administrator's, and has a version."""
    pool_id = bench.call("admin.network.add", name="lan")["pool_id"]
    locked = bench.call("admin.network.lock", pool_id=pool_id)
    assert locked["locked"]
    with pytest.raises(VersionChanged):
        bench.call("admin.network.unlock", pool_id=pool_id, if_version=locked["version"] - 1)
    assert not bench.call("admin.network.unlock", pool_id=pool_id, if_version=locked["version"])["locked"]


def test_delete(bench: Bench) -> None:
    """A network goes when no lease is used; its addresses and names are free again."""
    node_id = bench.node()
    storage_id = bench.storage(node_id)
    pool_id = bench.call("admin.network.add", name="lan", network="10.1.0.0/29", bridge="br0")["pool_id"]
    vm_id = bench.vm(node_id, storage_id, bench.image(storage_id))
    bench.database.transact_now(add_nic, vm_id, "10.1.0.2")
    [spec] = bench.database.read_now(networks_of, vm_id)
    assert spec.name == "wawel-lan"
    before = bench.trace()
    with pytest.raises(InUse) as refused:
        bench.call("admin.network.delete", pool_id=pool_id)
    assert refused.value.users == f"VM {vm_id}"
    assert bench.trace() == before
    bench.change("UPDATE network_lease SET nic_id = NULL")
    bench.change("DELETE FROM nic")
    bench.call("admin.network.delete", pool_id=pool_id)
    assert bench.database.read_now(list_networks) == []
    assert bench.sql("SELECT count(*) FROM network_lease") == 0
    with pytest.raises(ObjectNotFound):
        bench.call("admin.network.get_by_id", pool_id=pool_id)
    bench.call("admin.network.add", name="lan", network="10.1.0.0/29", bridge="br0")


def test_dry_run(bench: Bench) -> None:
    """A dry run tells the plan and leaves nothing."""
    before = bench.trace()
    answer = bench.call("admin.network.add", name="lan", dry_run=True)
    assert answer["plan"][0]["leases"] == 253
    assert bench.trace() == before


def test_users_may_not(bench: Bench) -> None:
    with pytest.raises(RoleNeeded):
        bench.call("admin.network.get_list", by=bench.user)
