"""What nodes' documents say of the networks that their agents make. Pure; ``docs/node.md`` has the sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cm.rpc.vocabulary import NetworkKind
from cm.rules.names import link_name
from cm.rules.network import default_mtu, host_names, vni_of


def link_of(facts: Mapping[str, Any], local: str) -> dict[str, Any]:
    """
    :param facts: of one network, as ``store.node_document.OwnFacts`` has them.
    :param local: where the node's tunnels end.
    """
    tunnels = facts["kind"] == NetworkKind.VXLAN
    return {
        "name": link_name(facts["id"]),
        "kind": facts["kind"],
        "bridge": facts["bridge"],
        "vni": vni_of(facts["id"]) if tunnels else None,
        "local": local if tunnels else None,
        "peers": sorted(peer for peer in facts["peers"] if peer) if tunnels else [],
        "mtu": facts["mtu"] or default_mtu(facts["kind"]),
        "uplink": facts["uplink"] or None,
        "vlan": facts["vlan"],
        "gateways": facts["gateways"],
        "masquerade": facts["masquerade"],
        "dhcp": facts["dhcp"],
        "domain": facts["domain"],
        "dns": facts["dns"].split(),
        "metadata": facts["metadata"],
    }


def hosts_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The NICs on one network, with the names of their VMs there; a VM's second NIC on it has the same name."""
    names = host_names({host["vm_id"]: host["name"] for host in facts["hosts"] or ()})
    return [
        {"mac": host["mac"], "addresses": host["addresses"], "name": names[host["vm_id"]]}
        | ({"dns": host["dns"].split()} if host["dns"] else {})
        for host in facts["hosts"] or ()
    ]
