"""Numbers of VMs: a domain that has one already is never the namesake of a VM that is made later."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cm.runtime.database import Database
from cm.store import unknown
from cm.store.unknown import pass_numbers


@pytest.mark.parametrize("ahead", [-3, 0, 1, 7, unknown._LEAP - 1, unknown._LEAP, unknown._LEAP + 5])
def test_passed(database: Database, ahead: int) -> None:
    """The next VM's number is beyond one that was seen on a node, however far that is ahead, and grows in any case."""

    def draw() -> int:
        return int(database.transact_now(lambda session: session.scalar(text("SELECT nextval('vm_id_seq')"))))

    last = draw()
    database.transact_now(pass_numbers, last + ahead)
    assert draw() == max(last + ahead, last) + 1
