"""
What UEFI keeps of VMs, on nodes: where it is, that it is deleted, and that it goes to another storage.

It goes as a whole, through this process, while nothing runs that has it open, into a directory that no other attempt
has. Which file is the VM's the record says, and it says so once the new one is known to hold what the old one does.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Final
from uuid import uuid4

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.node import INode
from cm.interfaces.source import FileSource
from cm.operations.base import Work, storage_reached
from cm.rpc.errors import CopyDamaged, NotSupported, VolumeNotFound
from cm.rpc.vocabulary import Firmware
from cm.rules.machine import NVRAM_DIRECTORY
from cm.rules.names import nvram_name
from cm.rules.storage import capabilities
from cm.store.operation import OperationRow
from cm.store.saving import root_disk_id
from cm.store.storage import node_reaching
from cm.store.variables import Variables, find_variables, switch_variables
from cm.store.vm import VMRow
from cm.store.vm_state import machine_of

LEFT: Final = "variables_left"  # a note: those that the VM had before


def new_directory() -> str:
    """For one attempt to bring them somewhere."""
    return uuid4().hex[:12]


def nvram_path(node: INode, variables: Variables) -> str:
    """
    On the node's threads: their file, beside what lies in a pool.

    :raises NotSupported: the pool is of devices.
    """
    source = node.volumes.source(variables.pool, NVRAM_DIRECTORY)
    if not isinstance(source, FileSource):
        raise NotSupported("keep the variables of UEFI on devices")
    return "/".join(part for part in (source.path, variables.directory, nvram_name(variables.uuid)) if part)


@job(Pace.SLOW, DEADLINE_S)
def delete_variables(node: INode, variables: Variables) -> None:
    """On the node's threads."""
    node.variables.delete(nvram_path(node, variables))


@job(Pace.SLOW, DEADLINE_S)
def read_variables(node: INode, variables: Variables) -> bytes | None:
    """On the node's threads. None: there are none, as the VM never started by UEFI."""
    try:
        return node.variables.read(nvram_path(node, variables))
    except VolumeNotFound:
        return None


@job(Pace.SLOW, DEADLINE_S)
def write_variables(node: INode, variables: Variables, content: bytes) -> bool:
    """On the node's threads. :return: whether that is what is read there then."""
    path = nvram_path(node, variables)
    node.variables.write(path, content)
    return node.variables.read(path) == content


def giving_node(session: Session, op: OperationRow, storage_id: int) -> int:
    """:raises Wait: no node that answers has the storage."""
    node_id = node_reaching(session, storage_id, op.attempts)
    if node_id is None:
        raise storage_reached(storage_id)
    return node_id


async def bring(work: Work, was: Variables, to: Variables, node_id: int, disk_id: int) -> None:
    """
    Have one file hold what another does, if that is there; where it is not, firmware makes its own at the next start.

    :param node_id: that has the storage where they go to.
    :param disk_id: with which they go.
    :raises Wait: no node that answers has the storage where they are.
    :raises CopyDamaged: other bytes are read there than were written.
    """
    giving = await work.db(giving_node, work.op, was.storage_id)
    content = await work.node(giving).run(read_variables, was)
    if content is not None and not await work.node(node_id).run(write_variables, to, content):
        raise CopyDamaged("disk", disk_id, node_id, "other bytes lie there than were sent, of its firmware's variables")


# ------------------------------------------------------------------ a VM that starts


async def take_variables(work: Work) -> None:
    """
    Bring what UEFI keeps of a VM beside its root disk, where that has moved while the guest ran. Its node has both
    storages, for it was placed so.
    """
    going = await work.db_vm(_apart)
    if going is not None:
        was, to, node_id, disk_id = going
        await bring(work, was, to, node_id, disk_id)
        await work.note(**{LEFT: asdict(was)})
        await work.db_vm(_brought, to)
    left = await work.db_vm(_left, work.op)
    if left is not None:
        variables, node_id = left
        await work.node(node_id).run(delete_variables, variables)


def _apart(session: Session, row: VMRow) -> tuple[Variables, Variables, int, int] | None:
    """Where they are, and where they are to be; the VM's node, and the root disk."""
    machine, was, disk_id = machine_of(session, row.id), find_variables(session, row.id), root_disk_id(session, row.id)
    if machine.machine.firmware is not Firmware.UEFI or was is None or machine.root_id is None or disk_id is None:
        return None
    if was.storage_id == machine.root_id or not capabilities(machine.kind or "").files or row.node_id is None:
        return None
    # A repeat writes there once more; one that is left there by a start that failed the next start takes.
    to = Variables(was.uuid, machine.root_id, f"{was.uuid}-{row.launches}")
    return was, to, row.node_id, disk_id


def _brought(session: Session, row: VMRow, to: Variables) -> None:
    switch_variables(session, row.id, to.storage_id, to.directory)


def _left(session: Session, row: VMRow, op: OperationRow) -> tuple[Variables, int] | None:
    told = op.arguments.get(LEFT)
    left = None if told is None else Variables(**told)
    if left is None or row.node_id is None or left == find_variables(session, row.id):
        return None
    return left, row.node_id
