"""What went wrong, as a person reads it, and the exit code that a script reads."""

from __future__ import annotations

from typing import Any, Final

import click

from cm.rpc.errors import CloudError, InternalError, NotAuthenticated, Unavailable, UnknownMethod

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
LOGIN: Final = 3
UNREACHABLE: Final = 4
FAILED: Final = 5
INTERRUPTED: Final = 130
PIPE: Final = 141  # as of a program that SIGPIPE ended

LOGIN_HINT: Final = "Log in with: wawel login"


class Problem(click.ClickException):
    """Something that is told in a line: a user's mistake, or a refusal. ``hint`` says what to do about it."""

    exit_code: int  # type: ignore[misc]  # click has one for each class; ours says it with each problem

    def __init__(self, message: str, code: int = USAGE, hint: str = "", error: CloudError | None = None) -> None:
        super().__init__(message)
        self.exit_code = code
        self.hint = hint
        self.error = error


class OperationFailed(Problem):
    """What was waited for ended badly."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, FAILED, hint)


def exit_code(error: CloudError) -> int:
    """The exit code of a server's error."""
    if isinstance(error, NotAuthenticated):
        return LOGIN
    return UNREACHABLE if isinstance(error, Unavailable) else REFUSED


def hint(error: CloudError) -> str:
    """What to do about a server's error; "" where its message says it all."""
    if error.code == "otp_required":
        return "Log in with a second factor: wawel login --otp"
    if isinstance(error, NotAuthenticated):
        return LOGIN_HINT
    if isinstance(error, UnknownMethod):
        return "This server does not have it: it is of another version, or of another kind (cloud, lone cluster)."
    if isinstance(error, InternalError):
        return "Report it to the operator of this cloud."
    if error.retry:
        return "This may pass: try again."
    return ""


def problem_of(error: CloudError, again: str = "") -> Problem:
    """
    A server's error as a problem.

    :param again: how to repeat a change whose end is not known.
    """
    told = again if again and isinstance(error, Unavailable) else hint(error)
    return Problem(one_line(str(error)) or error.code, exit_code(error), told, error)


# What is no server's error has no code of its own: the exit code's word stands for it.
_CODES: Final = {REFUSED: "refused", USAGE: "usage", LOGIN: "not_logged_in", UNREACHABLE: "unavailable",
                 FAILED: "failed", INTERRUPTED: "interrupted"}  # fmt: skip


def structure(message: str, code: int, hint: str = "", error: CloudError | None = None) -> dict[str, Any]:
    """
    A problem for programs.

    :return: with the server's ``code`` and ``fields``, where it was one's; ``retry``: the same may succeed later.
    """
    return {
        "error": {
            "code": error.code if error is not None else _CODES.get(code, "refused"),
            "message": message,
            "fields": plain_fields(error) if error is not None else {},
            "retry": error.retry if error is not None else code == UNREACHABLE,
            "hint": hint,
            "exit_code": code,
        }
    }


def plain_fields(error: CloudError) -> dict[str, Any]:
    return {name: value if _is_plain(value) else str(value) for name, value in error.details().items()}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, (str, int, float, bool))


def one_line(text: str) -> str:
    """A text from outside as it may stand on a terminal, in one line."""
    return visible("".join(" " if c.isspace() else c for c in text)).strip()


def visible(text: str) -> str:
    """A text from outside in its lines; what a terminal would obey, or not show, is written as in Python: \\x1b."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    return " " if c == "\xa0" else c.encode("unicode_escape", "surrogatepass").decode()
