"""
The kinds of operation, and all that is known of one beside how it is worked: a row here, from which follow who may ask
for it and when, what a VM shows meanwhile, how long it may take, and what the pages say. Its steps are a module of
``cm/operations``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cm.rpc.vocabulary import VMState, Wanted
from cm.rules.access import Action


class OperationKind(StrEnum):
    VM_CREATE = "vm_create"
    VM_START = "vm_start"
    VM_STOP = "vm_stop"
    VM_SHUTDOWN = "vm_shutdown"
    VM_RESET = "vm_reset"
    VM_MOVE = "vm_move"
    VM_MIGRATE = "vm_migrate"
    VM_RESIZE = "vm_resize"
    VM_PAUSE = "vm_pause"
    VM_RESUME = "vm_resume"
    VM_SUSPEND = "vm_suspend"
    VM_WAKE_UP = "vm_wake_up"
    VM_TRASH = "vm_trash"
    VM_DESTROY = "vm_destroy"
    VM_SAVE = "vm_save_and_shutdown"
    VM_TO_IMAGE = "vm_to_image"
    VM_VNC = "vm_vnc"
    VM_CD = "vm_cd"
    DISK_CREATE = "disk_create"
    DISK_ATTACH = "disk_attach"
    DISK_DETACH = "disk_detach"
    NIC_ATTACH = "nic_attach"
    NIC_DETACH = "nic_detach"
    ATTACH_OR_CREATE = "attach_or_create"
    IMAGE_IMPORT = "image_import"
    IMAGE_DELETE = "image_delete"
    DISK_GROW = "disk_grow"
    DISK_FLATTEN = "disk_flatten"
    DISK_COPY = "disk_copy"
    DISK_MOVE = "disk_move"
    VOLUME_DELETE = "volume_delete"
    SNAPSHOT_CREATE = "snapshot_create"
    SNAPSHOT_REVERT = "snapshot_revert"
    SNAPSHOT_DELETE = "snapshot_delete"
    STORAGE_ATTACH = "storage_attach"
    IMAGE_CACHE = "image_cache"
    NODE_EVACUATE = "node_evacuate"
    FARM_LAUNCH = "farm_launch"


class ObjectKind(StrEnum):
    """What an operation may be about; the number of one is its row's."""

    VM = "vm"
    IMAGE = "image"
    DISK = "disk"
    NIC = "nic"
    VOLUME = "volume"
    SNAPSHOT = "snapshot"
    NODE = "node"
    STORAGE = "storage"
    ATTACHMENT = "attachment"  # of a storage to a node
    CACHED_IMAGE = "cached_image"  # a copy on a node's own storage
    FARM = "farm"


WHO_MAY: Final = "who may do this with the VM"


@dataclass(frozen=True)
class KindSpec:
    """
    :ivar holds: the objects that it has to itself while it is open: no other operation that holds one of them begins.
    :ivar shares: objects that it is about beside these.
    :ivar action: what its work is; whoever would retry it or give it up needs the level that asking for it needs. None:
        it is of neither a VM nor an image, and administrators' alone.
    :ivar seconds: until it gives up, beside ``transfers``.
    :ivar failed: the sentence of a message that it failed, up to the reason; its fields are the message's.
    :ivar abandoned: what giving it up does, for the page.
    :ivar transfers: how often the time of one download or upload (``images.timeout_s``) is added to ``seconds``.
    :ivar patient: tried again until its deadline also after errors that a retry does not usually help: the caller was
        told that it will be done.
    :ivar call: the call that asks for it of a VM that is there; ``caller``: and who may.
    :ivar allowed: the VM's states in which that call may be made, beside those that a destroy interrupts.
    :ivar wanted: the intent that the call writes; None: none.
    :ivar shown: the VM's state while it is open; None: what the evidence says.
    :ivar interruptible: a destroy may end it early: the caller wants no part of its outcome any more.
    :ivar yields: it is work that nobody asked for, and holds nothing: whatever is to have one of its objects to itself
        is opened, has it end as far as it is, and waits for that. What it is called meanwhile, for ``str.format`` with
        the objects by their kinds; "": of all others.
    :ivar ends_guest: it ends the guest, and with it what the node does to the guest's disks: it does not wait so.
    :ivar calls_node: it asks its node for something, and so takes one of that node's tokens while it is worked.
    """

    holds: tuple[ObjectKind, ...]
    action: Action | None
    seconds: float
    failed: str
    abandoned: str
    shares: tuple[ObjectKind, ...] = ()
    transfers: int = 0
    patient: bool = False
    call: str = ""
    caller: str = WHO_MAY
    allowed: frozenset[VMState] = frozenset()
    wanted: Wanted | None = None
    shown: VMState | None = None
    interruptible: bool = False
    yields: str = ""
    ends_guest: bool = False
    calls_node: bool = True

    @property
    def concurrent(self) -> bool:
        """It may be open beside others of its VM."""
        return ObjectKind.VM in self.shares

    def until(self, transfer_s: float) -> float:
        """Seconds from its begin, or its retry, to its deadline. ``transfer_s``: what one transfer may take."""
        return self.seconds + self.transfers * transfer_s


