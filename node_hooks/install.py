"""Putting the hook where libvirt finds it, and telling which one stands there."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from node_hooks import qemu_hook
from node_hooks.errors import WrongUse
from node_hooks.state import write_durably

_VERSION = re.compile(r'^HOOK_VERSION = "([^"\n]*)"$', re.MULTILINE)
_SPOOL = re.compile(r"^SPOOL = .*$", re.MULTILINE)
_OURS = "wawel hook:"


@dataclass(frozen=True)
class Installation:
    """
    :ivar needs_reload: libvirt looks for hooks only when it starts or is reloaded (SIGHUP), and found none so far.
    :ivar beside_foreign: somebody else's ``qemu`` stays, and runs before ours.
    """

    path: Path
    needs_reload: bool
    beside_foreign: bool


def hook_source(spool: Path) -> str:
    """
    The hook for this spool, ready to be installed.

    :raises WrongUse: the path cannot stand in a line of Python.
    """
    if not str(spool).isprintable() or not str(spool).isascii():
        raise WrongUse(f"The spool {str(spool)!r} must be a plain ASCII path.")
    source = Path(qemu_hook.__file__).read_text()
    return _SPOOL.sub(lambda _: f"SPOOL = {str(spool)!r}", source, count=1)


def installed_version(path: Path) -> str | None:
    """The version of our hook at ``path``; ``None`` when there is no hook, or not ours."""
    try:
        source = path.read_text()
    except (OSError, UnicodeDecodeError):
        return None
    found = _VERSION.search(source)
    return found[1] if found and _OURS in source else None


def check_installable(hooks_dir: Path, spool: Path) -> None:
    """:raises WrongUse: ``install_hook`` would fail."""
    hook_source(spool)
    if not shutil.which("/usr/bin/python3"):
        raise WrongUse("The hook needs /usr/bin/python3, which is not installed.")
    try:
        hooks_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"The hooks directory {hooks_dir} cannot be made: {error.strerror}.") from None
    if not os.access(hooks_dir, os.W_OK):
        raise WrongUse(f"The hooks directory {hooks_dir} cannot be written.")


def install_hook(hooks_dir: Path, spool: Path) -> Installation:
    """
    Install or renew the hook; may be repeated. A change is live at once, as libvirt starts the file anew each time.

    A foreign ``qemu`` is left alone, ours then stands in ``qemu.d/``, which libvirt runs after it. Never both, or each
    event would be recorded twice.

    :raises WrongUse: no Python where the hook expects it, or a directory that cannot be written.
    """
    check_installable(hooks_dir, spool)
    single, several = hooks_dir / "qemu", hooks_dir / "qemu.d"
    ours_beside = several / "50-wawel"
    foreign = os.path.lexists(single) and installed_version(single) is None
    known = single.exists() or several.is_dir()
    target = ours_beside if foreign or (not single.exists() and installed_version(ours_beside)) else single
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not written within qemu.d, where libvirt would run the half of it.
        write_durably(target, hook_source(spool), mode=0o755, scratch=hooks_dir)
        if target is single and installed_version(ours_beside) is not None:
            ours_beside.unlink()
    except OSError as error:
        raise WrongUse(f"The hook cannot be installed in {hooks_dir}: {error.strerror}.") from None
    return Installation(target, not known, foreign)
