"""
What administrators have in the definitions of VMs' domains beside what we write. Nobody else may, not the VM's owner
either, who is told that it is there: it may reach into the host.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from cm.drivers.raw_data import read_raw
from cm.results.vm import RawData
from cm.rpc.errors import ReachesHost, WrongVMState
from cm.services.context import ClusterCall
from cm.store.vm import get_vm, render_vm
from cm.store.vm_state import raw_data_of, write_raw_data

log = Logger()
TOLD_MAX: Final = 300  # characters


def shown(caller: ClusterCall, vm_id: int) -> RawData:
    """:raises ObjectNotFound: there is no such VM."""
    get_vm(caller.session, vm_id)
    return {"vm_id": vm_id, "raw_data": raw_data_of(caller.session, vm_id)}


def put(caller: ClusterCall, vm_id: int, xml: str, host_access: bool) -> str:
    """
    From its next start on; its summary, as JSON text.

    :param xml: "": nothing any more.
    :raises ObjectNotFound: there is no such VM.
    :raises WrongVMState: it is destroyed.
    :raises InvalidParameter: it is none, or says what is not for it to say.
    :raises ReachesHost: it would have what is the host's, and nobody said that it may.
    """
    session = caller.session
    given = read_raw(xml) if xml else None
    row = get_vm(session, vm_id, lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    if given is not None and given.host:
        what = ", ".join(given.host)[:TOLD_MAX]
        if not host_access:
            raise ReachesHost(what)
        log.warn(
            "VM {vm_id}: {login} gave it what is the host's: {what}",
            vm_id=vm_id, login=caller.identity.login, what=what,
        )  # fmt: skip
    write_raw_data(session, vm_id, "" if given is None else given.xml)
    caller.note("set raw data", vm_id=vm_id, there=given is not None, host=bool(given and given.host))
    return render_vm(session, vm_id)
