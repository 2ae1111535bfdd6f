"""
What UEFI keeps of VMs, on nodes: where it is, that it is deleted, and that it goes to another storage.

It goes as a whole, through this process, while nothing runs that has it open, into a directory that no other attempt
has. Which file is the VM's the record says, and it says so once the new one is known to hold what the old one does.
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.node import INode
from cm.interfaces.source import FileSource
from cm.operations.base import Work, storage_reached
from cm.rpc.errors import CopyDamaged, NotSupported, VolumeNotFound
from cm.rules.machine import NVRAM_DIRECTORY
from cm.rules.names import nvram_name
from cm.store.operation import OperationRow
from cm.store.storage import node_reaching
from cm.store.variables import Variables


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
