"""How much network cards may carry: what their VMs' owners may set, and where it holds."""

from __future__ import annotations

from dataclasses import dataclass

from cm.rpc.errors import Conflict, InvalidParameter, NotPermitted
from cm.rules.network import KBIT_MAX, KBIT_MIN
from cm.services.context import ClusterCall
from cm.store.nic import Bandwidth, holds_bandwidth
from cm.store.vm import VMRow


@dataclass(eq=False)
class BandwidthRefused(NotPermitted):
    code = "bandwidth_refused"
    message = "Here network cards may carry {most} kbit/s ({parameter}); an administrator grants more."
    parameter: str
    most: int


@dataclass(eq=False)
class BandwidthNotHeld(Conflict):
    """Its agent has not told that it holds any: the kernel or the agent is too old, or lacks a part."""

    code = "bandwidth_not_held"
    message = "The node of VM {vm_id} holds no limits of bandwidth; its agent's log tells what is missing."
    vm_id: int


def check(caller: ClusterCall, bandwidth: Bandwidth, *, administrator: bool = False) -> None:
    """
    :raises InvalidParameter: less than a guest can do with.
    :raises BandwidthRefused: more than owners may have.
    """
    policy = caller.policy
    asked = (("kbit_in", bandwidth.incoming, policy.nic_kbit_in), ("kbit_out", bandwidth.outgoing, policy.nic_kbit_out))
    for parameter, kbit, most in asked:
        if kbit and not KBIT_MIN <= kbit <= KBIT_MAX:
            raise InvalidParameter(parameter, f"it is 0, or from {KBIT_MIN} to {KBIT_MAX}")
        if kbit and most and kbit > most and not administrator:
            raise BandwidthRefused(parameter, most)


def check_held(caller: ClusterCall, row: VMRow, bandwidth: Bandwidth) -> None:
    """
    Of a VM that runs. One that is placed anew may come to a node that holds none: its agent tells, and so does the
    node's health.

    :raises BandwidthNotHeld: nobody would hold it where it runs.
    """
    if (bandwidth.incoming or bandwidth.outgoing) and not holds_bandwidth(caller.session, row.runs_on, row.moves_to):
        raise BandwidthNotHeld(row.id)
