"""Who has access to what; what a uuid names."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from cm.rpc.fields import AccountNumber, LoginName, Number, Uuid
from cm.rules.access import Level

ObjectKind = Literal[
    "vm", "image", "disk", "template", "node", "storage", "network", "user", "public_address", "vm_template",
    "farm", "attachment", "storage_attachment",
]


class Subject(TypedDict):
    """Who has a level: an account (``user_id``, ``login`` and more), or a group (``group_id``, ``issuer``)."""

    user_id: NotRequired[Number]
    login: NotRequired[LoginName]
    account_number: NotRequired[AccountNumber]
    group_id: NotRequired[Number]
    issuer: NotRequired[Annotated[str, Meta(examples=["clm:cloud"], description="Whose group it is.")]]


class AccessEntry(TypedDict):
    """Somebody's level on an object."""

    subject: Subject
    level: Level


class FoundObject(TypedDict):
    """What a uuid names."""

    uuid: Annotated[Uuid, Meta(description="As it was sent.")]
    kind: ObjectKind
    id: Annotated[Number, Meta(description="Of an attachment its disk's, of a storage_attachment its storage's.")]
    disk_id: NotRequired[Annotated[Number, Meta(description="Of an attachment: a disk's place in a VM, a VBD.")]]
    vm_id: NotRequired[Annotated[Number, Meta(description="Likewise.")]]
    storage_id: NotRequired[
        Annotated[Number, Meta(description="Of a storage_attachment: a storage's to a node, a PBD.")]
    ]
    node_id: NotRequired[Annotated[Number, Meta(description="Likewise.")]]
