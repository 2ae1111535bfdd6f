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
    image,
    image_attribute,
    instance,
    key,
    launch,
    launch_template,
    option,
    power,
    region,
    rule,
    subnet,
    tag,
    volume,
    volume_attribute,
    vpc,
)
from clm.ec2.context import Context

Handler = Callable[[Context, dict[str, Any]], Awaitable[Mapping[str, Any]]]

HANDLERS: Final[Mapping[str, Handler]] = {
    name: handler
    for module in (
        region, catalogue, image, image_attribute, key, instance, launch, launch_template, power, option, group, rule,
        address, attribute, volume, volume_attribute, vpc, subnet, card, tag,
    )  # fmt: skip
    for name, handler in module.HANDLERS.items()
}
