"""Use cases of nodes: the machines that VMs run on."""

from __future__ import annotations

import re
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from sqlalchemy.orm import Session

from cm.interfaces.hypervisor import NodeInfo
from cm.results.node import CheckedNode, Node, StorageFigures
from cm.rpc.errors import (
    CloudError,
    DeadlineExceeded,
    InUse,
    InvalidParameter,
    NameTaken,
    NodeUnreachable,
    SameHost,
)
from cm.rpc.vocabulary import NodeMode, NodeState
from cm.rules.names import pool_name
from cm.rules.vm import vms
from cm.runtime.database import notify
from cm.runtime.taken import refused_by
from cm.services.agent import CREDENTIAL
from cm.services.context import AsyncClusterCall, ClusterCall, ClusterPolicy, Services
from cm.services.health import judge
from cm.services.host import recognise, seen_host
from cm.services.storage import close_own
from cm.store.change import record_change
from cm.store.drift import close_node_findings
from cm.store.host import hosts_taken, node_of
from cm.store.link import tunnels_changed
from cm.store.managed import forget_objects
from cm.store.node import (
    attached_storages,
    close_node,
    forget_machine,
    get_node,
    held_vms,
    insert_node,
    insert_ports,
    lock_node,
    lock_vms_of,
    update_node,
    write_info,
    write_mode,
)
from cm.store.node_document import document_changed
from cm.store.node_report import forget_report
from cm.store.reconcile import record_node
from cm.store.storage import kept_on_node
from cm.store.unknown import forget_node

TOPIC: Final = "node"
SCHEMES: Final = ("qemu", "test", "memory")
URI_MAX: Final = 500  # characters
ADDRESS: Final = re.compile(r"[A-Za-z0-9:][A-Za-z0-9:.-]{0,252}\Z")  # a name, IPv4 or IPv6
# libvirt's URI parameters that name programs to run, on this machine or on the node.
_PROGRAMS: Final = {"command", "netcat", "proxy"}
HOST_MIB: Final = 1024  # kept for the host itself, or a sixteenth of its memory where that is more


