"""``wawel vm vnc`` and ``wawel vm screenshot``: a VM's screen, as it goes on and as it is."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import click

from clm.console.context import Console
from clm.console.names import find
from clm.console.options import shared
from clm.console.output import emit, emit_file
from clm.console.problems import REFUSED, Problem, one_line
from clm.console.values import NamedType
from clm.console.waiting import Deadline, check_ended, wait_operation


@click.command("vnc")
@click.argument("which", type=NamedType("vm"), metavar="VM")
@click.option("--off", is_flag=True, help="Close the screen again.")
@click.option("--password-file", metavar="FILE", help="Write the password to this new file, and do not print it.")
@click.option("--vv", metavar="FILE", help="Write a file that remote-viewer opens, password and all.")
@click.pass_obj
def vnc(console: Console, which: str, off: bool, password_file: str | None, vv: str | None) -> None:
    """
    Open a VM's screen over VNC, and tell where it is.

    The password is told this once; with --vv FILE, remote-viewer FILE shows the screen.
    """
    files = [Path(each).expanduser() for each in (password_file, vv) if each]
    if off and files:
        raise click.UsageError("--password-file and --vv go with opening a screen.")
    for path in files:
        _check_new(path)
    found = find(console, "vm", which)
    method = "user.vm.detach_vnc" if off else "user.vm.attach_vnc"
    answer = console.change(method, {"vm_id": found.id}, cluster=found.cluster)
    if console.options.dry_run or not isinstance(answer, dict):
        emit(console, answer, "vnc")
        return
    if answer.get("port"):
        host = f"[{answer['address']}]" if ":" in str(answer["address"]) else answer["address"]
        answer = {**answer, "url": f"vnc://{host}:{answer['port']}"}
    try:
        answer = _keep(answer, found.shown, password_file, vv)
    except OSError as error:
        emit(console, answer, "vnc")  # else nobody would ever know the password
        raise Problem(f"{error.filename} cannot be written: {error.strerror}.", REFUSED) from None
    if answer.get("operation_id"):
        op = wait_operation(console, answer["operation_id"], cluster=found.cluster, deadline=Deadline(60))
        check_ended(op, f"VM {found.shown}")
    emit(console, answer, "vnc")


vnc.params += shared(changes=True)


@click.command("screenshot")
@click.argument("which", type=NamedType("vm"), metavar="VM")
@click.argument("target", metavar="FILE")
@click.pass_obj
def screenshot(console: Console, which: str, target: str) -> None:
    """
    Keep what a running VM's screen shows as a new PNG file; - for standard output.

    The screen need not be open, and nobody who looks at it notices.
    """
    path = Path(target).expanduser()
    if target != "-":
        _check_new(path)
    found = find(console, "vm", which)
    answer = console.call("user.vm.get_screenshot", {"vm_id": found.id}, cluster=found.cluster)
    picture = base64.b64decode(answer["png"])
    if target == "-":
        emit_file(picture)
        return
    try:
        with open(path, "xb", opener=_private) as file:
            file.write(picture)
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror}.", REFUSED) from None
    told = {"vm_id": found.id, "file": str(path), "width": answer["width"], "height": answer["height"]}
    emit(console, told, "screenshot")


screenshot.params += shared()


def _check_new(path: Path) -> None:
    if path.exists() or not path.parent.is_dir():
        raise Problem(f"{path} is there already." if path.exists() else f"There is no directory {path.parent}.")


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _keep(answer: dict[str, Any], name: str, password_file: str | None, vv: str | None) -> dict[str, Any]:
    """Write the files that were asked for; the answer without what they hold."""
    password = str(answer.get("password") or "")
    if password_file:
        _write(Path(password_file).expanduser(), password + "\n")
        answer = {**answer, "password_file": password_file}
    if vv:
        told = {"type": "vnc", "host": answer.get("address"), "port": answer.get("port"), "password": password,
                "title": one_line(name), "delete-this-file": 1}  # fmt: skip
        lines = [f"{key}={one_line(str(value))}" for key, value in told.items()]
        _write(Path(vv).expanduser(), "\n".join(["[virt-viewer]", *lines, ""]))
        answer = {**answer, "vv": vv}
    return {key: value for key, value in answer.items() if key != "password"} if password_file or vv else answer


def _write(path: Path, text: str) -> None:
    with open(path, "x", opener=_private) as file:
        file.write(text)
