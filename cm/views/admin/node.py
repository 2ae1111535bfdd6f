"""Nodes: the machines that VMs run on."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, cast

from msgspec import Meta

from cm.results.managed import DomainReference, FreeMemory, ManagedNode, PoolReference
from cm.results.node import CheckedNode, Enrolment, Evacuation, FencedNode, Node
from cm.results.series import MeasuredNode
from cm.rpc.types import Id, IdList, Limit, Name, Text, Traits
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import NodeMetric, NodeMode
from cm.runtime.wall import utc_now
from cm.services import fencing, managed, moving
from cm.services import node as service
from cm.services.agent import issue_enrolment_token
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.series import node_statistics
from cm.store.managed import find_objects
from cm.store.node import get_node, list_nodes
from cm.views.admin.domain import HostAccess, Value, XmlDesc
from cm.views.user.vm import Moment, Resolution

Uri = Annotated[str, Meta(min_length=1, max_length=service.URI_MAX)]
Address = Annotated[str, Meta(min_length=1, max_length=253)]
TunnelAddress = Annotated[str, Meta(max_length=45)]
MigrationUri = Annotated[str, Meta(max_length=service.URI_MAX)]
Cpus = Annotated[int, Meta(ge=1, le=2**16)]
Memory = Annotated[int, Meta(ge=1, le=2**31, description="MiB.")]
Overcommit = Annotated[float, Meta(gt=0, le=1000)]
Priority = Annotated[int, Meta(ge=-1000, le=1000)]
NodeMetrics = Annotated[list[NodeMetric], Meta(min_length=1, max_length=7)]
Ttl = Annotated[int, Meta(ge=60, le=7 * 86_400, description="Seconds.")]


@admin_view(changing=True)
async def add(
    caller: AsyncClusterCall,
    name: Name,
    uri: Uri,
    address: Address,
    cpu_total: Cpus | None = None,
    memory_mib_total: Memory | None = None,
    cpu_overcommit: Overcommit | None = None,
    memory_overcommit: Overcommit | None = None,
    priority: Priority = 0,
    comment: Text = "",
    traits: Traits = [],  # noqa: B006  nobody changes it
) -> Node:
    """
    Add a node that answers at a libvirt URI.

    What is not given follows from what the node says of itself, with some memory kept for the host.

    :param address: where its VNC servers listen.
    :param traits: what it has that not all have; sizes and VMs may ask for them.
    """
    values = {
        "name": name,
        "uri": uri,
        "address": address,
        "cpu_total": cpu_total,
        "memory_mib_total": memory_mib_total,
        "cpu_overcommit": cpu_overcommit,
        "memory_overcommit": memory_overcommit,
        "priority": priority,
        "comment": comment,
        "traits": traits,
    }
    return await service.add(caller, values)


@admin_view
def get_list(caller: ClusterCall) -> list[Node]:
    """All nodes, with what is used of them and their storages."""
    return list_nodes(caller.session)


@admin_view
def get_by_id(caller: ClusterCall, node_id: Id) -> Node:
    """One node."""
    return get_node(caller.session, node_id)


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    node_id: Id,
    name: Name | None = None,
    uri: Uri | None = None,
    address: Address | None = None,
    cpu_total: Cpus | None = None,
    memory_mib_total: Memory | None = None,
    cpu_overcommit: Overcommit | None = None,
    memory_overcommit: Overcommit | None = None,
    priority: Priority | None = None,
    comment: Text | None = None,
    tunnel_address: TunnelAddress | None = None,
    migration_uri: MigrationUri | None = None,
    traits: Traits | None = None,
) -> Node:
    """
    Change a node; what is not given stays. Its URI changes only while no VM is placed there.

    :param tunnel_address: where its tunnels to other nodes end, which carry users' networks; "": at its address, where
        that is no name.
    :param migration_uri: of its libvirt, as other nodes reach it, for VMs that come to it while they run; "": as its
        URI says, where that leads there over TCP or TLS.
    """
    values = {
        "name": name,
        "uri": uri,
        "address": address,
        "cpu_total": cpu_total,
        "memory_mib_total": memory_mib_total,
        "cpu_overcommit": cpu_overcommit,
        "memory_overcommit": memory_overcommit,
        "priority": priority,
        "comment": comment,
        "tunnel_address": tunnel_address,
        "migration_uri": migration_uri,
        "traits": traits,
    }
    return service.edit(caller, node_id, values)


@admin_view(changing=True)
def lock(caller: ClusterCall, node_id: Id, reason: Text = "") -> Node:
    """Place nothing more on a node; its VMs go on."""
    return service.set_mode(caller, node_id, NodeMode.PASSIVE, reason)


@admin_view(changing=True)
def unlock(caller: ClusterCall, node_id: Id) -> Node:
    """
    Place VMs on a node again, whatever it was locked for. Where its hooks were silent, launches from now on tell
    whether they were mended.
    """
    return service.set_mode(caller, node_id, NodeMode.ACTIVE)


@admin_view(changing=True)
def evacuate(caller: ClusterCall, node_id: Id, live: bool = True, reason: Text = "") -> Evacuation:
    """
    Lock a node and move its VMs to others: while they run, where that can be; else their power is cut, and they are
    started there.

    Each VM's place is claimed before anything is done to the first, and each is moved by an operation of its own. Those
    that no other node takes, and those in a state that a move would harm, are named with the reason and left as they
    are. What an earlier evacuation left half-way goes on.

    :param live: false: all are started anew.
    """
    return moving.evacuate(caller, node_id, live, reason=reason)


@admin_view(changing=True)
def maintain(caller: ClusterCall, node_id: Id, live: bool = True, reason: Text = "") -> Evacuation:
    """
    Empty a node, as ``evacuate`` does, for work on its machine: once no VM is placed there, it may be away, restart and
    be upgraded, and its health does not suffer. ``unlock`` ends that.

    :param live: false: all are started anew.
    """
    return moving.evacuate(caller, node_id, live, NodeMode.MAINTENANCE, reason)


@admin_view(changing=True)
def fence(caller: ClusterCall, node_id: Id, reason: Text = "") -> FencedNode:
    """
    Say that the machine of a node that does not answer is off, and have its VMs run elsewhere. **Be sure of it**: power
    it off first. A VM that runs twice on one disk destroys it, and nothing can find out from here.

    The node is locked. What was placed there is recorded as ended: VMs that were to run are started on other nodes, or
    stay stopped (``on_host_failure``). Those that were on their way there or from there while they run are where their
    other node has them. Those whose disks are the node's own, and those on which work is under way that needs it, are
    named with the reason and left as they are; run it again after that. Should the machine come back with these VMs,
    their domains there are ended first of all.
    """
    return fencing.fence(caller, node_id, reason)


@admin_view(changing=True)
def disable(caller: ClusterCall, node_id: Id, reason: Text = "") -> Node:
    """Have a node on which no VM is placed be asked nothing any more, until it is unlocked."""
    return service.set_mode(caller, node_id, NodeMode.DISABLED, reason)


@admin_view(changing=True)
def delete(caller: ClusterCall, node_id: Id) -> None:
    """Take a node on which no VM is placed out of the cluster; nothing is changed on the machine itself."""
    service.delete(caller, node_id)


@admin_view(changing=True)
def enrol(caller: ClusterCall, node_id: Id, ttl_s: Ttl = 3600) -> Enrolment:
    """A token that enrols the node's agent, once. It is not told again."""
    token = issue_enrolment_token(caller.session, node_id, ttl_s)
    caller.note("issue enrolment token", node_id=node_id, ttl_s=ttl_s)
    return {"token": token, "expires": utc_now() + timedelta(seconds=ttl_s)}


