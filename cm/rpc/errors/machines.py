"""Of nodes, and of what drivers are told by hypervisors and storages."""

from __future__ import annotations

from dataclasses import dataclass

from cm.rpc.errors.families import CloudError, Conflict, NotFound, NotPermitted, Unavailable, without_paths


@dataclass(eq=False)
class SameHost(Conflict):
    """One machine cannot be two nodes."""

    code = "same_host"
    message = "The machine {host} is node {node} ({node_id}) already."
    host: str
    node: str
    node_id: int


@dataclass(eq=False)
class NodeAnswers(Conflict):
    """What runs there can be asked, and ended in order."""

    code = "node_answers"
    message = "Node {node} answers: empty it by admin.node.evacuate."
    node: str


@dataclass(eq=False)
class NodeUnreachable(Unavailable):
    """No answer in time; what was asked may or may not have happened."""

    code = "node_unreachable"
    message = "Node {node} does not answer: {reason}."
    node: str
    reason: str

    def for_user(self) -> str:
        return "The node does not answer."


@dataclass(eq=False)
class RunsElsewhere(Unavailable):
    code = "vm_runs_elsewhere"
    message = "VM {vm_id} was seen running on node {node_id}, where it is not placed; it must not run twice."
    vm_id: int
    node_id: int


@dataclass(eq=False)
class NowhereToStart(Unavailable):
    code = "vm_nowhere_to_start"
    message = "VM {vm_id} is off, and no node can take it now: {reason}."
    vm_id: int
    reason: str


@dataclass(eq=False)
class StorageUnreached(Unavailable):
    code = "storage_unreached"
    message = "No node that answers has storage {storage_id} attached."
    storage_id: int

    def for_user(self) -> str:
        return "Where this lies cannot be reached at the moment. Try again later, or ask an administrator."


@dataclass(eq=False)
class StorageSilent(Unavailable):
    """
    The server of a storage does not answer a node. A QEMU that is killed meanwhile cannot end, and libvirt there waits
    with it, so nobody's power is cut until the server is back.
    """

    code = "storage_silent"
    message = "The storage at {path} does not answer node {node}; no VM with a disk there is ended until it does."
    node: str
    path: str

    def for_user(self) -> str:
        return "The storage of a disk does not answer. The VM ends as soon as it does."


@dataclass(eq=False)
class CopyDamaged(Unavailable):
    code = "copy_damaged"
    message = "Of {noun} {object_id}, which is copied by way of node {node_id}, {reason}."
    noun: str
    object_id: int
    node_id: int
    reason: str


@dataclass(eq=False)
class ImageChanged(Conflict):
    """Nobody writes to a system image, so that something else than this software did, or its storage is damaged."""

    code = "image_changed"
    message = "Image {image_id} is not what was imported: the bytes at its storage have another SHA-256."
    image_id: int


@dataclass(eq=False)
class ImageNotCopied(Conflict):
    """A VM's disk is to be made from a copy on its node, which could not be had."""

    code = "image_not_copied"
    message = "Image {image_id} could not be copied to node {node_id}: {reason}"
    image_id: int
    node_id: int
    reason: str


@dataclass(eq=False)
class NodeBusy(Unavailable):
    code = "node_busy"
    message = "Node {node} is busy: {reason}."
    node: str
    reason: str

    def for_user(self) -> str:
        return "The node is busy."


@dataclass(eq=False)
class HypervisorError(CloudError):
    """The hypervisor refused; ``libvirt_code`` is virErrorNumber."""

    number = -32050
    code = "hypervisor_error"
    message = "The hypervisor refused: {reason} (libvirt {libvirt_code})."
    reason: str
    libvirt_code: int

    def for_user(self) -> str:
        return f"The hypervisor refused: {without_paths(self.reason)}. Try again; if it stays so, ask an administrator."


@dataclass(eq=False)
class LibvirtError(HypervisorError):
    """libvirt's own refusal, as the managed-node model passes it on; ``libvirt_domain`` is virErrorDomain."""

    code = "libvirt_error"
    message = "libvirt refused: {reason} (code {libvirt_code}, domain {libvirt_domain})."
    libvirt_domain: int


@dataclass(eq=False)
class IsOurs(Conflict):
    """What is the cluster's is changed by the cluster's calls, which keep its records true."""

    code = "is_ours"
    message = "This {what} is the cluster's own, number {object_id}: what is called for it is {call}."
    what: str
    object_id: int
    call: str


@dataclass(eq=False)
class ReachesHost(Conflict):
    code = "reaches_host"
    message = "It would have what is the host's: {what}. Whoever wants that says host_access."
    what: str


@dataclass(eq=False)
class AlreadyRestored(Conflict):
    """Its disks have gone on since it was saved."""

    code = "already_restored"
    message = "The domain in {filename} was restored already; a second time, its disks would be damaged."
    filename: str


