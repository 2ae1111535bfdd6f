"""Of what is kept for people: VMs, images, operations, accounts; and what there is not enough of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cm.rpc.errors.families import Conflict, InvalidRequest, LimitReached, NotFound, NotPermitted, Unavailable


@dataclass(eq=False)
class ObjectNotFound(NotFound):
    """Absent, or not the caller's: the two are not told apart."""

    code = "object_not_found"
    message = "There is no {kind} {object_id}."
    kind: str
    object_id: int | str


@dataclass(eq=False)
class NameTaken(Conflict):
    code = "name_taken"
    message = "There is already a {kind} named {name}."
    kind: str
    name: str


@dataclass(eq=False)
class CannotAdopt(Conflict):
    code = "cannot_adopt"
    message = "Domain {domain} cannot be adopted: {reason}."
    domain: str
    reason: str


@dataclass(eq=False)
class InUse(Conflict):
    code = "in_use"
    message = "{kind} {object_id} is in use by {users}."
    kind: str
    object_id: int
    users: str


@dataclass(eq=False)
class WrongVMState(Conflict):
    code = "vm_wrong_state"
    message = "VM {vm_id} is {state}; this needs {needs}."
    vm_id: int
    state: str
    needs: str


@dataclass(eq=False)
class VMGuarded(Conflict):
    """Until its owner says otherwise (``user.vm.set_policy``)."""

    code = "vm_guarded"
    message = "VM {vm_id} is guarded against being destroyed."
    vm_id: int


@dataclass(eq=False)
class ExpiryNotYours(NotPermitted):
    """It was withdrawn from whoever would renew it, or deleted; another may be chosen (``user.expiry.set``)."""

    code = "expiry_not_yours"
    message = "The expiry lease {expiry} of VM {vm_id} is not yours any more: choose another."
    vm_id: int
    expiry_id: int
    expiry: str


@dataclass(eq=False)
class VMBusy(Conflict):
    code = "vm_busy"
    message = "VM {vm_id} is busy: operation {operation_id} ({kind}) is under way."
    vm_id: int
    operation_id: int
    kind: str


@dataclass(eq=False)
class GuestIgnored(Conflict):
    code = "guest_ignored"
    message = "The guest did not shut down within {seconds} s; stop cuts its power."
    seconds: float


@dataclass(eq=False)
class WrongImageState(Conflict):
    code = "image_wrong_state"
    message = "Image {image_id} is {state}; this needs {needs}."
    image_id: int
    state: str
    needs: str


@dataclass(eq=False)
class WrongDiskState(Conflict):
    code = "disk_wrong_state"
    message = "Disk {disk_id} is {state}; this needs {needs}."
    disk_id: int
    state: str
    needs: str


@dataclass(eq=False)
class DiskHeld(Conflict):
    code = "disk_held"
    message = "Operation {operation_id} ({kind}) is under way on disk {disk_id}."
    disk_id: int
    operation_id: int
    kind: str


@dataclass(eq=False)
class DiskOutOfReach(Conflict):
    code = "disk_out_of_reach"
    message = "Disk {disk_id} is on storage {storage_id}, which VM {vm_id} does not reach where it runs; stop it first."
    disk_id: int
    storage_id: int
    vm_id: int


@dataclass(eq=False)
class StorageOutOfReach(Conflict):
    code = "storage_out_of_reach"
    message = "Storage {storage_id} is not attached to the node where VM {vm_id} runs; stop the VM first."
    storage_id: int
    vm_id: int


@dataclass(eq=False)
class StoragesApart(Conflict):
    """
    Bytes are copied by a node that has both, or go through the manager as they are: between two storages of files or
    two of devices, and of a copy only what stands on nothing.
    """

    code = "storages_apart"
    message = (
        "No node has both storage {storage_id} and storage {other_id} attached, and as they are the bytes cannot lie"
        " there: move the disk, or copy it where it is first."
    )
    storage_id: int
    other_id: int


@dataclass(eq=False)
class VariablesStay(Conflict):
    """Devices have no place for them, so they stay where they are: where no node has both, it would start nowhere."""

    code = "variables_stay"
    message = (
        "VM {vm_id}'s UEFI keeps its variables on storage {storage_id}, and no node has both that and storage"
        " {other_id}, which is of devices and has no place for them. Have a node attach both, or give the VM BIOS."
    )
    vm_id: int
    storage_id: int
    other_id: int