@admin_view(changing=True)
async def check(caller: AsyncClusterCall, node_id: Id) -> CheckedNode:
    """Look at a node now: its facts and the figures of its storages."""
    return await service.check(caller, node_id)


@admin_view
def statistics(
    caller: ClusterCall,
    node_ids: IdList,
    metrics: NodeMetrics | None = None,
    resolution_s: Resolution | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> list[MeasuredNode]:
    """
    What nodes used over a time, as series: CPU of all of theirs, memory, VMs, and the load averages that their agents
    report. The parameters are those of ``user.vm.statistics``.
    """
    return node_statistics(caller, node_ids, metrics, resolution_s, since, until)


# ------------------------------------------------------------------ the managed-node model's class Node


@admin_view
def lookup(
    caller: ClusterCall,
    type: Value | None = None,
    hostname: Value | None = None,
    version: Value | None = None,
    uri: Value | None = None,
    libvirt_version: Value | None = None,
    limit: Limit = 1000,
    after: Id | None = None,
) -> list[ManagedNode]:
    """
    Nodes with these properties, as libvirt on them said in the last seconds.

    :param hostname: by its own idea; ``name`` of ``admin.node.get_list`` is ours.
    :param after: the last ``feed_id`` of the page before.
    """
    asked = {
        "type": type, "hostname": hostname, "version": version, "uri": uri, "libvirt_version": libvirt_version,
    }  # fmt: skip
    return find_objects(caller.session, "node", asked, node_id=None, after=after, limit=limit)


@admin_view
def get(caller: ClusterCall, node_id: Id) -> ManagedNode:
    """One node, as libvirt on it said in the last seconds."""
    get_node(caller.session, node_id)
    return cast(ManagedNode, managed.get_object(caller.session, "node", str(node_id), node_id, ""))


@admin_view
async def get_free_memory(caller: AsyncClusterCall, node_id: Id) -> FreeMemory:
    """The memory of a node that nobody uses at all, in KB; what caches have is not in it."""
    return await managed.free_memory(caller, node_id)


@admin_view(changing=True)
async def define_domain_xml(
    caller: AsyncClusterCall, node_id: Id, xml_desc: XmlDesc, host_access: HostAccess = False
) -> DomainReference:
    """
    Define a domain on a node, and start nothing; or define a foreign one anew, which it follows from its next start.

    It stays a foreign one: nothing of it is counted or cared for, until ``admin.vm.adopt`` takes it.
    """
    return await managed.define_domain(caller, node_id, xml_desc, host_access)


@admin_view(changing=True)
async def storage_pool_define_xml(
    caller: AsyncClusterCall, node_id: Id, xml_desc: XmlDesc, host_access: HostAccess = False
) -> PoolReference:
    """Define a pool on a node, which stays until it is undefined, and is not active yet."""
    return await managed.make_pool(caller, node_id, xml_desc, host_access, persistent=True)


@admin_view(changing=True)
async def storage_pool_create_xml(
    caller: AsyncClusterCall, node_id: Id, xml_desc: XmlDesc, host_access: HostAccess = False
) -> PoolReference:
    """Make a pool on a node that is active and goes when it is stopped, or with the host."""
    return await managed.make_pool(caller, node_id, xml_desc, host_access, persistent=False)
