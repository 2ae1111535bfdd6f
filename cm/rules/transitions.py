"""
The states of each noun as tables: who may leave which state by what, what a state waits for, and where it may rest.

The first four columns are written by SQL, in the places that ``tests/unit/rules/test_transitions.py`` scans; the status
of a VM is no column but ``status`` in ``vm.py``, and its table is held against that function. ``bin/generate``
draws all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cm.rpc.vocabulary import CachedState, ImageState, NodeState, OperationState, VMState
from cm.rules.operation import RESTS, SPECS, OperationKind, shown_as


class AttachmentState(StrEnum):
    """Of a storage to a node: ``storage_attachment.state``."""

    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"
    FAILED = "failed"


@dataclass(frozen=True)
class Move:
    """
    :ivar source: None where the move makes the record.
    :ivar target: None where the record ends: it is deleted, or closed by ``deleted_at`` and its state not read again.
    :ivar by: who causes it.
    """

    source: StrEnum | None
    event: str
    target: StrEnum | None
    by: str


@dataclass(frozen=True)
class Standing:
    """
    What it means to be in a state.

    :ivar rest: it may stay so for ever though nobody acts. A rest that is ``final`` is never left.
    :ivar owner: who is to lead out of a state that is no rest.
    :ivar work: the kinds of operation that own it; their deadlines are its deadline.
    :ivar deadline: what bounds it where no operation does.
    """

    state: StrEnum
    rest: bool = False
    final: bool = False
    owner: str = ""
    work: tuple[OperationKind, ...] = ()
    deadline: str = ""


@dataclass(frozen=True)
class Noun:
    """:ivar table: whose column ``state`` it is; empty where the state is computed."""

    name: str
    table: str
    states: type[StrEnum]
    standings: tuple[Standing, ...]
    moves: frozenset[Move]

    def standing(self, state: StrEnum) -> Standing:
        return next(each for each in self.standings if each.state is state)

    def exits(self, state: StrEnum) -> Sequence[Move]:
        """The moves out of a state, in a fixed order; one that leads back into it begins its work anew."""
        found = [move for move in self.moves if move.source is state]
        return sorted(found, key=lambda move: (move.event, move.target or ""))

    def leads_to(self, source: StrEnum | None, target: StrEnum | None) -> bool:
        return any(move.source is source and move.target is target for move in self.moves)

    def drawn(self) -> Sequence[Move]:
        """All moves: first what makes the record, then by their source as the enumeration has it."""
        order = {state: number for number, state in enumerate(self.states, 1)}
        last = len(order) + 1
        return sorted(
            self.moves,
            key=lambda m: (order[m.source] if m.source else 0, order[m.target] if m.target else last, m.event),
        )


State = StrEnum | None
Row = tuple[Iterable[State], str, Iterable[State], str]


def _moves(*rows: Row) -> frozenset[Move]:
    """Each row leads from every one of its sources to every one of its targets."""
    return frozenset(
        Move(source, event, target, by)
        for sources, event, targets, by in rows
        for source in sources
        for target in targets
    )


FAILED: Final = "failed or deadline"
MADE: Final = (None,)
ENDED: Final = (None,)
ENGINE: Final = "the engine"
ASKER: Final = "who may ask for the operation; an administrator"

# ------------------------------------------------------------------ operation

_O = OperationState

OPERATION: Final = Noun(
    "operation",
    "operation",
    OperationState,
    (
        Standing(_O.QUEUED, owner=ENGINE, deadline="the operation's own, looked at when it is claimed"),
        Standing(
            _O.RUNNING, owner="the worker that holds its lease", deadline="each call of a step has one; the lease's end"
        ),
        Standing(_O.WAITING, owner=ENGINE, deadline="`not_before`; then the operation's own, as of a queued one"),
        Standing(_O.DONE, rest=True, final=True),
        Standing(_O.FAILED, rest=True),
        Standing(_O.ABANDONED, rest=True, final=True),
    ),
    _moves(
        (MADE, "opened", [_O.QUEUED], "a changing call; evidence of an end that nobody asked for; another operation"),
        ([_O.QUEUED, _O.WAITING], "claimed", [_O.RUNNING], ENGINE),
        ([_O.RUNNING], "to be tried again", [_O.QUEUED], ENGINE),
        ([_O.RUNNING], "worker dead", [_O.QUEUED], "another worker, by the lease or the advisory lock"),
        ([_O.RUNNING], "step waits", [_O.WAITING], "the step; a worker that is being stopped"),
        ([_O.RUNNING], "done", [_O.DONE], "the last step"),
        ([_O.RUNNING], "gave way", [_O.ABANDONED], "the step, if the kind yields to others"),
        ([_O.RUNNING], "failed", [_O.FAILED], "the step"),
        ([_O.RUNNING], "deadline", [_O.FAILED], ENGINE),
        ([_O.QUEUED, _O.RUNNING, _O.WAITING], "operation.abandon", [_O.ABANDONED], ASKER),
        (
            [_O.QUEUED, _O.RUNNING, _O.WAITING],
            "vm.destroy",
            [_O.ABANDONED],
            "who may destroy the VM, if the kind is interruptible",
        ),
        ([_O.QUEUED, _O.RUNNING, _O.WAITING], "vm.erase", [_O.ABANDONED], "an administrator"),
        ([_O.FAILED], "operation.retry", [_O.QUEUED], ASKER),
        # What waits between attempts goes on at once.
        ([_O.QUEUED], "operation.retry", [_O.QUEUED], ASKER),
        ([_O.WAITING], "operation.retry", [_O.WAITING], ASKER),
    ),
)

# ------------------------------------------------------------------ image

_I = ImageState

IMAGE: Final = Noun(
    "image",
    "image",
    ImageState,
    (
        Standing(_I.UPLOADING, owner="whoever has its address", deadline="`images.upload_s`, when it is given up"),
        Standing(
            _I.ADDING,
            work=(
                OperationKind.IMAGE_IMPORT, OperationKind.VM_SAVE, OperationKind.VM_TO_IMAGE, OperationKind.DISK_CREATE,
            ),
        ),
        Standing(_I.OK, rest=True),
        Standing(_I.FAILED, rest=True),
        # A disk that is out of use for a while; ``disk.trashed_at`` says since when.
        Standing(_I.TRASHED, rest=True),
        # Nobody can use it, and its volume is being deleted; the record ends with the volume.
        Standing(_I.DELETED, work=(OperationKind.IMAGE_DELETE,)),
    ),
    _moves(
        (MADE, "import", [_I.ADDING], "an administrator"),
        (MADE, "upload", [_I.UPLOADING], "users, administrators"),
        ([_I.UPLOADING], "all of it has come", [_I.ADDING], "whoever has its address"),
        ([_I.UPLOADING], "given up, or too late", ENDED, "whoever has its address; the cluster manager"),
        ([_I.UPLOADING], "image.delete", [_I.DELETED], "its owners, administrators"),
        (MADE, "vm.save_and_shutdown", [_I.ADDING], "who may save the VM; its policy `save` when its guest powers off"),
        (MADE, "vm.save", [_I.ADDING], "who may save the VM"),
        (MADE, "disk.create", [_I.ADDING], "a user"),
        ([_I.ADDING], "imported", [_I.OK], "`image_import`"),
        ([_I.ADDING], "made", [_I.OK], "`disk_create`"),
        ([_I.ADDING], f"disk creation {FAILED}", [_I.FAILED], "`disk_create`"),
        ([_I.ADDING], "disk creation abandoned", [_I.DELETED], ASKER),
        ([_I.OK], "disk.delete", [_I.TRASHED], "its owners"),
        ([_I.TRASHED], "disk.restore", [_I.OK], "its owners"),
        ([_I.TRASHED, _I.FAILED], "disk.purge", [_I.DELETED], "its owners"),
        ([_I.TRASHED], "in the trash for `images.trash_s`", [_I.DELETED], "the cluster manager"),
        ([_I.OK], "vm.destroy of the VM it ends with", ENDED, "`vm_destroy`"),
        ([_I.ADDING], "saved", [_I.OK], "`vm_save_and_shutdown`, `vm_to_image`"),
        ([_I.ADDING], f"vm.save {FAILED}", [_I.FAILED], "`vm_to_image`"),
        ([_I.ADDING], "vm.save abandoned, or its VM destroyed", [_I.DELETED], ASKER),
        ([_I.ADDING], f"import {FAILED}", [_I.FAILED], "`image_import`"),
        ([_I.ADDING], "import abandoned", [_I.DELETED], ASKER),
        ([_I.ADDING], "save failed or abandoned", ENDED, "`vm_save_and_shutdown`; who may save the VM"),
        ([_I.FAILED], "operation.retry", [_I.ADDING], ASKER),
        ([_I.OK], "drift.apply: its volume is lost", [_I.FAILED], "an administrator"),
        ([_I.FAILED], "its volume is found again", [_I.OK], "a pass over its storage"),
        ([_I.FAILED], "failed for `images.failed_s`", ENDED, "the cluster manager"),
        ([_I.OK, _I.FAILED, _I.TRASHED], "image.delete", [_I.DELETED], "its owners, administrators"),
        ([_I.DELETED], "volume gone", ENDED, "`image_delete`"),
        ([_I.DELETED], "operation.abandon", ENDED, ASKER),
        # The deletion itself failed, by its deadline.
        ([_I.DELETED], "operation.retry", [_I.DELETED], ASKER),
        ([_I.DELETED], "image.delete", [_I.DELETED], "its owners, administrators"),
    ),
)

# ------------------------------------------------------------------ node

_N = NodeState
RECONCILER: Final = "the reconciler"
PASS: Final = "the reconciler's pass; an administrator, who asks for a look"

NODE: Final = Noun(
    "node",
    "node",
    NodeState,
    (
        Standing(_N.NEW, owner=RECONCILER, deadline="a pass: at once, then every 2 s"),
        Standing(_N.OK, rest=True),
        # Evidence, no verdict: its VMs stay as they were.
        Standing(_N.UNREACHABLE, owner=RECONCILER, deadline="none; it is asked every 2 s"),
    ),
    _moves(
        (MADE, "node.add", [_N.OK], "an administrator"),
        ([_N.NEW, _N.OK, _N.UNREACHABLE], "it answers", [_N.OK], PASS),
        ([_N.NEW, _N.OK, _N.UNREACHABLE], "it does not answer", [_N.UNREACHABLE], PASS),
        ([_N.NEW, _N.OK, _N.UNREACHABLE], "node.edit of its URI", [_N.NEW], "an administrator"),
        ([_N.NEW, _N.OK, _N.UNREACHABLE], "node.delete", ENDED, "an administrator"),
    ),
)

# ------------------------------------------------------------------ storage attachment

_A = AttachmentState
_ATTACH: Final = (OperationKind.STORAGE_ATTACH,)

ATTACHMENT: Final = Noun(
    "storage attachment",
    "storage_attachment",
    AttachmentState,
    (
        Standing(_A.ATTACHING, work=_ATTACH),
        Standing(_A.ATTACHED, rest=True),
        Standing(_A.DETACHING, work=_ATTACH),
        Standing(_A.FAILED, rest=True),
    ),
    _moves(
        ([None, _A.FAILED], "storage.attach", [_A.ATTACHING], "an administrator"),
        # What is attached is looked after again, and stays usable meanwhile.
        ([_A.ATTACHED], "storage.attach", [_A.ATTACHED], "an administrator"),
        ([_A.ATTACHING], "attached", [_A.ATTACHED], "`storage_attach`"),
        ([_A.ATTACHED, _A.FAILED], "storage.detach", [_A.DETACHING], "an administrator"),
        ([_A.DETACHING], "detached", ENDED, "`storage_attach`"),
        ([_A.DETACHING], "in use", [_A.ATTACHED], "`storage_attach`"),
        ([_A.ATTACHING, _A.ATTACHED, _A.DETACHING], FAILED, [_A.FAILED], "`storage_attach`"),
        ([_A.ATTACHING, _A.ATTACHED, _A.DETACHING], "operation.abandon", [_A.FAILED], ASKER),
        ([None, _A.FAILED], "operation.retry", [_A.ATTACHING, _A.DETACHING], ASKER),
        ([_A.ATTACHING, _A.ATTACHED, _A.DETACHING, _A.FAILED], "node.delete", ENDED, "an administrator"),
    ),
)

# ------------------------------------------------------------------ image on a node's own storage

_C = CachedState
_CACHE: Final = (OperationKind.IMAGE_CACHE,)
_BY_CACHE: Final = "`image_cache`"

CACHED: Final = Noun(
    "cached image",
    "cached_image",
    CachedState,
    (
        Standing(_C.WAITING, work=_CACHE),
        Standing(_C.COPYING, work=_CACHE),
        Standing(_C.OK, rest=True),
        Standing(_C.FAILED, rest=True),
        Standing(_C.EVICTING, work=_CACHE),
    ),
    _moves(
        (MADE, "vm.create", [_C.WAITING], "a user"),
        (MADE, "system_image.prefetch", [_C.WAITING], "an administrator"),
        ([_C.WAITING], "its turn", [_C.COPYING], _BY_CACHE),
        ([_C.COPYING], "tried again", [_C.COPYING], _BY_CACHE),
        ([_C.WAITING, _C.COPYING], "copied", [_C.OK], _BY_CACHE),
        ([_C.WAITING, _C.COPYING, _C.EVICTING], FAILED, [_C.FAILED], _BY_CACHE),
        ([_C.WAITING, _C.COPYING], "operation.abandon", [_C.FAILED], "an administrator"),
        ([_C.FAILED], "needed again", [_C.WAITING], "a VM's launch; an administrator, by `system_image.prefetch`"),
        ([_C.OK, _C.FAILED], "system_image.evict", [_C.EVICTING], "an administrator"),
        ([_C.OK, _C.FAILED], "room is needed", [_C.EVICTING], "the cluster manager"),
        ([_C.OK, _C.FAILED], "image.delete", [_C.EVICTING], "its owners, administrators"),
        ([_C.OK, _C.FAILED], "system_image.convert_to_storage_image", [_C.EVICTING], "its owners"),
        ([_C.WAITING, _C.COPYING], "the image was deleted", [_C.EVICTING], _BY_CACHE),
        ([_C.EVICTING], "volume gone", ENDED, _BY_CACHE),
        ([_C.EVICTING], "operation.abandon", ENDED, "an administrator"),
        # A disk was made from it in the moment that it was to go.
        ([_C.EVICTING], "volume gone, but needed", [_C.WAITING], _BY_CACHE),
        ([_C.FAILED], "operation.retry", [_C.WAITING, _C.EVICTING], "an administrator"),
        (list(_C), "node.delete", ENDED, "an administrator"),
    ),
)

# ------------------------------------------------------------------ VM

_V = VMState
_RESTS: Final = tuple(state for state in VMState if state in RESTS)
_UNDER_WAY: Final = tuple(state for state in VMState if shown_as(state))
# What a destroy interrupts shows one of these.
_INTERRUPTIBLE: Final = {spec.shown for spec in SPECS.values() if spec.interruptible and spec.shown}
_BY_WORK: Final = "the operation that is under way"
_BY_EVIDENCE: Final = "a look or a pass"
_BY_END: Final = "the node's hook, a look or a pass; an administrator, by `drift.apply` or `node.fence`"


def _called_in(kind: OperationKind) -> frozenset[VMState]:
    return SPECS[kind].allowed | (_INTERRUPTIBLE if kind is OperationKind.VM_DESTROY else frozenset())


VM: Final = Noun(
    "VM",
    "",
    VMState,
    (
        # Nothing was ever seen of its domain since it was launched, or it was never launched, and no operation says so.
        Standing(
            _V.PENDING,
            owner="a pass over its node; its callers, where it is placed on none",
            deadline="none",
        ),
        Standing(_V.STARTING, work=shown_as(_V.STARTING)),
        Standing(_V.RUNNING, rest=True),
        Standing(_V.PAUSED, rest=True),
        Standing(_V.STOPPING, work=shown_as(_V.STOPPING)),
        Standing(_V.STOPPED, rest=True),
        Standing(_V.SUSPENDED, rest=True),
        Standing(_V.SAVING, work=shown_as(_V.SAVING)),
        Standing(_V.REBOOTING, work=shown_as(_V.REBOOTING)),
        Standing(_V.ERROR, rest=True),
        Standing(_V.TRASHED, rest=True),
        Standing(_V.DESTROYING, work=shown_as(_V.DESTROYING)),
        Standing(_V.DESTROYED, rest=True, final=True),
    ),
    _moves(
        (MADE, "vm.create", [_V.STARTING], "a user"),
        *(
            ([state for state in VMState if state in _called_in(kind)], spec.call, [spec.shown], spec.caller)
            for kind, spec in SPECS.items()
            if spec.call and spec.shown
        ),
        ([_V.TRASHED], "vm.recover", [_V.STOPPED, _V.PENDING], ASKER),
        ([_V.TRASHED], "in the trash for `cluster.vm_trash_s`", [_V.DESTROYING], "the cluster manager"),
        ([*_RESTS, _V.TRASHED, *_UNDER_WAY], "vm.erase", [_V.DESTROYED], "an administrator"),
        # Pausing and resuming show no state of their own: the VM is what is seen of it.
        ([_V.RUNNING], "pause done", [_V.PAUSED], _BY_WORK),
        ([_V.PAUSED], "resume done", [_V.RUNNING], _BY_WORK),
        ([_V.STARTING], "done", [_V.RUNNING], _BY_WORK),
        # Its guest had ended before the launch could be recorded: its policy follows at once.
        ([_V.STARTING], "done", [_V.STOPPING, _V.SAVING, _V.DESTROYING], _BY_WORK),
        ([_V.STOPPING], "done", [_V.STOPPED, _V.SUSPENDED, _V.TRASHED, _V.PENDING], _BY_WORK),
        # A reset leaves what is seen as it is, where the domain ended meanwhile.
        ([_V.REBOOTING], "done", [_V.RUNNING, _V.ERROR, _V.PENDING], _BY_WORK),
        ([_V.SAVING, _V.DESTROYING], "done", [_V.DESTROYED], _BY_WORK),
        # Then evidence says what it is, and an error only where its domain does not run.
        (_UNDER_WAY, FAILED, [_V.RUNNING, _V.PAUSED], _BY_WORK),
        ([_V.STARTING, _V.STOPPING, _V.SAVING, _V.DESTROYING], FAILED, [_V.ERROR], _BY_WORK),
        ([_V.STOPPING, _V.REBOOTING], FAILED, [_V.STOPPED, _V.PENDING], _BY_WORK),
        ([_V.STARTING, _V.STOPPING], FAILED, [_V.SUSPENDED], _BY_WORK),
        # An operation without a state of its own: it wants the VM to be what is seen.
        ([_V.ERROR], FAILED, [_V.STOPPED], _BY_WORK),
        (
            [_V.STARTING, _V.STOPPING, _V.REBOOTING, _V.SAVING],
            "operation.abandon",
            [_V.RUNNING, _V.PAUSED, _V.STOPPED, _V.PENDING],
            ASKER,
        ),
        ([_V.STARTING, _V.STOPPING, _V.SAVING], "operation.abandon", [_V.ERROR], ASKER),
        ([_V.STARTING], "operation.abandon", [_V.SUSPENDED, _V.DESTROYING], ASKER),
        ([_V.ERROR], "operation.abandon", [_V.STOPPED], ASKER),
        (_RESTS, "operation.retry", _UNDER_WAY, ASKER),
        ([_V.TRASHED], "operation.retry", [_V.DESTROYING], ASKER),
        # A pause or resume that is tried again, which wants the VM otherwise and shows no state of its own.
        ([_V.STOPPED, _V.SUSPENDED], "operation.retry", [_V.ERROR], ASKER),
        ([_V.ERROR, _V.SUSPENDED], "operation.retry", [_V.PENDING], ASKER),
        ([_V.RUNNING, _V.PAUSED], "drift.apply", [_V.STOPPING], "an administrator"),
        (
            [_V.PENDING, _V.RUNNING, _V.PAUSED, _V.ERROR],
            "its domain ended",
            [_V.STARTING, _V.STOPPING, _V.SAVING, _V.DESTROYING],
            _BY_END,
        ),
        # Nothing was ever seen of its domain, until it is seen gone.
        ([_V.TRASHED], "its domain ended", [_V.STOPPING], _BY_END),
        # Under way is a pause or resume, which is woken by it and fails next.
        ([_V.PENDING, _V.RUNNING, _V.PAUSED], "its domain ended", [_V.ERROR], _BY_END),
        (
            [_V.PENDING, _V.PAUSED, _V.STOPPED, _V.SUSPENDED, _V.TRASHED, _V.ERROR],
            "seen running",
            [_V.RUNNING],
            _BY_EVIDENCE,
        ),
        ([_V.PENDING, _V.RUNNING, _V.STOPPED, _V.TRASHED, _V.ERROR], "seen paused", [_V.PAUSED], _BY_EVIDENCE),
    ),
)

NOUNS: Final = (OPERATION, IMAGE, NODE, ATTACHMENT, CACHED, VM)