def check_uri(uri: str) -> None:
    """
    :raises InvalidParameter: no URI of a hypervisor that is known, or one that would run programs.
    """
    if len(uri) > URI_MAX or any(ord(c) <= 32 or ord(c) >= 127 for c in uri):
        raise InvalidParameter("uri", f"it must be at most {URI_MAX} characters of ASCII, without blanks")
    try:
        parts = urlsplit(uri)
        host, user, password = parts.hostname or "", parts.username or "", parts.password
        parameters = parse_qs(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise InvalidParameter("uri", str(error)) from None
    if parts.scheme.partition("+")[0] not in SCHEMES:
        raise InvalidParameter("uri", f"its scheme must be {', '.join(SCHEMES)}, perhaps with a transport")
    if password is not None:
        raise InvalidParameter("uri", "it must not hold a password")
    # ssh would read these as options.
    if host.startswith("-") or user.startswith("-") or _PROGRAMS & {name.lower() for name in parameters}:
        raise InvalidParameter("uri", "it must not say which programs are run")


def check_address(address: str) -> None:
    if not ADDRESS.match(address):
        raise InvalidParameter("address", "it must be an address or the name of a host")


def check_tunnel_address(address: str) -> None:
    try:
        found = ip_address(address)
    except ValueError:
        raise InvalidParameter("tunnel_address", "it must be an IP address") from None
    if found.is_loopback or found.is_multicast or found.is_unspecified or getattr(found, "scope_id", None):
        raise InvalidParameter("tunnel_address", "it must be an address that the other nodes reach")


def usable_memory(info: NodeInfo) -> int:
    """MiB of a node that guests may get, as long as nobody says otherwise."""
    reserved = max(HOST_MIB, info.memory_mib // 16)
    return max(info.memory_mib - reserved, info.memory_mib // 2)


# ------------------------------------------------------------------ add


async def add(caller: AsyncClusterCall, values: dict[str, Any]) -> Node:
    """
    Ask a node for its facts, then make it one of the cluster.

    :param values: those of the view; totals and overcommits may be None.
    :raises NodeUnreachable: it does not answer.
    :raises NameTaken: its name or URI is in use.
    :raises SameHost: the machine that answers is a node already.
    """
    services = caller.services
    check_uri(values["uri"])
    check_address(values["address"])
    info = await services.fleet.probe(values["uri"], values["name"])
    return await services.database.transact(make_node, caller.policy, values, info)


def make_node(session: Session, policy: ClusterPolicy, values: dict[str, Any], info: NodeInfo) -> Node:
    """
    A node that has just answered, with its VNC ports.

    :raises SameHost: the machine is a node already, perhaps by another way to it.
    """
    host = seen_host(info)
    defaults = {
        "cpu_total": info.cpus,
        "memory_mib_total": usable_memory(info),
        "cpu_overcommit": policy.cpu_overcommit,
        "memory_overcommit": policy.memory_overcommit,
    }
    given = {name: default if values[name] is None else values[name] for name, default in defaults.items()}
    known = {"host_uuid": host.uuid, "host_label": host.label, "info": _encoded(info)}
    try:
        with refused_by(session, {**_taken(values["name"], values["uri"]), **hosts_taken(host)}):
            node_id = insert_node(session, {**values, **given, **known})
    except SameHost as refusal:
        raise node_of(session, host) or refusal from None
    insert_ports(session, node_id, policy.vnc_first_port, policy.vnc_first_port + policy.vnc_ports - 1)
    record_change(session, "node", node_id, None, "enter")
    document_changed(session)
    notify(session, "look", node_id)
    return get_node(session, node_id)


def _taken(name: str | None, uri: str | None) -> dict[str, CloudError]:
    return {"uq_node_name": NameTaken("node", name or ""), "uq_node_uri": NameTaken("node URI", uri or "")}


def _encoded(info: NodeInfo) -> str:
    return msgspec.json.encode(asdict(info)).decode()


# ------------------------------------------------------------------ change


def edit(caller: ClusterCall, node_id: int, values: dict[str, Any]) -> Node:
    """
    Change what is not None. Totals may go below what is used: nothing more is placed there then.

    :raises NameTaken: the name or the URI is in use.
    :raises InUse: another URI, which may be another machine, while VMs hold this one.
    """
    session = caller.session
    was = lock_node(session, node_id, caller.if_version)
    if values["address"] is not None:
        check_address(values["address"])
    if values["tunnel_address"]:
        check_tunnel_address(values["tunnel_address"])
    if values["migration_uri"]:
        check_uri(values["migration_uri"])
    moves = values["uri"] is not None and values["uri"] != was.uri
    if moves:
        check_uri(values["uri"])
        if was.vms_used:
            raise InUse("node", node_id, vms(held_vms(session, node_id)))
    with refused_by(session, _taken(values["name"], values["uri"])):
        update_node(session, node_id, values)
    if moves:
        forget_machine(session, node_id)
    if moves or values["name"] is not None:
        notify(session, TOPIC, node_id)
        notify(session, "look", node_id)
    if values["address"] is not None or values["tunnel_address"] is not None:
        document_changed(session)
        document_changed(session, node_id)
        tunnels_changed(session, node_id)
    record_change(session, "node", node_id, None)
    caller.note("edit node", node_id=node_id, **{k: v for k, v in values.items() if v is not None})
    return get_node(session, node_id)


def set_mode(caller: ClusterCall, node_id: int, mode: NodeMode, reason: str = "") -> Node:
    """
    Say what a node is there for. Nothing is placed on one that is not active; whoever makes it so again also says that
    its hooks were mended.

    :param reason: for those who wonder later.
    :raises InUse: it is to be disabled, and VMs are placed there.
    """
    session = caller.session
    row = lock_node(session, node_id, caller.if_version)
    if mode is NodeMode.DISABLED:
        held = held_vms(session, node_id)
        if held or row.vms_used:
            raise InUse("node", node_id, vms(held))
        close_node_findings(session, node_id, "node disabled")
    write_mode(session, node_id, mode, reason, caller.identity.login)
    if NodeMode.DISABLED in (mode, row.mode):
        notify(session, TOPIC, node_id)
        notify(session, "look", node_id)
    record_change(session, "node", node_id, None)
    told = "unlock node" if mode is NodeMode.ACTIVE else "lock node"
    caller.note(told, node_id=node_id, mode=mode, **({"reason": reason} if reason else {}))
    return get_node(session, node_id)


def delete(caller: ClusterCall, node_id: int) -> None:
    """
    Take a node out of the cluster. Stopped VMs that last ran there start elsewhere.

    Its own storages go with it, and the images that were copied there.

    :raises InUse: VMs are placed there, or have disks on a storage of its own.
    """
    session = caller.session
    # VMs before nodes: the order of those who place them.
    lock_vms_of(session, node_id)
    row = lock_node(session, node_id, caller.if_version)
    held = held_vms(session, node_id)
    if held or row.vms_used:
        raise InUse("node", node_id, vms(held))
    kept = kept_on_node(session, node_id)
    if kept:
        raise InUse("node", node_id, ", ".join(kept))
    close_own(session, node_id)
    forget_node(session, node_id)
    forget_report(session, node_id)
    forget_objects(session, node_id)
    close_node_findings(session, node_id, "node deleted")
    close_node(session, node_id)
    record_change(session, "node", node_id, None, "exit")
    document_changed(session)
    document_changed(session, node_id)
    notify(session, TOPIC, node_id)
    notify(session, CREDENTIAL, node_id)
    caller.note("delete node", node_id=node_id, name=row.name)


# ------------------------------------------------------------------ look


async def check(caller: AsyncClusterCall, node_id: int) -> CheckedNode:
    """
    Look at a node now: its facts, and the figures of the storages attached to it.

    :raises NodeUnreachable: it does not answer; that is recorded.
    """
    services = caller.services
    try:
        info = await services.fleet.node(node_id).hypervisor.info()
    except (NodeUnreachable, DeadlineExceeded) as error:
        await services.database.transact(record_node, node_id, NodeState.UNREACHABLE.value, str(error))
        raise
    figures = [await _figures(services, node_id, s) for s in await services.database.read(attached_storages, node_id)]
    node = await services.database.transact(_record_info, node_id, info, services.policy)
    return {**node, "storage_usage": figures}


async def _figures(services: Services, node_id: int, storage_id: int) -> StorageFigures:
    try:
        usage = await services.fleet.node(node_id).pools.usage(pool_name(storage_id))
    except CloudError as error:
        return {"storage_id": storage_id, "error": str(error)}
    return {
        "storage_id": storage_id,
        "error": "",
        "capacity_bytes": usage.capacity_bytes,
        "available_bytes": usage.available_bytes,
    }


def _record_info(session: Session, node_id: int, info: NodeInfo, policy: ClusterPolicy) -> Node:
    write_info(session, node_id, _encoded(info))
    record_node(session, node_id, NodeState.OK.value, "", passed=False)
    recognise(session, node_id, seen_host(info))
    judge(session, [node_id], policy)
    return get_node(session, node_id)
