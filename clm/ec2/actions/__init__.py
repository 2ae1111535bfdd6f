"""
What is done for each action of EC2, by noun. A handler is given who asks (``context.py``) and the parameters by the
names of botocore's users, and answers by the same names; ``docs/ec2.md`` has a table of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from clm.ec2.actions import (
    address,
    attribute,
    card,
    catalogue,
    group,
    instance,
    key,
    launch,
    power,
    region,
    tag,
    volume,
    vpc,
)
from clm.ec2.context import Context

Handler = Callable[[Context, dict[str, Any]], Awaitable[Mapping[str, Any]]]

HANDLERS: Final[Mapping[str, Handler]] = {
    name: handler
    for module in (region, catalogue, key, instance, launch, power, group, address, attribute, volume, vpc, card, tag)
    for name, handler in module.HANDLERS.items()
}
