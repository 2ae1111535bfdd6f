"""What somebody else changed in a node's networks, as the agent found it. ``docs/node.md`` says how it is told."""

from dataclasses import dataclass
from typing import Final

LINK: Final = "link"
RULES: Final = "rules"
PUBLIC_ADDRESS: Final = "public"
PUT_RIGHT_S = 600.0  # that somebody's change is told of after it was put right


@dataclass(frozen=True, order=True)
class Difference:
    """
    What is, or was just now, otherwise on the node than the agent had made it.

    :ivar kind: of LINK, RULES, PUBLIC_ADDRESS. :ivar subject: the network, the table, the address.
    """

    kind: str
    subject: str
    text: str
