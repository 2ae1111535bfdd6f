"""Trust: keys of cloud managers, which may speak for their people here."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.trust import TrustedKey
from cm.rpc.types import Name, matching
from cm.rpc.view import admin_view
from cm.services import trust
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.trust import list_keys

KeyId = Annotated[
    str, Meta(max_length=100, pattern=matching(r"[A-Za-z0-9._:@-]+", "it must be letters, digits and . _ : @ -"))
]
PublicKey = Annotated[str, Meta(max_length=1000, description="Ed25519, in PEM.")]


@admin_view(changing=True)
async def add(caller: AsyncClusterCall, key_id: KeyId, issuer: Name, public_key: PublicKey) -> TrustedKey:
    """
    Trust a cloud manager's key from now on. The same key again is no error.

    :param issuer: the one cloud manager that the key may speak for; accounts of other issuers are out of its reach.
    """
    return await trust.add(caller, key_id, issuer, public_key)


@admin_view
def get_list(caller: ClusterCall) -> list[TrustedKey]:
    """The trusted keys by id, without those of the cluster's settings."""
    return list(list_keys(caller.session))


@admin_view(changing=True)
async def delete(caller: AsyncClusterCall, key_id: KeyId) -> None:
    """Trust a key no longer: tokens that it signed are refused at once, whatever was remembered of them."""
    await trust.delete(caller, key_id)
