"""
Offers of ownership: who may answer one, how it stands, and what keeps an object from changing hands.

An object's own account alone offers it; a level that others were granted does not reach so far, and neither does an
administrator's role beyond offering in the owner's name. Whoever it is offered to accepts or declines, logged in; the
owner withdraws. Nothing changes hands before that.

What an object leans on that is its old owner's is never taken from it silently: an obstacle is named, and the owner
removes it. What ends by itself (grants, security groups, public addresses) is what nobody else could undo for the new
owner; docs/transfers.md argues each.

Source: CIRCLE transfers ownership by a signed token, good for three days.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cm.rpc.errors import Conflict, NotPermitted
from cm.rpc.vocabulary import TransferKind, TransferState


class Obstacle(StrEnum):
    """Why an object cannot change hands as it is."""

    FARM = "farm"
    RESOURCE_POOL = "resource_pool"
    SCREEN = "screen"
    FOREIGN_DISK = "foreign_disk"
    SHARED_DISK = "shared_disk"
    NETWORK = "network"
    ISO = "iso"
    ATTACHED = "attached"
    PARENT = "parent"


REASONS: Final[dict[Obstacle, str]] = {
    Obstacle.FARM: "it is in farm {about}",
    Obstacle.RESOURCE_POOL: "it counts in resource pool {about}",
    Obstacle.SCREEN: "its screen is attached, by a password that its owner knows: detach it",
    Obstacle.FOREIGN_DISK: "disk {about} is somebody else's: detach it",
    Obstacle.SHARED_DISK: "disk {about} is attached to another VM, too: detach it",
    Obstacle.NETWORK: "whoever gets it may not use network {about}: share that with them, or detach the card",
    Obstacle.ISO: "whoever gets it may not use ISO image {about}: eject it, or share it with them",
    Obstacle.ATTACHED: "VM {about} has it attached: detach it",
    Obstacle.PARENT: "whoever gets it may not see VM template {about}, of which it is made",
}


@dataclass(eq=False)
class NotTransferable(Conflict):
    """Its owner removes the obstacle first."""

    code = "not_transferable"
    message = "The {kind} {object_id} cannot change hands: {reason}."
    kind: TransferKind
    object_id: int
    obstacle: Obstacle
    about: int | None
    reason: str


@dataclass(eq=False)
class TransferOffered(Conflict):
    """To somebody else, or the same person; it is withdrawn first."""

    code = "transfer_offered"
    message = "The {kind} {object_id} is offered already, by transfer {transfer_id}."
    kind: TransferKind
    object_id: int
    transfer_id: int


@dataclass(eq=False)
class TransferClosed(Conflict):
    """Somebody answered, it expired, or what it is about is no more or somebody else's."""

    code = "transfer_closed"
    message = "Transfer {transfer_id} is {state}."
    transfer_id: int
    state: TransferState


@dataclass(eq=False)
class OwnersAlone(NotPermitted):
    """A level on an object, be it the highest, does not do."""

    code = "owners_alone"
    message = "The {kind} {object_id} is its owner's alone to give away."
    kind: TransferKind
    object_id: int


@dataclass(eq=False)
class TransferNotYours(NotPermitted):
    """The other of the two parties does this."""

    code = "transfer_not_yours"
    message = "Transfer {transfer_id} is the other party's to {what}."
    transfer_id: int
    what: str


def obstacle(kind: TransferKind, object_id: int, found: Obstacle, about: int | None = None) -> NotTransferable:
    return NotTransferable(kind, object_id, found, about, REASONS[found].format(about=about))


def state_of(answered: TransferState, expires_at: datetime, standing: bool, now: datetime) -> TransferState:
    """
    How an offer stands.

    :param answered: what is on record.
    :param standing: its object is there, and still that of whoever offered it.
    """
    if answered is not TransferState.OFFERED:
        return answered
    if not standing:
        return TransferState.VOID
    return TransferState.EXPIRED if expires_at <= now else TransferState.OFFERED


# ------------------------------------------------------------------ VMs


@dataclass(frozen=True)
class HeldDisk:
    """
    What is in a place of a VM.

    :ivar image_id: the entry of the catalogue that it is; None: it is the VM's own.
    :ivar others: other VMs that have it attached.
    """

    id: int
    account_id: int
    image_id: int | None
    cdrom: bool
    others: tuple[int, ...]


@dataclass(frozen=True)
class HeldVM:
    """
    A VM as far as it matters to whoever gets it.

    :ivar networks: users' networks that its cards are on, each with whose it is.
    """

    id: int
    account_id: int
    farm_id: int | None
    resource_pool_id: int | None
    screen: bool
    disks: tuple[HeldDisk, ...]
    networks: tuple[tuple[int, int], ...]

    @property
    def going(self) -> tuple[HeldDisk, ...]:
        """The disks that change hands with it."""
        return tuple(each for each in self.disks if not each.cdrom)

    @property
    def isos(self) -> tuple[int, ...]:
        """ISO images in its drives, which stay their owners'."""
        return tuple(each.image_id for each in self.disks if each.cdrom and each.image_id is not None)


def holding_back(vm: HeldVM) -> NotTransferable | None:
    """What keeps a VM with its owner, whoever gets it."""
    kind = TransferKind.VM
    if vm.farm_id is not None:
        return obstacle(kind, vm.id, Obstacle.FARM, vm.farm_id)
    if vm.resource_pool_id is not None:
        return obstacle(kind, vm.id, Obstacle.RESOURCE_POOL, vm.resource_pool_id)
    if vm.screen:
        return obstacle(kind, vm.id, Obstacle.SCREEN)
    for disk in vm.going:
        if disk.account_id != vm.account_id:
            return obstacle(kind, vm.id, Obstacle.FOREIGN_DISK, disk.id)
        if disk.others:
            return obstacle(kind, vm.id, Obstacle.SHARED_DISK, disk.id)
    return None


def out_of_reach(vm: HeldVM, networks: Collection[int], isos: Collection[int]) -> NotTransferable | None:
    """
    What of a VM whoever gets it could not use.

    :param networks: of its networks those that they may use; ``isos`` likewise.
    """
    for network_id, _ in vm.networks:
        if network_id not in networks:
            return obstacle(TransferKind.VM, vm.id, Obstacle.NETWORK, network_id)
    for image_id in vm.isos:
        if image_id not in isos:
            return obstacle(TransferKind.VM, vm.id, Obstacle.ISO, image_id)
    return None


# ------------------------------------------------------------------ the link

_SIGNATURE_BYTES: Final = 16


def sign(secret: bytes, transfer_id: int, transfer_uuid: str, to_account_id: int) -> str:
    """
    What a link to an offer carries: which one it is, and that this cluster made it for this account. It lets nobody in:
    whoever follows it has to be that account, logged in.
    """
    told = f"transfer:{transfer_id}:{transfer_uuid}:{to_account_id}".encode()
    digest = hmac.new(secret, told, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
    return f"{transfer_id}." + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def read_id(token: str) -> int | None:
    """The offer that a link says it is about; None: it is none of ours. What it is signed with is looked at later."""
    number, _, signature = token.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) < 19 and signature):
        return None
    return int(number) or None


def same(first: str, second: str) -> bool:
    """Whether two tokens are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(first.encode(), second.encode())


def mib_of(claimed_bytes: Sequence[int]) -> int:
    """What volumes take of a quota: each is rounded up to MiB by itself."""
    return sum(-(-size // 2**20) for size in claimed_bytes)
