"""Which connections end with a public address, or with whose it was. Pure."""

from collections.abc import Callable, Collection

from node_hooks.firewall import zone_of
from node_hooks.flows import Flow
from node_hooks.public import PROTOCOLS, Public
from node_hooks.reading import Address
from node_hooks.translation import INSIDE


def unwanted(before: Public, after: Public, there: Collection[Address]) -> Callable[[Flow], bool]:
    """
    Which connections are to end: those by a public address, or port, to or of another guest than whose it is.

    :param there: what was answered for, as it was found.
    """
    guests: dict[tuple[Address, int, int | None], tuple[Address, int]] = {}
    for port in after.ports:
        guests[port.address, PROTOCOLS[port.protocol], port.port] = (port.guest, zone_of(port.bridge))
    whole = {each.address: (each.guest, zone_of(each.bridge)) for each in after.addresses}
    judged = {*before.uplinks, *after.uplinks, *there}
    turned = judged - (before.uplinks.keys() & after.uplinks.keys())

    def right(end: tuple[Address, int | None], protocol: int) -> tuple[Address, int] | None:
        return whole.get(end[0]) or guests.get((end[0], protocol, end[1]))

    def ask(flow: Flow) -> bool:
        if flow.asked is None or flow.answered is None:
            return False
        if flow.asked[0] in judged:
            if flow.receiver == flow.asked[0]:  # of one of us: through the pair, or by the link when it was elsewhere
                return flow.asked[0] in turned
            if right(flow.asked, flow.protocol) != (flow.receiver, flow.zone):
                return True
        if flow.answered[0] in judged and flow.sender not in (flow.answered[0], *INSIDE.values()):
            return right(flow.answered, flow.protocol) != (flow.sender, flow.zone)
        return False

    return ask
