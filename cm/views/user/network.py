"""Networks, as those see them whose guests are on them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.security_group import Passage
from cm.rpc.types import LINE, Id
from cm.rpc.view import user_view
from cm.rules.access import Action
from cm.services import passage
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.views.user.security_group import Card, Protocol

AddressText = Annotated[str, Meta(min_length=1, max_length=45, pattern=LINE, description="An IP address.")]
Port = Annotated[int, Meta(ge=1, le=65535, description="Of the receiver.")]


@user_view(on={"vm_id": Action.SEE, "to_vm_id": Action.SEE})
def explain(
    caller: ClusterCall,
    vm_id: Id,
    to_vm_id: Id | None = None,
    address: AddressText | None = None,
    protocol: Protocol = "tcp",
    port: Port | None = None,
    incoming: bool = False,
    nic: Card = 0,
    to_nic: Card = 0,
) -> Passage:
    """
    Whether the first packet of a flow would pass between a VM and another, or an address outside, and what decides.

    :param address: of the other side, where that is no VM.
    :param incoming: from the other side to the VM.
    """
    who = person_of(caller.identity)
    return passage.explain(caller, who, vm_id, nic, to_vm_id, to_nic, address, incoming, protocol, port)
