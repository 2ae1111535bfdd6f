"""Waiting for operations and for VMs, with a bar for whoever watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from clm.console.context import Console
from clm.console.problems import INTERRUPTED, UNREACHABLE, OperationFailed, Problem, one_line
from clm.console.quoting import argument
from cm.rpc.errors import ObjectNotFound, Unavailable, UnknownMethod
from cm.rpc.vocabulary import OPEN_OPERATIONS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

POLL_S: Final = 0.5
WAIT, WAIT_ANY, GET_ANY = "user.operation.wait", "admin.operation.wait", "admin.operation.get"
ONE_WAIT_S: Final = 5.0  # of one call; so that progress is seen, and Ctrl-C obeyed soon
AWAY_S: Final = 60.0  # for so long a server that does not answer is asked again

Note = Callable[[str, float], None]


class Watch:
    """Bars on standard error, one for each thing waited for; nothing at all where that is no terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def note(self, what: str, state: str, percent: float) -> None:
        """Say how far something is."""
        if not self._shown:
            return
        if self._bars is None:
            from rich.console import Console as Rich
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

            self._bars = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
                TimeElapsedColumn(), TextColumn("{task.fields[state]}", markup=False), console=Rich(stderr=True),
            )  # fmt: skip
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(one_line(what), total=100, state="")
        self._bars.update(self._tasks[what], completed=percent, state=one_line(state))


class Deadline:
    """When patience ends; with 0 seconds it never does."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds if seconds else float("inf")
        self._away: float | None = None

    def left(self) -> float:
        return self._end - time.monotonic()

    def check(self, what: str, hint: str = "") -> None:
        """:raises Problem: it is over."""
        if self.left() <= 0:
            raise Problem(f"{what} did not end within {self.seconds:g} s; it goes on.", UNREACHABLE, hint)

    def forgive(self, error: Unavailable) -> None:
        """
        Let a failure to answer pass: a server may be restarting, and the work goes on.

        :raises Unavailable: it has lasted too long.
        """
        now = time.monotonic()
        self._away = self._away or now
        if now - self._away > AWAY_S or self.left() <= 0:
            raise error
        time.sleep(1.0)

    def answered(self) -> None:
        self._away = None


def wait_operation(
    console: Console, operation_id: int, *, cluster: str = "", admin: bool = False, deadline: Deadline | None = None,
    note: Note | None = None,
) -> dict[str, Any]:  # fmt: skip
    """
    Wait until an operation has ended.

    :param admin: it may be somebody else's.
    :return: the operation, however it ended.
    :raises Problem: the deadline passed first, or somebody interrupted the wait; the operation goes on.
    """
    with interruptible(_goes_on(operation_id, cluster, admin)):
        return _wait(console, operation_id, cluster, admin, deadline or Deadline(0), note)


@contextmanager
def interruptible(hint: str) -> Iterator[None]:
    """
    Ctrl-C ends a wait, not the work: say so, and how to wait on.

    :raises Problem: somebody interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Problem("Interrupted.", INTERRUPTED, f"It goes on. {hint}") from None


def _goes_on(operation_id: int, cluster: str, admin: bool) -> str:
    where = f" --cluster {argument(cluster)}" if cluster else ""
    return f"To wait for it: wawel op wait {operation_id}{' -A' if admin else ''}{where}"


def _wait(
    console: Console, operation_id: int, cluster: str, admin: bool, deadline: Deadline, note: Note | None
) -> dict[str, Any]:  # fmt: skip
    method = WAIT
    while True:
        try:
            op = _look(console, method, operation_id, cluster, min(ONE_WAIT_S, max(deadline.left(), 0.0)))
            deadline.answered()
        except ObjectNotFound:
            if not admin or method != WAIT:
                raise
            method = WAIT_ANY  # not one of the caller's own
            continue
        except UnknownMethod:
            if method != WAIT_ANY:
                raise
            method = GET_ANY  # a release before has no such view
            continue
        except Unavailable as error:
            deadline.forgive(error)
            continue
        if note is not None:
            state = f"{op.get('state')} {op.get('step') or ''}"
            note(because(state, op.get("waiting_for")), float(op.get("progress") or 0))
        if op.get("state") not in OPEN_OPERATIONS:
            return op
        deadline.check(f"Operation {operation_id}", _goes_on(operation_id, cluster, admin))
        if method == GET_ANY:
            time.sleep(POLL_S)


def _look(console: Console, method: str, operation_id: int, cluster: str, seconds: float) -> dict[str, Any]:
    params: dict[str, Any] = {"operation_id": operation_id}
    if method != GET_ANY:
        params["timeout"] = seconds
    found = console.call(method, params, cluster=cluster)
    if not isinstance(found, dict):
        raise Problem("The server's answer is no operation.", UNREACHABLE)
    return found


def because(state: str, reason: Any) -> str:
    """A state, with what it waits for."""
    return f"{state}: {reason}" if reason else state


def check_ended(op: Mapping[str, Any], what: str) -> None:
    """:raises OperationFailed: it ended otherwise than done."""
    if op.get("state") != "done":
        told = one_line(str(op.get("admin_text") or op.get("text") or op.get("error") or ""))
        number = op.get("operation_id")
        raise OperationFailed(
            f"{what}: operation {number} {op.get('state')}{': ' + told if told else ''}",
            f"Try again with: wawel op retry {number}" if op.get("state") == "failed" else "",
        )


def _reason(console: Console, vm: Mapping[str, Any], cluster: str) -> str:
    """What the operation on a VM waits for; "": nothing, or nobody says."""
    if vm.get("operation_id") is None:
        return ""
    try:
        op = console.call("user.operation.get", {"operation_id": vm["operation_id"]}, cluster=cluster)
    except (ObjectNotFound, Unavailable):
        return ""  # it has ended, or the next look waits for the server
    return str(op.get("waiting_for") or "") if isinstance(op, dict) else ""


def wait_vm(
    console: Console, vm_id: int, *, cluster: str = "", guest: bool = False, deadline: Deadline,
    note: Note | None = None,
) -> dict[str, Any]:  # fmt: skip
    """
    Wait until a VM runs.

    :param guest: until its guest has said hello, too.
    :raises OperationFailed: it came to something else.
    """
    while True:
        try:
            vm = console.call("user.vm.get_by_id", {"vm_id": vm_id}, cluster=cluster)
            deadline.answered()
        except Unavailable as error:
            deadline.forgive(error)
            continue
        state, busy = vm.get("state"), vm.get("operation_id") is not None
        if state == "running" and (vm.get("contextualized") or not guest):
            return dict(vm)
        if not busy and state != "running":
            told = one_line(str(vm.get("error") or ""))
            raise OperationFailed(f"VM {vm.get('name')} is {state}{': ' + told if told else ''}")
        if note is not None:
            told = "waiting for its guest" if state == "running" else str(vm.get("operation") or state)
            note(because(told, _reason(console, vm, cluster)), 99.0)
        deadline.check(f"VM {vm.get('name')}")
        time.sleep(POLL_S)
