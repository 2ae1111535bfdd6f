"""Keys of cloud managers."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Time


class TrustedKey(TypedDict):
    """A key that may sign tokens for one cloud manager's people."""

    key_id: Annotated[str, Meta(examples=["clm-1"])]
    issuer: Annotated[str, Meta(examples=["clm:cloud"])]
    public_key: Annotated[str, Meta(examples=["-----BEGIN PUBLIC KEY-----"], description="Ed25519, in PEM.")]
    created: Time
