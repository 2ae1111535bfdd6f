"""
Conditions that many statements ask for, written down once. Each takes the name or alias that its table has in the
statement; the planner finds partial indexes by them, whose own conditions ``cm/models/operation.py`` takes from the
same words.
"""

from __future__ import annotations

from cm.models.operation import DUE, OPEN


def account_number(account: str = "account") -> str:
    """What an account is called as a number by the cloud manager whose it is; without one, its id."""
    theirs = f"CASE WHEN {account}.external_id ~ '^[0-9]{{1,12}}$' THEN {account}.external_id END"
    return f"coalesce({theirs}, {account}.id::text)"


def is_open(operation: str = "operation") -> str:
    """An operation that has not ended."""
    return f"{operation}.{OPEN}"


def keeps_busy(operation: str = "operation") -> str:
    """The one that its VM or image is busy with, of those that have not ended."""
    return f"{is_open(operation)} AND NOT {operation}.concurrent"


def is_due(operation: str = "operation") -> str:
    """An operation that waits for a worker, now or later."""
    return f"{operation}.{DUE}"


def is_on(vm: str = "vm") -> str:
    """A VM of which a domain was seen that is powered, be it paused."""
    return f"{vm}.seen IN ('running', 'paused')"


def tunnel_address(node: str = "node") -> str:
    """Where a node's tunnels end: as an administrator says, or at its address if that is no name; '' where unknown."""
    return (
        f"CASE WHEN {node}.tunnel_address <> '' THEN {node}.tunnel_address"
        f" WHEN strpos({node}.address, ':') > 0 OR {node}.address !~ '[^0-9.]' THEN {node}.address ELSE '' END"
    )


def node_mode(node: str = "node") -> str:
    """What an administrator has a node there for (``NodeMode``)."""
    return (
        f"CASE WHEN NOT {node}.locked THEN 'active' WHEN {node}.locked_for = '' THEN 'passive'"
        f" ELSE {node}.locked_for END"
    )


def is_disabled(node: str = "node") -> str:
    """A node that nobody asks anything."""
    return f"({node}.locked AND {node}.locked_for = 'disabled')"


def is_set_aside(node: str = "node") -> str:
    """A node that runs no VM, and whose machine may be away or amiss: an administrator has said so."""
    return f"({is_disabled(node)} OR {node}.locked AND {node}.locked_for = 'maintenance' AND {node}.vms_used = 0)"


def leads_elsewhere(node: str = "node") -> str:
    """A node whose address leads to another machine than the one that it is."""
    seen, accepted = f"{node}.seen_host_uuid, {node}.seen_host_label", f"{node}.host_uuid, {node}.host_label"
    return f"({node}.seen_host_uuid <> '' AND ({seen}) <> ({accepted}))"


def unsettled(disk_id: str) -> str:
    """A disk's newest snapshot, if it was never taken, or is merged in part: a domain may write to it still."""
    return (
        "(SELECT min(s.id) FROM snapshot s JOIN disk k ON k.id = s.disk_id JOIN volume u ON u.id = k.volume_id"
        f" WHERE k.id = {disk_id} AND s.taken_at IS NULL AND s.volume_id IN (u.id, u.backing_id))"
    )


def is_lost(volume: str) -> str:
    """
    A volume that nobody expects to be found again, or that is read from such a one. There is mostly none: they are
    looked for once in a statement, not from each of its volumes.
    """
    return (
        f"{volume}.id = ANY(ARRAY(WITH RECURSIVE lost AS (SELECT id FROM volume WHERE lost_at IS NOT NULL"
        " UNION SELECT v.id FROM lost JOIN volume v ON v.backing_id = lost.id AND v.mode = 'overlay')"
        " SELECT id FROM lost))"
    )
