"""
The error taxonomy. A family says what the caller can do; a case is a class whose code and fields travel on the wire.

Families: ``InvalidRequest`` (correct it), ``NotAuthenticated``, ``NotPermitted``, ``NotFound``, ``Conflict`` (change
its state first), ``LimitReached`` (quota, capacity), ``Unavailable`` (later), ``InternalError`` (ours). ``number`` is
the JSON-RPC error code and the XML-RPC fault code, one per family; ``code`` is the slug, for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar


class CloudError(Exception):
    """Anything a caller may be told. Subclasses are dataclasses; ``message`` is formatted from their fields."""

    number: ClassVar[int] = -32000
    code: ClassVar[str] = "error"
    message: ClassVar[str] = "The call failed."
    retry: ClassVar[bool] = False  # whether the same call may succeed later, unchanged

    def __str__(self) -> str:
        return self.message.format(**self.details())

    def for_user(self) -> str:
        """What somebody is told of it who may not know which machines there are."""
        return str(self)

    def for_administrator(self) -> str:
        """The same with what was noted (``add_note``) for administrators alone, who may also read it in the log."""
        return " ".join([str(self), *getattr(self, "__notes__", ())])

    def details(self) -> dict[str, Any]:
        """The case's own fields, for the wire; never secrets."""
        return {f.name: getattr(self, f.name) for f in fields(self)} if is_dataclass(self) else {}


class InvalidRequest(CloudError):
    number = -32602
    code = "invalid_request"


class NotAuthenticated(CloudError):
    number = -32001
    code = "not_authenticated"
    message = "Say who you are: a caller token, or a login and its password."


class NotPermitted(CloudError):
    number = -32003
    code = "not_permitted"
    message = "You may not do this."


class NotFound(CloudError):
    number = -32004
    code = "not_found"


class Conflict(CloudError):
    number = -32009
    code = "conflict"


class LimitReached(CloudError):
    number = -32029
    code = "limit_reached"


class Unavailable(CloudError):
    number = -32053
    code = "unavailable"
    retry = True


class InternalError(CloudError):
    number = -32603
    code = "internal_error"


# ------------------------------------------------------------------ the wire itself


@dataclass(eq=False)
class UnknownMethod(InvalidRequest):
    number = -32601
    code = "unknown_method"
    message = "There is no method {method}."
    method: str


@dataclass(eq=False)
class MalformedRequest(InvalidRequest):
    number = -32600
    code = "malformed_request"
    message = "The request is malformed: {reason}."
    reason: str


@dataclass(eq=False)
class UnparsableRequest(InvalidRequest):
    number = -32700
    code = "unparsable_request"
    message = "The request could not be parsed: {reason}."
    reason: str


@dataclass(eq=False)
class TooLarge(InvalidRequest):
    code = "too_large"
    message = "{what} is larger than {limit}."
    what: str
    limit: int


@dataclass(eq=False)
class InvalidParameter(InvalidRequest):
    code = "invalid_parameter"
    message = "Parameter {parameter}: {reason}."
    parameter: str
    reason: str


@dataclass(eq=False)
class RequestIdReused(Conflict):
    code = "request_id_reused"
    message = "request_id {request_id} was used for another call."
    request_id: str


@dataclass(eq=False)
class VersionChanged(Conflict):
    code = "version_changed"
    message = "The {kind} {object_id} is at version {version}, not {expected}."
    kind: str
    object_id: int
    version: int
    expected: int


@dataclass(eq=False)
class RoleNeeded(NotPermitted):
    code = "role_needed"
    message = "This needs the role {role}."
    role: str


@dataclass(eq=False)
class Incident(InternalError):
    """Something of ours broke; the log tells more under the incident's id."""

    code = "incident"
    message = "An internal error; the operator finds it in the log as {incident}."
    incident: str


@dataclass(eq=False)
class DeadlineExceeded(Unavailable):
    code = "deadline_exceeded"
    message = "{what} did not end within {seconds} s."
    what: str
    seconds: float
    last: str = ""  # the reason of the last attempt, or what it waited for

    def __str__(self) -> str:
        return f"{super().__str__()} At the end: {self.last}" if self.last else super().__str__()


@dataclass(eq=False)
class Overloaded(Unavailable):
    code = "overloaded"
    message = "Too many calls are waiting; try again shortly."


class Stopping(Unavailable):
    code = "stopping"
    message = "The server is being stopped. What it had accepted goes on with its next start; call again then."


@dataclass(eq=False)
class RateLimited(Unavailable):
    code = "rate_limited"
    message = "Too many calls of {method}; try again in {retry_after_s} s."
    method: str
    retry_after_s: int


@dataclass(eq=False)
class TooManyLogins(Unavailable):
    """Too many wrong passwords or codes lately; this one was not looked at."""

    code = "too_many_logins"
    message = "Too many wrong logins; try again in {retry_after_s} s."
    retry_after_s: int


@dataclass(eq=False)
class TooManyAtOnce(Unavailable):
    """The caller's own share is used up; others are served."""

    code = "too_many_at_once"
    message = "You have {limit} {what} at once already; try again when one of them has ended."
    what: str
    limit: int


@dataclass(eq=False)
class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    message = "The database does not answer; try again shortly."


# ------------------------------------------------------------------ objects


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


# ------------------------------------------------------------------ images


@dataclass(eq=False)
class ImageRefused(InvalidRequest):
    """An image that we do not let near QEMU; ``reason`` names the fault in it."""

    code = "image_refused"
    message = "The image is refused: {reason}."
    reason: str


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


# ------------------------------------------------------------------ nodes and drivers


@dataclass(eq=False)
class SameHost(Conflict):
    """One machine cannot be two nodes."""

    code = "same_host"
    message = "The machine {host} is node {node} ({node_id}) already."
    host: str
    node: str
    node_id: int


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
class VolumeNotFound(NotFound):
    code = "volume_not_found"
    message = "Storage {storage} has no volume {name}."
    storage: str
    name: str


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
class EnrolmentRefused(NotPermitted):
    code = "enrolment_refused"
    message = "The enrolment token is unknown, used or expired."


def family(error: CloudError) -> type[CloudError]:
    """The family of a case: what its caller can do about it."""
    for cls in type(error).__mro__:
        if CloudError in cls.__bases__:
            return cls
    return CloudError
