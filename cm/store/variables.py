"""Queries about where UEFI keeps the variables of VMs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.names import pool_name
from cm.runtime.prepared import Prepared


@dataclass(frozen=True)
class Variables:
    """
    Where a VM's are, or would be: nobody says that the file is there.

    :ivar uuid: the VM's.
    :ivar directory: of their own, below that of all on their storage; "": in that itself.
    """

    uuid: str
    storage_id: int
    directory: str = ""

    @property
    def pool(self) -> str:
        return pool_name(self.storage_id)


_FIND = Prepared(
    "variables_of_vm",
    "SELECT uuid::text AS uuid, nvram_storage_id AS storage_id, nvram_directory AS directory FROM vm"
    " WHERE id = :id AND nvram_storage_id IS NOT NULL",
)


def find_variables(session: Session, vm_id: int) -> Variables | None:
    """None: it had no UEFI yet."""
    found = _FIND(session, id=vm_id).first()
    return None if found is None else Variables(**found._mapping)


def switch_variables(session: Session, vm_id: int, storage_id: int, directory: str) -> None:
    """They are there from now on; what was where they were before is nobody's."""
    session.execute(
        text("UPDATE vm SET nvram_storage_id = :storage_id, nvram_directory = :directory WHERE id = :id"),
        {"id": vm_id, "storage_id": storage_id, "directory": directory},
    )
