"""What the endpoint is told, whichever program it runs in."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cm.rules.metadata import HELLO_URL
from cm.services.agent import GuestSettings


@dataclass(frozen=True)
class EndpointSettings:
    """
    :ivar token_key: 32 bytes that every process of a cluster shares: a metadata token of one is good at all.
    :ivar command_key: what is sealed by that guests' agents are to do, likewise (``cm/services/guest_command.py``).
    :ivar farm_secret: what farms' keys are derived from, as for the cluster manager (``cm/services/farm_key.py``).
    :ivar region: the cluster's name, as EC2 clients know it.
    :ivar domain: that of EC2's services here.
    :ivar imds_v1: whether metadata is told without a token, as EC2's own default is.
    :ivar hello_url: where a guest says hello, as it reaches us.
    :ivar vendor_data: what all guests are told besides, as cloud-config.
    :ivar guests: what the settings say of them; for their nodes.
    """

    token_key: bytes = field(repr=False)
    region: str = "cluster"
    domain: str = "internal"
    imds_v1: bool = True
    hello_url: str = HELLO_URL
    vendor_data: Mapping[str, Any] = field(default_factory=dict)
    guests: GuestSettings = GuestSettings()
    farm_secret: bytes = field(default=b"", repr=False)
    command_key: bytes = field(default=bytes(32), repr=False)

    def __post_init__(self) -> None:
        if len(self.token_key) < 32:
            raise ValueError("token_key: it must have 32 bytes at least")


def token_key_from(secret: bytes) -> bytes:
    """The key of metadata tokens from a cluster's secret, so that this need not be kept twice."""
    return hmac.new(secret, b"wawel metadata tokens", hashlib.sha256).digest()
