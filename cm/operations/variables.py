"""
What UEFI keeps of VMs, on nodes: where it is, that it is deleted, and that it goes to another storage.

It goes as a whole, through this process, while nothing runs that has it open. Each attempt has a directory of its own:
who began the one before may be a process that was taken for dead, whose call is at the node still. Which file is the
VM's the record says, and it says so once the new one is known to hold what the old one does.
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

# Notes: those that the VM had before; the directories that some were written into, or were going to be. A retry goes
# on with them, and deletes them.
LEFT: Final = "variables_left"
TRIED: Final = "nvram_directories"


async def new_directory(work: Work) -> str:
    """For this attempt to write some; noted before anything is there."""
    directory = uuid4().hex[:12]
    await work.note(**{TRIED: [*work.arguments.get(TRIED, ()), directory]})
    return directory


def tried(op: OperationRow, uuid: str, storage_id: int) -> list[Variables]:
    """What attempts of an operation may have written there, the last one at the end."""
    return [Variables(uuid, storage_id, directory) for directory in op.arguments.get(TRIED, ())]


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


async def bring(work: Work, was: Variables, storage_id: int, node_id: int, disk_id: int) -> Variables:
    """
    Have a new file hold what another does, if that is there; where it is not, firmware makes its own at the next start.

    :param storage_id: where they go to, and ``node_id``: that has it.
    :param disk_id: with which they go.
    :return: where the new one is.
    :raises Wait: no node that answers has the storage where they are.
    :raises CopyDamaged: other bytes are read there than were written.
    """
    giving = await work.db(giving_node, work.op, was.storage_id)
    content = await work.node(giving).run(read_variables, was)
    to = Variables(was.uuid, storage_id, await new_directory(work))
    if content is not None and not await work.node(node_id).run(write_variables, to, content):
        raise CopyDamaged("disk", disk_id, node_id, "other bytes lie there than were sent, of its firmware's variables")
    return to


# ------------------------------------------------------------------ a VM that starts


async def have_variables(work: Work) -> bool:
    """
    Before a VM with UEFI starts, have what that keeps be beside its root disk, which may have moved while the guest
    ran. Its node has both storages, for it was placed so.

    :return: whether they are elsewhere from now on.
    """
    going = await work.db_vm(_apart)
    if going is not None:
        was, storage_id, node_id, disk_id = going
        await work.note(**{LEFT: asdict(was)})
        await work.db_vm(_brought, await bring(work, was, storage_id, node_id, disk_id))
    if TRIED in work.arguments:
        await _delete_others(work)
    return TRIED in work.arguments


async def _delete_others(work: Work) -> None:
    """What this operation has left of them, beside those that are the VM's now."""
    for variables, node_id in await work.db_vm(_others, work.op):
        await work.node(node_id).run(delete_variables, variables)


def _apart(session: Session, row: VMRow) -> tuple[Variables, int, int, int] | None:
    """Where they are, and the storage where they are to be; the VM's node, and the root disk."""
    machine, was, disk_id = machine_of(session, row.id), find_variables(session, row.id), root_disk_id(session, row.id)
    if machine.machine.firmware is not Firmware.UEFI or was is None or machine.root_id is None or disk_id is None:
        return None
    if was.storage_id == machine.root_id or not capabilities(machine.kind or "").files or row.node_id is None:
        return None
    return was, machine.root_id, row.node_id, disk_id


def _brought(session: Session, row: VMRow, to: Variables) -> None:
    switch_variables(session, row.id, to.storage_id, to.directory)


def _others(session: Session, row: VMRow, op: OperationRow) -> list[tuple[Variables, int]]:
    now, node_id = find_variables(session, row.id), row.node_id
    if now is None or node_id is None:
        return []
    found = [Variables(**op.arguments[LEFT])] if LEFT in op.arguments else []
    found += tried(op, row.uuid, now.storage_id)
    return [(each, node_id) for each in found if each != now]
