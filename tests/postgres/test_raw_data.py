"""What administrators add to the definitions of VMs: from the next start on, told to the owner, theirs alone to say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.rpc.errors import CloudError, InvalidParameter, ObjectNotFound, ReachesHost, WrongVMState
from support.cloud import MemoryCloud
from support.guest import Guest

WATCHDOG = "<domain><devices><watchdog model='i6300esb'/></devices></domain>"
USB = "<domain><devices><hostdev mode='subsystem' type='usb'/></devices></domain>"


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def test_life(cloud: MemoryCloud) -> None:
    """It is kept as it was read, had from the next start on, and taken away again; what is the host's must be meant."""
    guest = Guest(cloud)

    def put(xml: str, **more: bool) -> None:
        cloud.call("admin.vm.set_raw_data", {"vm_id": guest.vm_id, "xml": xml, **more}, account="admin")

    def kept() -> str:
        found = cloud.call("admin.vm.get_raw_data", {"vm_id": guest.vm_id}, account="admin")
        return str(found["raw_data"])

    def told() -> bool:
        return bool(cloud.call("user.vm.get_by_id", {"vm_id": guest.vm_id})["raw_data"])

    assert (kept(), told()) == ("", False)
    put(WATCHDOG)
    assert "watchdog" in kept() and told()
    running = guest.node.world.domains[guest.uuid].running
    assert running.raw == ""
    guest.stop()
    guest.start()
    assert guest.node.world.domains[guest.uuid].running.raw == kept()
    for wrong in ("<domain><name>x</name></domain>", "<domain>", "x" * 65_537):
        with pytest.raises(InvalidParameter):
            put(wrong)
    with pytest.raises(ReachesHost) as caught:
        put(USB)
    assert "hostdev" in str(caught.value) and "watchdog" in kept()
    put(USB, host_access=True)
    assert "hostdev" in kept()
    put("")
    assert (kept(), told()) == ("", False)
    with pytest.raises(CloudError):
        cloud.call("admin.vm.set_raw_data", {"vm_id": guest.vm_id, "xml": WATCHDOG})
    with pytest.raises(ObjectNotFound):
        cloud.call("admin.vm.get_raw_data", {"vm_id": 4711}, account="admin")
    cloud.call("user.vm.destroy", {"vm_ids": [guest.vm_id]})
    cloud.wait(guest.vm_id, "destroyed")
    with pytest.raises(WrongVMState):
        put(WATCHDOG)