@dataclass(eq=False)
class DiskKept(Conflict):
    """It stays attached; whenever the guest lets go of it after all, it is detached."""

    code = "disk_kept"
    message = "The guest did not let go of disk {disk_id} within {seconds} s: unmount it there, or stop the VM."
    disk_id: int
    seconds: float


@dataclass(eq=False)
class NicKept(Conflict):
    """It stays the VM's; whenever the guest lets go of it after all, it is gone."""

    code = "nic_kept"
    message = "The guest did not let go of network card {nic} within {seconds} s: take it down there, or stop the VM."
    nic: int
    seconds: float


@dataclass(eq=False)
class NetworkOutOfReach(Conflict):
    code = "network_out_of_reach"
    message = "VM {vm_id} runs on a node that does not make network {network_id}; stop it first."
    network_id: int
    vm_id: int


@dataclass(eq=False)
class WrongOperationState(Conflict):
    code = "operation_wrong_state"
    message = "Operation {operation_id} is {state}; this needs {needs}."
    operation_id: int
    state: str
    needs: str


@dataclass(eq=False)
class NotAbandonable(Conflict):
    code = "operation_not_abandonable"
    message = "Operation {operation_id} ({kind}) cannot be given up: {reason}."
    operation_id: int
    kind: str
    reason: str


@dataclass(eq=False)
class AccountBlocked(NotPermitted):
    code = "account_blocked"
    message = "The account is blocked."


@dataclass(eq=False)
class OwnerBlocked(NotPermitted):
    """Whoever asks: it would be counted for that account."""

    code = "owner_blocked"
    message = "Account {account_id}, whose quota it would take, is blocked."
    account_id: int


# ------------------------------------------------------------------ limits


@dataclass(eq=False)
class QuotaReached(LimitReached):
    code = "quota_reached"
    message = "The quota of {resource} is {limit}; {used} are used and {asked} more were asked for."
    resource: str
    limit: int
    used: int
    asked: int


@dataclass(eq=False)
class NoCapacity(LimitReached):
    """Nothing fits now; worth retrying once a VM has stopped."""

    code = "no_capacity"
    message = "No node can take this VM now: {reason}."
    retry = True
    reason: str


@dataclass(eq=False)
class NoFreeAddress(LimitReached):
    code = "no_free_address"
    message = "No address is free."
    retry = True


@dataclass(eq=False)
class NoFreePort(LimitReached):
    code = "no_free_port"
    message = "No VNC port is free on node {node_id}."
    retry = True
    node_id: int


@dataclass(eq=False)
class StorageFull(LimitReached):
    code = "storage_full"
    message = "Storage {storage_id} has {free_bytes} bytes free; {needed_bytes} are needed."
    retry = True
    storage_id: int
    free_bytes: int
    needed_bytes: int

    def for_user(self) -> str:
        return "The storage has no room for it. Delete what you do not need, or ask an administrator for room."


@dataclass(eq=False)
class TooManySnapshots(LimitReached):
    """Of one disk; ``limit`` is the cluster's. One has to be deleted before another is taken."""

    code = "too_many_snapshots"
    message = "Disk {disk_id} has {limit} snapshots already, as many as a disk may have."
    disk_id: int
    limit: int


@dataclass(eq=False)
class NoStorage(LimitReached):
    """
    None that is attached to a node, not locked, and has room for as much as was asked for.

    :ivar checked: of each storage that was looked at ``storage_id``, ``storage``, ``reason`` (``StorageRefusal``) and
        ``room_bytes``, what it could still make.
    :ivar volumes_checked: how many free volumes were looked at for one of the right size.
    """

    code = "no_storage"
    message = "No storage takes this at the moment."
    retry = True
    requested_bytes: int = 0
    checked: list[dict[str, Any]] = field(default_factory=list)
    volumes_checked: int = 0

    def __str__(self) -> str:
        if not self.requested_bytes:
            return self.message
        reasons = ", ".join(f"{each.get('storage')}: {each.get('reason')}" for each in self.checked) or "there are none"
        free = f"; of {self.volumes_checked} free volumes none fits" if self.volumes_checked else ""
        return f"No storage has room for {self.requested_bytes} bytes at the moment ({reasons}{free})."


# ------------------------------------------------------------------ images


@dataclass(eq=False)
class ImageRefused(InvalidRequest):
    """An image that we do not let near QEMU; ``reason`` names the fault in it, ``fault`` its kind (``ImageFault``)."""

    code = "image_refused"
    message = "The image is refused: {reason}."
    reason: str
    fault: str = "other"