@dataclass(eq=False)
class CannotMigrate(Conflict):
    """Nothing was begun."""

    code = "cannot_migrate"
    message = "VM {vm_id} cannot move to {node} while it runs: {reason}."
    vm_id: int
    node: str
    reason: str

    def for_user(self) -> str:
        return "The VM cannot move to another node while it runs; an administrator is told why."


@dataclass(eq=False)
class MigrationFailed(Conflict):
    """Nothing of the VM is at the node that it was to go to."""

    code = "migration_failed"
    message = "VM {vm_id} was not moved: {reason}."
    vm_id: int
    reason: str

    def for_user(self) -> str:
        return f"The VM was not moved: {without_paths(self.reason)}."


@dataclass(eq=False)
class SuspensionFailed(Conflict):
    """Its guest goes on, or has ended; nothing is kept of its memory."""

    code = "suspension_failed"
    message = "VM {vm_id} was not suspended: {reason}."
    vm_id: int
    reason: str

    def for_user(self) -> str:
        return f"The VM was not suspended: {without_paths(self.reason)}."


@dataclass(eq=False)
class DomainNotFound(NotFound):
    code = "domain_not_found"
    message = "The node has no domain {name}."
    name: str


@dataclass(eq=False)
class DomainNotRunning(Conflict):
    code = "domain_not_running"
    message = "The domain {name} is not running."
    name: str


@dataclass(eq=False)
class DiskBusy(Conflict):
    """Its bytes are being copied or merged, and not yet so far."""

    code = "disk_busy"
    message = "Disk {device} of the domain {name} is busy: {reason}."
    name: str
    device: str
    reason: str


@dataclass(eq=False)
class TrayLocked(Conflict):
    """The guest was asked to let go, so it may work after a while; a forced change takes the medium away from it."""

    code = "tray_locked"
    message = "The guest of domain {name} holds the medium in drive {device}: eject it there, or force it."
    retry = True
    name: str
    device: str


@dataclass(eq=False)
class VolumeNotFound(NotFound):
    code = "volume_not_found"
    message = "Storage {storage} has no volume {name}."
    storage: str
    name: str

    def for_user(self) -> str:
        return "What this needs is not on its storage; an administrator may find out why, and restore it from a backup."


@dataclass(eq=False)
class VolumeLost(Conflict):
    code = "volume_lost"
    message = "What was on disk {name} is lost; an administrator may restore it from a backup, or delete what has it."
    name: str


@dataclass(eq=False)
class ConsoleInUse(Conflict):
    code = "console_in_use"
    message = "Somebody speaks to the serial console of {name} already; it can be taken from them."
    name: str


@dataclass(eq=False)
class ScreenClosed(Conflict):
    code = "screen_closed"
    message = "The screen of VM {vm_id} is closed; user.vm.attach_vnc opens it."
    vm_id: int


@dataclass(eq=False)
class ScreenUnreachable(Unavailable):
    code = "screen_unreachable"
    message = "The screen cannot be reached: {reason}."
    reason: str

    def for_user(self) -> str:
        return "The screen cannot be reached; try again."


@dataclass(eq=False)
class StreamIdle(Unavailable):
    code = "stream_idle"
    message = "Nothing was sent or taken for {seconds} s."
    seconds: float


@dataclass(eq=False)
class NotSupported(Conflict):
    """This hypervisor cannot do it (libvirt's test driver lacks consoles, uploads and device updates)."""

    code = "not_supported"
    message = "This hypervisor cannot {what}."
    what: str


@dataclass(eq=False)
class NotApplicable(Conflict):
    """A finding that only somebody who looks can settle."""

    code = "drift_not_applicable"
    message = "Finding {drift_id} cannot be settled from here; what to do: {proposal}."
    drift_id: int
    proposal: str


@dataclass(eq=False)
class TicketRefused(NotPermitted):
    code = "ticket_refused"
    message = "The ticket is unknown, used or expired; ask for another."


@dataclass(eq=False)
class EnrolmentRefused(NotPermitted):
    code = "enrolment_refused"
    message = "The enrolment token is unknown, used or expired."


@dataclass(eq=False)
class AgentSilent(Conflict):
    """The guest has no agent that could do it, or one that does not answer; what it was told it may do later."""

    code = "agent_silent"
    message = "The guest's agent does not answer: {reason}."
    reason: str


@dataclass(eq=False)
class AgentRefused(Conflict):
    """The guest's agent has answered that it cannot do it, or will not."""

    code = "agent_refused"
    message = "The guest's agent refused: {reason}."
    reason: str


@dataclass(eq=False)
class AgentNeeded(Conflict):
    """Wawel's own agent alone does this, and the guest has none, or one of a version that does not."""

    code = "agent_needed"
    message = "Wawel's own agent in the guest does this ({action}), and {reason}."
    action: str
    reason: str


@dataclass(eq=False)
class GuestNotFrozen(Conflict):
    """The guest's agent did not freeze its file systems; nothing was done."""

    code = "guest_not_frozen"
    message = "The guest's file systems could not be frozen: {reason}."
    reason: str