_V, _O = VMState, ObjectKind
RESTS: Final = frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED, _V.SUSPENDED, _V.ERROR, _V.PENDING})
AS_SEEN: Final = "the VM is wanted as it is seen"

# "Nothing accepted is lost" makes the ends of VMs patient.
SPECS: Final[dict[OperationKind, KindSpec]] = {
    OperationKind.VM_CREATE: KindSpec(
        holds=(_O.VM,),
        action=Action.DESTROY,  # given up, it ends the VM
        seconds=900,
        failed="VM {name} could not be created",
        abandoned="the VM is destroyed",
        wanted=Wanted.RUNNING,
        shown=_V.STARTING,
        interruptible=True,
    ),
    OperationKind.VM_START: KindSpec(
        holds=(_O.VM,),
        action=Action.START,
        seconds=600,
        failed="VM {name} could not be started",
        abandoned=AS_SEEN,
        call="vm.start",
        # Pending is also what a launch leaves that was given up half-way: a start finds whether its domain runs.
        allowed=frozenset({_V.STOPPED, _V.ERROR, _V.PENDING}),
        wanted=Wanted.RUNNING,
        shown=_V.STARTING,
        interruptible=True,
    ),
    OperationKind.VM_STOP: KindSpec(
        holds=(_O.VM,),
        action=Action.STOP,
        seconds=3600,
        failed="VM {name} could not be stopped",
        abandoned=AS_SEEN,
        patient=True,
        call="vm.stop",
        # Of one that is suspended it forgets the memory.
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.SUSPENDED, _V.ERROR, _V.PENDING}),
        wanted=Wanted.STOPPED,
        shown=_V.STOPPING,
        interruptible=True,
        ends_guest=True,
    ),
    OperationKind.VM_SHUTDOWN: KindSpec(
        holds=(_O.VM,),
        action=Action.SHUTDOWN,
        seconds=3600,
        failed="VM {name} could not be shut down",
        abandoned=AS_SEEN,
        call="vm.shutdown",
        allowed=frozenset({_V.RUNNING}),
        wanted=Wanted.STOPPED,
        shown=_V.STOPPING,
        interruptible=True,
        ends_guest=True,
    ),
    OperationKind.VM_RESET: KindSpec(
        holds=(_O.VM,),
        action=Action.RESET,
        seconds=120,
        failed="VM {name} could not be reset",
        abandoned=AS_SEEN,
        call="vm.reset",
        allowed=frozenset({_V.RUNNING}),
        wanted=Wanted.RUNNING,
        shown=_V.REBOOTING,
        interruptible=True,
    ),
    OperationKind.VM_MOVE: KindSpec(
        holds=(_O.VM,),
        action=Action.STOP,  # given up half-way, it leaves the VM stopped
        seconds=3600,
        failed="VM {name} could not be moved to another node",
        abandoned=f"{AS_SEEN}; the place that it had claimed goes back",
        call="node.evacuate",
        caller="an administrator",
        # An error is what an earlier move left, if it ended half-way; ``evacuate`` tells it from others.
        allowed=frozenset({_V.RUNNING, _V.ERROR}),
        wanted=Wanted.RUNNING,
        shown=_V.REBOOTING,
        interruptible=True,
    ),
    OperationKind.VM_MIGRATE: KindSpec(
        holds=(_O.VM,),
        action=Action.STOP,
        seconds=7 * 86_400,  # once it was begun both nodes have to be asked where its guest is
        failed="VM {name} could not be moved to another node while it runs",
        abandoned="the place that it had claimed goes back; refused while its guest is on its way: that is ended by"
        " `admin.vm.abort_migration`",
        patient=True,
        allowed=frozenset({_V.RUNNING, _V.PAUSED}),
        interruptible=True,
    ),
    OperationKind.VM_RESIZE: KindSpec(
        holds=(_O.VM,),
        action=Action.RESIZE,
        seconds=900,
        failed="VM {name} could not be given another size",
        abandoned="it has what its node and its guest have done of it by then, and is counted for all of it",
        allowed=frozenset({_V.RUNNING}),
        interruptible=True,
    ),
    OperationKind.VM_PAUSE: KindSpec(
        holds=(_O.VM,),
        action=Action.PAUSE,
        seconds=120,
        failed="VM {name} could not be paused",
        abandoned=AS_SEEN,
        call="vm.pause",
        allowed=frozenset({_V.RUNNING}),
        wanted=Wanted.PAUSED,
        interruptible=True,
    ),
    OperationKind.VM_RESUME: KindSpec(
        holds=(_O.VM,),
        action=Action.RESUME,
        seconds=120,
        failed="VM {name} could not be resumed",
        abandoned=AS_SEEN,
        call="vm.resume",
        allowed=frozenset({_V.PAUSED}),
        wanted=Wanted.RUNNING,
        interruptible=True,
    ),
    OperationKind.VM_SUSPEND: KindSpec(
        holds=(_O.VM, _O.VOLUME),  # and what its memory is written to
        action=Action.STOP,
        seconds=86_400,  # once it was begun its node has to be asked what has become of its guest
        failed="VM {name} could not be suspended",
        abandoned="what was claimed goes back, and the VM runs on; refused once its memory is being written",
        patient=True,
        call="vm.suspend",
        allowed=frozenset({_V.RUNNING}),
        wanted=Wanted.SUSPENDED,
        shown=_V.STOPPING,
        interruptible=True,
        ends_guest=True,
    ),
    OperationKind.VM_WAKE_UP: KindSpec(
        holds=(_O.VM,),
        action=Action.START,
        seconds=3600,  # its memory is read
        failed="VM {name} could not be woken up",
        abandoned="it stays suspended; once its memory was read, it is wanted as it is seen",
        call="vm.wake_up",
        allowed=frozenset({_V.SUSPENDED}),
        wanted=Wanted.RUNNING,
        shown=_V.STARTING,
        interruptible=True,
    ),
    OperationKind.VM_TRASH: KindSpec(
        holds=(_O.VM,),
        action=Action.DESTROY,
        seconds=3600,
        failed="VM {name} could not be put into the trash",
        abandoned=AS_SEEN,
        patient=True,
        call="vm.trash",
        # Of one that is suspended it forgets the memory.
        allowed=RESTS,
        wanted=Wanted.TRASHED,
        shown=_V.STOPPING,
        interruptible=True,
        ends_guest=True,
    ),
    OperationKind.VM_DESTROY: KindSpec(
        holds=(_O.VM,),
        action=Action.DESTROY,
        seconds=86_400,
        failed="VM {name} could not be destroyed",
        abandoned="refused: its disk may be gone already",
        patient=True,
        call="vm.destroy",
        allowed=RESTS | {_V.TRASHED},
        wanted=Wanted.DESTROYED,
        shown=_V.DESTROYING,
    ),
    OperationKind.VM_SAVE: KindSpec(
        holds=(_O.VM, _O.IMAGE),  # and the image that it makes
        action=Action.SAVE,
        seconds=7200,
        failed="VM {name} could not be saved",
        abandoned="the reserved image is given back, the disk stays; refused once the image is made",
        call="vm.save_and_shutdown",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED}),
        wanted=Wanted.SAVED,
        shown=_V.SAVING,
    ),
    OperationKind.VM_TO_IMAGE: KindSpec(
        holds=(_O.VM, _O.IMAGE, _O.DISK, _O.SNAPSHOT),  # the image that it makes, and of a VM that runs a snapshot
        action=Action.SAVE,
        seconds=7 * 86_400,  # once a guest may write to either volume, its node alone can tell to which
        failed="VM {name} could not be saved",
        abandoned="the image goes, unless it is made already, and what was written meanwhile is merged with the disk;"
        " refused while its guest changes over",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED}),
        interruptible=True,
    ),
    OperationKind.VM_VNC: KindSpec(
        holds=(),
        shares=(_O.VM,),
        action=Action.CONSOLE,
        seconds=120,
        failed="The screen of VM {name} could not be switched",
        abandoned="nothing to undo",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED, _V.STARTING}),
    ),
    OperationKind.VM_CD: KindSpec(
        holds=(_O.VM,),
        action=Action.DRIVE,
        seconds=120,
        failed="The CD of VM {name} could not be changed",
        abandoned="what was in the drive is in it again",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED}),
        interruptible=True,
    ),
    OperationKind.DISK_CREATE: KindSpec(
        holds=(_O.DISK, _O.IMAGE),
        action=Action.DELETE,
        seconds=3600,
        failed="Disk {name} could not be made",
        abandoned="volume, claims and disk are removed",
    ),
    OperationKind.DISK_ATTACH: KindSpec(
        holds=(_O.VM, _O.DISK),
        action=Action.ATTACH,
        seconds=120,
        failed="Disk {disk_id} could not be attached to VM {name}",
        abandoned="the disk is detached again",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED}),
        interruptible=True,
    ),
    OperationKind.DISK_DETACH: KindSpec(
        holds=(_O.VM, _O.DISK),
        action=Action.ATTACH,
        seconds=3600,
        failed="Disk {disk_id} could not be detached from VM {name}",
        abandoned="the disk stays attached; a guest that was asked for it may still let go",
        allowed=frozenset({_V.RUNNING, _V.STOPPED}),
        interruptible=True,
    ),
    OperationKind.NIC_ATTACH: KindSpec(
        holds=(_O.VM, _O.NIC),
        action=Action.ATTACH,
        seconds=600,  # its node may have to make the network
        failed="VM {name} could not be given another network card",
        abandoned="the network card is taken away again",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED}),
        interruptible=True,
    ),
    OperationKind.NIC_DETACH: KindSpec(
        holds=(_O.VM, _O.NIC),
        action=Action.ATTACH,
        seconds=3600,
        failed="A network card of VM {name} could not be taken away",
        abandoned="the network card stays; a guest that was asked for it may still let go",
        allowed=frozenset({_V.RUNNING, _V.STOPPED}),
        interruptible=True,
    ),
    OperationKind.ATTACH_OR_CREATE: KindSpec(
        holds=(_O.VM,),
        action=Action.DESTROY,
        seconds=2 * 3600,  # a volume may have to be overwritten
        failed="VM {name} could not be given another disk",
        abandoned="what is reserved goes back; a volume that was made is free for others; a guest is asked for it",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED}),
        interruptible=True,
    ),
    OperationKind.IMAGE_IMPORT: KindSpec(
        holds=(_O.IMAGE,),
        action=Action.DELETE,
        seconds=3600,
        transfers=2,
        failed="Image {name} could not be imported",
        abandoned="volume, claims and image are removed",
    ),
    OperationKind.IMAGE_DELETE: KindSpec(
        holds=(_O.IMAGE,),
        action=Action.DELETE,
        seconds=7 * 86_400,  # for a storage whose nodes are all away
        failed="Image {name} could not be deleted",
        abandoned="the claims go back, the volume is left where it may be",
        patient=True,
    ),
    OperationKind.DISK_GROW: KindSpec(
        holds=(_O.VM, _O.IMAGE, _O.DISK),  # the VM that has it, and its entry
        action=Action.EDIT,
        seconds=900,
        failed="A disk of {name} could not be made larger",
        abandoned="what was claimed goes back, unless its node was asked already: then the disk may have grown",
        interruptible=True,
    ),
    OperationKind.DISK_FLATTEN: KindSpec(
        holds=(),
        shares=(_O.VM, _O.DISK),
        action=Action.SNAPSHOT,
        seconds=86_400,
        failed="A disk of {name} could not be made to stand by itself",
        abandoned="the disk goes on as it was; another ends what its node does",
        allowed=frozenset({_V.RUNNING, _V.PAUSED}),
        interruptible=True,
        yields="the flattening of disk {disk}",
    ),
    OperationKind.DISK_COPY: KindSpec(
        # The VM that has the disk, and the entry of what is made. An image that is copied is nobody's to write to.
        holds=(_O.VM, _O.IMAGE, _O.DISK),
        action=Action.EDIT,
        seconds=7200,
        failed="A copy of {name} could not be made",
        abandoned="the copy and what it claimed go; what is copied stays as it was",
        interruptible=True,
    ),
    OperationKind.DISK_MOVE: KindSpec(
        holds=(_O.VM, _O.IMAGE, _O.DISK, _O.VOLUME),  # and the volume that it moves to
        shares=(_O.STORAGE,),
        action=Action.EDIT,
        seconds=7 * 86_400,  # once a guest may write to either volume, its node alone can tell to which
        failed="A disk of {name} could not be moved",
        abandoned="the disk stays where it is and the half-made volume goes; refused while its guest changes over",
        interruptible=True,
    ),
    OperationKind.VOLUME_DELETE: KindSpec(
        holds=(_O.VOLUME,),
        shares=(_O.STORAGE,),
        action=None,
        seconds=7 * 86_400,  # for a storage whose nodes are all away
        failed="A volume that nothing needs could not be deleted from storage {storage_id}",
        abandoned="what it claims goes back, the volume is left where it may be",
        patient=True,
    ),
    # Of the VM that has the disks attached, if one has.
    OperationKind.SNAPSHOT_CREATE: KindSpec(
        holds=(_O.VM, _O.DISK, _O.SNAPSHOT),
        action=Action.SNAPSHOT,
        seconds=600,
        failed="A snapshot could not be taken",
        abandoned="the snapshot is deleted",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED, _V.ERROR}),
    ),
    OperationKind.SNAPSHOT_REVERT: KindSpec(
        holds=(_O.VM, _O.DISK, _O.SNAPSHOT),
        action=Action.SNAPSHOT,
        seconds=3600,
        failed="A disk could not be taken back to a snapshot",
        abandoned="the disk is as it was, or taken back; what is left over goes with the next work on it",
        allowed=frozenset({_V.STOPPED}),
    ),
    OperationKind.SNAPSHOT_DELETE: KindSpec(
        holds=(_O.VM, _O.DISK, _O.SNAPSHOT),
        action=Action.SNAPSHOT,
        seconds=86_400,
        failed="A snapshot could not be deleted",
        abandoned="the snapshot stays, though not as a point to go back to where it was merged or deleted in part,"
        " and can be deleted again",
        allowed=frozenset({_V.RUNNING, _V.PAUSED, _V.STOPPED, _V.ERROR}),
    ),
    OperationKind.STORAGE_ATTACH: KindSpec(
        holds=(_O.ATTACHMENT,),
        shares=(_O.STORAGE,),
        action=None,
        seconds=600,
        failed="Storage {storage_id} could not be attached",
        abandoned="the attachment is marked failed; attach or detach again",
    ),
    OperationKind.IMAGE_CACHE: KindSpec(
        holds=(_O.CACHED_IMAGE,),
        shares=(_O.STORAGE,),
        action=None,
        seconds=6 * 3600,  # it may wait for its turn, behind others
        failed="An image could not be brought to storage {storage_id}, or not be removed from there",
        abandoned="the copy is marked failed, and made anew when it is needed; one that was to go is forgotten, and its"
        " volume left where it may be",
    ),
    OperationKind.NODE_EVACUATE: KindSpec(
        holds=(_O.NODE,),
        action=None,
        seconds=2 * 3600,  # its moves have an hour, and may be tried again
        failed="Node {node_id} could not be emptied",
        abandoned="moves that nobody has begun are given up, and their VMs run on; the others go on",
        calls_node=False,
    ),
    OperationKind.FARM_LAUNCH: KindSpec(
        holds=(_O.FARM,),
        action=None,
        seconds=2 * 3600,  # its VMs have less, one after the other, and may be tried again
        failed="Farm {name} could not be started as a whole",
        abandoned="the VMs that it makes are destroyed",
        calls_node=False,
    ),
}


YIELDING: Final = tuple(kind for kind, spec in SPECS.items() if spec.yields)
# In the arguments.
GIVE_WAY: Final = "give_way"  # of one that yields: it is to end, as far as it is
GAVE_WAY: Final = "gave_way"  # in its result: it did so
BEHIND: Final = "behind"  # the numbers of those that yield, whose end it waits for
HOLDER: Final = "holder"  # the node where a domain without a guest has disks open for it (``names.holder_name``)
# In the arguments for good, also over a retry: a node may have been asked to delete volumes, and may be at it still, so
# that whoever comes after keeps none of them for others.
CLEANING: Final = "cleaning"
# An argument: this one is as patient as those are whose kind is (``KindSpec.patient``).
PATIENT: Final = "patient"


def wiping(volume_id: int) -> str:
    """In the arguments likewise: a node may be wiping this volume, so that nobody uses it who comes after."""
    return f"wiping-{volume_id}"


def shown_as(state: VMState) -> tuple[OperationKind, ...]:
    """The kinds that a VM shows a state for."""
    return tuple(kind for kind, spec in SPECS.items() if spec.shown is state)
