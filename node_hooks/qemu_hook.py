#!/usr/bin/python3 -IS
"""
The libvirt hook: writes one record into the spool and exits 0, whatever happens.

libvirt runs it as ``qemu NAME OPERATION SUB_OPERATION EXTRA`` with the domain XML on stdin and holds the domain's lock
until it ends; lists, stats and defines of the whole node wait for that lock too. So there is no libvirt call here (it
would never return), no network call, and no import that is not needed: ``os``, ``re`` and ``json`` would cost more
than all the work done. A lost record is a gap in the numbers, which makes the manager look at the node afresh.
"""

import fcntl
import posix
import select
import sys
import time

try:
    from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore,no-redef]
    except ImportError:
        from hashlib import sha256  # loads OpenSSL, 4 ms

HOOK_VERSION = "1"
SPOOL = "/var/spool/wawel/hooks"
# The installer rewrites the line above: reading a settings file would be one more thing that can be missing.

XML_LIMIT = 1 << 20
TEXT_LIMIT = 1024
PATIENCE_S = 2.0  # for stdin and again for the lock; the node's lists wait as long
NUMBER_DIGITS = 15


def main(argv: list[str]) -> None:
    if len(argv) < 3:
        raise ValueError("called without NAME OPERATION; only libvirt runs this")
    now = time.time()
    name, operation, sub_operation, extra = (argv[1:5] + ["", ""])[:4]
    xml, complete = read_bounded(0, time.monotonic() + PATIENCE_S)
    fields = [
        ("boot_id", boot_id(SPOOL)),
        ("domain_uuid", find_uuid(xml)),
        ("domain_name", name),
        ("operation", operation),
        ("sub_operation", sub_operation),
        ("extra", extra),
        ("xml_sha256", sha256(xml).hexdigest() if complete else ""),
    ]
    rest = ", ".join(f'"{key}": {quote(value)}' for key, value in fields) + f', "time": {now:.6f}}}\n'
    lock = lock_spool(SPOOL, time.monotonic() + PATIENCE_S)
    if lock is None:
        # The agent numbers it later; its time keeps it honest about when it happened.
        write_record(SPOOL, f"unsequenced-{now:.6f}-{posix.getpid()}.json", '{"sequence": null, ' + rest)
    else:
        number = allocate(SPOOL)
        write_record(SPOOL, record_name(number), f'{{"sequence": {number}, {rest}')
        posix.close(lock)
    sync_directory(SPOOL)


def read_bounded(source: int, deadline: float) -> tuple[bytes, bool]:
    """
    All of ``source``, of which the first ``XML_LIMIT`` bytes are kept.

    :return: the bytes, and whether the end was reached before ``deadline`` and the limit; libvirt's XML is 1.6-2.9 kB.
    """
    poll = select.poll()
    poll.register(source, select.POLLIN)
    kept = b""
    complete = True
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            return kept, False
        try:
            piece = posix.read(source, 65536)
        except OSError:
            return kept, False
        if not piece:
            return kept, complete
        if len(kept) + len(piece) > XML_LIMIT:
            complete = False
        kept += piece[: XML_LIMIT - len(kept)]


def find_uuid(xml: bytes) -> str:
    """The domain's uuid: the first ``<uuid>``, which libvirt writes before anything a user can word. Empty if none."""
    start = xml.find(b"<uuid>")
    text = xml[start + 6 : start + 42].decode("ascii", "replace").lower()
    if start < 0 or len(text) != 36 or xml[start + 42 : start + 49] != b"</uuid>":
        return ""
    for index, character in enumerate(text):
        if character not in ("-" if index in (8, 13, 18, 23) else "0123456789abcdef"):
            return ""
    return text


def boot_id(spool: str) -> str:
    """The kernel's boot id, unless the spool holds a file ``boot_id``: simulated hosts share one kernel."""
    for path in (spool + "/boot_id", "/proc/sys/kernel/random/boot_id"):
        try:
            source = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            continue
        try:
            text = posix.read(source, 64).decode("ascii", "replace").strip()
        finally:
            posix.close(source)
        if text:
            return text
    return ""


def quote(text: str) -> str:
    """A JSON string in ASCII. Bytes that were no UTF-8 arrive as lone surrogates and leave as U+FFFD."""
    text = text[:TEXT_LIMIT]
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'
    written = []
    for character in text:
        code = ord(character)
        if 0xD800 <= code < 0xE000:
            written.append("\\ufffd")
        elif code > 0xFFFF:
            code -= 0x10000
            written.append(f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}")
        elif 32 <= code < 127 and character not in '"\\':
            written.append(character)
        else:
            written.append(f"\\u{code:04x}")
    return '"' + "".join(written) + '"'


def lock_spool(spool: str, deadline: float) -> int | None:
    """
    The spool's lock, held until the answer is closed; ``None`` when somebody else still has it at ``deadline``.

    :raises OSError: there is no spool.
    """
    lock = posix.open(spool + "/lock", posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() >= deadline:
                posix.close(lock)
                return None
            time.sleep(0.001)


def allocate(spool: str) -> int:
    """
    The next number; the caller holds the lock. Numbers go on over a reboot, so that names keep their order.

    The counter is the target of a symbolic link: replacing it is atomic and lives in the journal of the file system,
    so the one fsync of the directory makes it durable. As a file it would need an fsync of its own.
    Should the counter be unreadable, it goes on from the clock, which no count of events has reached.
    """
    counter = spool + "/sequence"
    try:
        last = int(posix.readlink(counter))
    except FileNotFoundError:
        last = newest_number(spool)
    except (OSError, ValueError):
        last = max(newest_number(spool), int(time.time()))
    try:
        posix.symlink(str(last + 1), counter + ".tmp")
    except FileExistsError:  # left by a hook that was killed here
        posix.unlink(counter + ".tmp")
        posix.symlink(str(last + 1), counter + ".tmp")
    posix.rename(counter + ".tmp", counter)
    return last + 1


def newest_number(spool: str) -> int:
    names = [name[:-5] for name in posix.listdir(spool) if name.endswith(".json")]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def record_name(number: int) -> str:
    return f"{number:0{NUMBER_DIGITS}d}.json"


def write_record(spool: str, name: str, text: str) -> None:
    """Make the record appear under ``name`` as a whole or not at all."""
    path, being_written = f"{spool}/{name}", f"{spool}/.{name}.tmp"
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
    target = posix.open(being_written, flags, 0o600)
    try:
        content = text.encode("ascii")
        if posix.write(target, content) != len(content):
            raise OSError("no room for the record")
        posix.fsync(target)
        posix.rename(being_written, path)
    except OSError:
        posix.unlink(being_written)
        raise
    finally:
        posix.close(target)


def sync_directory(path: str) -> None:
    directory = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.fsync(directory)
    finally:
        posix.close(directory)


if __name__ == "__main__":
    try:
        main(sys.argv)
    except BaseException as error:
        # A non-zero exit would make libvirt refuse to start the domain: the manager's trouble is no reason for that.
        try:
            posix.write(2, f"wawel hook: no record written: {error!r}\n".encode("utf-8", "replace"))
        except BaseException:
            pass
    posix._exit(0)  # without the interpreter's tidying up, 2 ms