@dataclass(eq=False)
class NotPrepared(Conflict):
    """``resource`` is "cpu" or "memory_mib", which ``most`` and ``asked`` count in."""

    code = "not_prepared"
    message = "The VM can have {most} {resource} while it runs, not {asked}: stop it, and give it that then."
    resource: str
    most: int
    asked: int


@dataclass(eq=False)
class SizeKept(Conflict):
    """The VM is as large as it was."""

    code = "size_kept"
    message = "The guest of VM {vm_id} did not give back {what}: {reason}. Stop the VM, and make it smaller then."
    vm_id: int
    what: str
    reason: str


@dataclass(eq=False)
class NoVariables(Conflict):
    """UEFI keeps its variables in a file, and that storage has none."""

    code = "no_variables"
    message = "Storage {storage_id} is of devices, and has no place for the variables of UEFI: use BIOS there."
    storage_id: int


@dataclass(eq=False)
class NoCpuBaseline(Conflict):
    code = "no_cpu_baseline"
    message = "Nobody has found out which CPU all of the cluster's nodes can give (admin.cluster.set_cpu_baseline)."


@dataclass(eq=False)
class ImageNeedsMore(InvalidRequest):
    """``resource`` is "memory_mib" or "disk_bytes", which ``least`` and ``given`` count in."""

    code = "image_needs_more"
    message = "Image {image_id} needs a {resource} of {least} at the least, and was to get {given}."
    image_id: int
    resource: str
    least: int
    given: int


@dataclass(eq=False)
class AddressRefused(InvalidRequest):
    """A URL that leads where imports may not go."""

    code = "address_refused"
    message = "The address {url} is refused: {reason}."
    url: str
    reason: str


@dataclass(eq=False)
class DownloadFailed(Unavailable):
    """It may work later. ``after_s``: not before; ``tries``: so often for this reason in a row, and no more (0: on)."""

    code = "download_failed"
    message = "The download failed: {reason}."
    reason: str
    after_s: float = 0.0
    tries: int = 0


@dataclass(eq=False)
class DownloadRefused(InvalidRequest):
    """A server's answer that asking again would not change."""

    code = "download_refused"
    message = "The download cannot work: {reason}."
    reason: str


# ------------------------------------------------------------------ uploads, downloads


@dataclass(eq=False)
class UploadGone(NotFound):
    """Its address is wrong, or it has expired, was given up, or was never begun."""

    code = "upload_gone"
    message = "There is no such upload, or no longer; begin it anew."


@dataclass(eq=False)
class UploadBusy(Conflict):
    """Another request writes to it; the one that came later is refused."""

    code = "upload_busy"
    message = "Somebody writes to this upload at the moment."


@dataclass(eq=False)
class UploadOffset(Conflict):
    code = "upload_offset"
    message = "The upload goes on at byte {offset}, not at {given}."
    offset: int
    given: int


@dataclass(eq=False)
class UploadTooLong(InvalidRequest):
    code = "upload_too_long"
    message = "More comes than the {size_bytes} bytes that were announced."
    size_bytes: int


@dataclass(eq=False)
class ChecksumDiffers(InvalidRequest):
    """What came is dropped, and may be sent again."""

    code = "checksum_differs"
    message = "What came has not the checksum that was sent with it."


@dataclass(eq=False)
class NoStagingRoom(LimitReached):
    """On the cluster manager's machine; what is open there already is counted in full."""

    code = "no_staging_room"
    message = "There is no room to take in {needed_bytes} bytes at the moment; {free_bytes} are free."
    retry = True
    free_bytes: int
    needed_bytes: int


@dataclass(eq=False)
class NotWhole(Conflict):
    """What lies in a file of its own alone can be read as it is."""

    code = "not_whole"
    message = "Disk {disk_id} is made of more than one file; save it as an image, or copy it, first."
    disk_id: int


@dataclass(eq=False)
class BucketNotEmpty(Conflict):
    """Something is in it, or on its way there."""

    code = "bucket_not_empty"
    message = "Bucket {bucket_id} is not empty."
    bucket_id: int


@dataclass(eq=False)
class PartsRefused(InvalidRequest):
    """``reason`` is S3's word: InvalidPart, InvalidPartOrder, EntityTooSmall."""

    code = "parts_refused"
    message = "The parts make no object: {reason}."
    reason: str


@dataclass(eq=False)
class UploadElsewhere(Unavailable):
    """Several machines take uploads, each those that were begun there."""

    code = "upload_elsewhere"
    message = "This upload is taken by another machine of the cluster manager."


@dataclass(eq=False)
class TooManyTags(LimitReached):
    code = "tag_limit"
    message = "An object has at most {limit} tags."
    limit: int
