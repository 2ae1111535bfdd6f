"""What a caller can do about an error: the base of all, and the families, each with its number on the wire."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Final

# Of files and devices on machines, as libvirt, QEMU and tools name them in what they refuse.
_PATHS: Final = re.compile(r"(?<![\w./:-])/[\w.@+=%~-]+(?:/[\w.@+=%~-]+)+/?")


def without_paths(told: str) -> str:
    """A foreign program's words for somebody who may not know how the machines are laid out."""
    return _PATHS.sub("(a file of the node)", told)


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


def family(error: CloudError) -> type[CloudError]:
    """The family of a case: what its caller can do about it."""
    for cls in type(error).__mro__:
        if CloudError in cls.__bases__:
            return cls
    return CloudError


def refuse(reason: CloudError | None) -> None:
    """Raise what a rule tells, if it tells something."""
    if reason is not None:
        raise reason
