"""
How a guest is asked to shut down or to reboot: by our own agent in it, by QEMU's, or as if somebody sat before it.
Which way took it is told; whether the guest obeys is seen from outside.
"""

from __future__ import annotations

from typing import Final

from cm.interfaces.calls import NodeCalls
from cm.rpc.errors import AgentRefused, AgentSilent, NotSupported
from cm.rpc.vocabulary import GuestWay
from cm.services.context import Services
from cm.services.guest_command import OwnAgent
from cm.store.guest_command import agent_of

POWER_OFF: Final = "power_off"
REBOOT: Final = "reboot"
CTRL_ALT_DEL: Final = (29, 56, 111)  # Linux's numbers of these keys
_NO_AGENT: Final = (AgentSilent, AgentRefused, NotSupported)


async def power_off(services: Services, node: NodeCalls, vm_id: int, uuid: str) -> GuestWay:
    """
    Repeatable: one that is going down already is asked once more.

    :raises DomainNotRunning: it is off or absent.
    """
    own = await _own_agent(services, vm_id, POWER_OFF)
    if own is not None:
        try:
            await own.power_off(uuid)
            return GuestWay.WAWEL
        except (AgentSilent, AgentRefused):
            pass  # whether or not it does it later, the VM is to end
    try:
        await node.guest_agents.power_off(uuid)
        return GuestWay.AGENT
    except _NO_AGENT:
        await node.hypervisor.shutdown(uuid)
        return GuestWay.BUTTON


async def reboot(services: Services, node: NodeCalls, vm_id: int, uuid: str) -> GuestWay:
    """
    Once: what hangs, and may reboot yet, is asked in no other way.

    By keys where it has no agent, and not by libvirt's own reboot: that presses the power button, and has whatever end
    of the guest comes next be a reboot, also one that its user means as an end, hours later.

    :raises DomainNotRunning: it is off or absent.
    :raises AgentSilent: our own agent has spoken lately, and does not answer.
    :raises AgentRefused: it cannot do it.
    :raises NotSupported: it has no agent, and this hypervisor no keys.
    """
    own = await _own_agent(services, vm_id, REBOOT)
    if own is not None:
        await own.reboot(uuid)
        return GuestWay.WAWEL
    try:
        await node.guest_agents.reboot(uuid)
        return GuestWay.AGENT
    except _NO_AGENT:
        await node.hypervisor.press_keys(uuid, CTRL_ALT_DEL)
        return GuestWay.KEYS


async def _own_agent(services: Services, vm_id: int, action: str) -> OwnAgent | None:
    found = await services.database.read(agent_of, vm_id)
    return OwnAgent(services, vm_id, found[0]) if found is not None and action in found[1] else None
