"""
What a child that touches foreign bytes locks itself into before it does, and before it becomes another program:

    python -I -S jail.py PARENT LIMITS READ... -- WRITE... -- PROGRAM ARGUMENT...

Limits of CPU time, memory and the size of files; an end with whoever started it, even by SIGKILL; no new privileges; no
sockets, and of all files those alone that were named (Landlock, where the kernel has it) beside what programs are made
of. Standard library only, and nothing of ours: it is run by its path.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from typing import Final

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER: Final = 2
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same numbers everywhere
_LANDLOCK_VERSION: Final = 1
_EXECUTE, _WRITE, _READ, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
# Rights on files that each version of Landlock knows: all are taken away, then some are given.
_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_ON_FILES: Final = _EXECUTE | _WRITE | _READ | _TRUNCATE
_TCP: Final = 0b11  # bind and connect, from version 4 on
_PROGRAMS: Final = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")
# Architecture as seccomp names it, and its numbers of socket and of io_uring_setup, which could make sockets too.
_CALLS: Final = {"x86_64": (0xC000003E, (41, 53, 425)), "aarch64": (0xC00000B7, (198, 199, 425))}
_X32: Final = 0x40000000
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | 13  # EACCES
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06

_libc = ctypes.CDLL(None, use_errno=True)


def lock(parent: int, limits: dict[str, int], readable: Sequence[str], writable: Sequence[str]) -> None:
    """
    :param parent: the process that is to be outlived by nothing.
    :param limits: ``cpu_s``, ``memory_bytes``, ``file_bytes``.
    :param readable, writable: files that exist.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    for kind, most in (
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing then fails with EFBIG, which programs tell
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _see_only(readable, writable)
    _no_sockets()


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0 and option == _PR_SET_NO_NEW_PRIVS:
        raise OSError(ctypes.get_errno(), "no_new_privs")


def _see_only(readable: Sequence[str], writable: Sequence[str]) -> None:
    version = _libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return  # the kernel has none, or was told not to
    rights = _RIGHTS[max(known for known in _RIGHTS if known <= version)]
    wanted = struct.pack("<QQ", rights, _TCP) if version >= 4 else struct.pack("<Q", rights)
    rules = _libc.syscall(_LANDLOCK_CREATE, wanted, len(wanted), 0)
    if rules < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    for path in _PROGRAMS:
        _grant(rules, path, rights & (_READ | _READ_DIR | _EXECUTE))
    for path in readable:
        _grant(rules, path, rights & (_READ | _READ_DIR | _EXECUTE) if os.path.isdir(path) else _READ)
    for path in writable:
        _grant(rules, path, rights & (_READ | _WRITE | _TRUNCATE))
    if _libc.syscall(_LANDLOCK_RESTRICT, rules, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(rules)


def _grant(rules: int, path: str, rights: int) -> None:
    try:
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        if _libc.syscall(_LANDLOCK_ADD, rules, 1, struct.pack("<Qi", rights, at), 0) != 0:
            raise OSError(ctypes.get_errno(), f"landlock_add_rule {path}")
    finally:
        os.close(at)


def _no_sockets() -> None:
    """A filter of system calls: those that make sockets fail, as do all of another architecture."""
    found = _CALLS.get(platform.machine())
    if found is None:
        return
    architecture, calls = found
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _DENY), (_LOAD, 0, 0, 0)]
    code += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _DENY)]
    for call in calls:
        code += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _DENY)]
    code.append((_RETURN, 0, 0, _ALLOW))
    raw = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *each) for each in code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(raw)))
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def main(arguments: Sequence[str]) -> None:
    parent, limits, *rest = arguments
    readable = rest[: rest.index("--")]
    rest = rest[len(readable) + 1 :]
    writable = rest[: rest.index("--")]
    program = rest[len(writable) + 1 :]
    lock(int(parent), json.loads(limits), readable, writable)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
