"""SSH keys of the caller's."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from clm.results.user import GeneratedSSHKey, SSHKey
from clm.services import key as service
from clm.services.context import AsyncCloudCall, CloudCall
from clm.store.key import get_key, get_key_named, list_keys
from cm.rpc.types import Id, Name, TagKeys, TagValues
from cm.rpc.view import user_view
from cm.rpc.vocabulary import SSH_KEY_MAX

# Read by rules/ssh_key.py, which says what is wrong with it.
KeyLine = Annotated[
    str, Meta(min_length=1, max_length=SSH_KEY_MAX, description="A public key: a line of an authorized_keys file.")
]


@user_view(changing=True)
async def generate(
    caller: AsyncCloudCall,
    name: Name,
    kind: Literal["ed25519", "rsa", "ecdsa"] = "ed25519",
    tags: TagValues | None = None,
) -> GeneratedSSHKey:
    """Make a pair of keys. The answer holds private_key, this once: it is kept nowhere."""
    return await service.generate(caller, name, kind, tags or {})


@user_view(changing=True)
def add(caller: CloudCall, name: Name, key: KeyLine, tags: TagValues | None = None) -> SSHKey:
    """Import a public key: Ed25519, ECDSA, RSA of 2048 bits or more, or one of a security key."""
    return service.add_text(caller, name, key, tags or {})


@user_view
def get(caller: CloudCall, name: Name) -> SSHKey:
    """One key, by its name."""
    return get_key_named(caller.session, caller.user_id, name)


@user_view
def get_by_id(caller: CloudCall, key_id: Id) -> SSHKey:
    """One key."""
    return get_key(caller.session, caller.user_id, key_id)


@user_view
def get_list(caller: CloudCall) -> list[SSHKey]:
    """All keys of the caller's, by name."""
    return list_keys(caller.session, caller.user_id)


@user_view(changing=True)
def tag(caller: CloudCall, key_id: Id, tags: TagValues | None = None, remove: TagKeys | None = None) -> SSHKey:
    """Give a key tags, or take some; others that it has stay."""
    return service.tag(caller, key_id, tags or {}, remove or [])


@user_view(changing=True)
def delete(caller: CloudCall, name: Name) -> None:
    """Delete a key, by its name. VMs that have it keep it."""
    service.delete_named(caller, name)


@user_view(changing=True)
def delete_by_id(caller: CloudCall, key_id: Id) -> None:
    """Delete a key. VMs that have it keep it."""
    service.delete(caller, key_id)
