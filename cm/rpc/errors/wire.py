"""Of calls themselves, whatever they are about."""

from __future__ import annotations

from dataclasses import dataclass

from cm.rpc.errors.families import Conflict, InternalError, InvalidRequest, NotPermitted, Unavailable


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
