"""
How a VM's guest is told EC2's metadata: what is set of each VM, which begins as its image says, and what follows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from cm.rpc.vocabulary import MetadataTokens


@dataclass(frozen=True)
class Imds:
    """
    EC2's options of an instance, with EC2's defaults.

    :ivar hop_limit: the IP TTL of the answer that carries a token: 1 keeps it on the guest's own link, containers
        behind a bridge of the guest's need 2.
    :ivar enabled: whether anything is told at all, NoCloud's documents too.
    :ivar ipv6: whether it is at ``fd00:ec2::254``, too, where the guest's network has IPv6.
    :ivar tags: whether the VM's tags are told.
    """

    tokens: MetadataTokens = MetadataTokens.OPTIONAL
    hop_limit: int = 1
    enabled: bool = True
    ipv6: bool = True
    tags: bool = False

    def answers(self, version: int) -> bool:
        """:param version: of IP, by which the guest asks."""
        return self.enabled and (version == 4 or self.ipv6)

    def needs_token(self, v1: bool) -> bool:
        """:param v1: whether the cluster answers without one."""
        return not v1 or self.tokens is MetadataTokens.REQUIRED


@dataclass(frozen=True)
class ImdsChange:
    """What of ``Imds`` is to become another; None: as it is."""

    tokens: MetadataTokens | None = None
    hop_limit: int | None = None
    enabled: bool | None = None
    ipv6: bool | None = None
    tags: bool | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) is not None for each in fields(self))


NO_CHANGE: Final = ImdsChange()
