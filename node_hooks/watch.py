"""
Waking the delivery when a record appears. A VM's end waits for its event, so the wait is inotify's; where that is not
to be had, a look at the directory every 20 ms while records come and every 200 ms when none do.
"""

import ctypes
import os
import select
import time
from pathlib import Path

_IN_MOVED_TO = 0x00000080  # <sys/inotify.h>; a record appears by a rename
_BUSY_S = 0.02
_IDLE_S = 0.2
_BUSY_FOR_S = 5.0


class DirectoryWatch:
    """
    Waits on one directory, for one thread; ``wake`` may come from any, also from a signal handler.

    :param use_inotify: ``False`` forces the polling, for tests.
    """

    def __init__(self, directory: Path, use_inotify: bool = True) -> None:
        self.directory = directory
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._inotify = _open_inotify(directory) if use_inotify else -1
        self._busy_until = 0.0
        self._seen = self._mtime_ns()

    @property
    def has_inotify(self) -> bool:
        return self._inotify >= 0

    def wait(self, timeout_s: float) -> None:
        """
        Return after ``timeout_s`` at the latest, sooner once a record appeared or ``wake`` was called. Records that
        appeared since the last wait count; it may also return for nothing.
        """
        readers = [self._woken] + ([self._inotify] if self.has_inotify else [])
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            if not self.has_inotify:
                left_s = min(left_s, _BUSY_S if time.monotonic() < self._busy_until else _IDLE_S)
            ready, _, _ = select.select(readers, [], [], left_s)
            for source in ready:
                try:
                    os.read(source, 65536)
                except BlockingIOError:
                    pass
            if ready or time.monotonic() >= deadline or self._changed():
                return

    def pause(self, timeout_s: float) -> None:
        """Wait likewise, but for ``wake`` alone: new records cut no back-off short."""
        if select.select([self._woken], [], [], timeout_s)[0]:
            os.read(self._woken, 65536)

    def wake(self) -> None:
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            pass  # the pipe is full of wakes already

    def close(self) -> None:
        for descriptor in (self._woken, self._waker, self._inotify):
            if descriptor >= 0:
                os.close(descriptor)

    def _changed(self) -> bool:
        if self.has_inotify:
            return False
        now = self._mtime_ns()
        # The file system's clock ticks every 4 ms or so: within a tick a second change leaves no trace.
        changed = now != self._seen or abs(time.time() - now / 1e9) < _BUSY_S
        self._seen = now
        if changed:
            self._busy_until = time.monotonic() + _BUSY_FOR_S
        return changed

    def _mtime_ns(self) -> int:
        try:
            return os.stat(self.directory).st_mtime_ns
        except OSError:
            return 0


def _open_inotify(directory: Path) -> int:
    """A descriptor that becomes readable when something is renamed into ``directory``, or -1."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if descriptor < 0:
            return -1
        if libc.inotify_add_watch(descriptor, os.fsencode(directory), ctypes.c_uint32(_IN_MOVED_TO)) < 0:
            os.close(descriptor)
            return -1
        return descriptor
    except (OSError, AttributeError):
        return -1
