"""
libvirt's event loop: one thread for the whole process.

It must be registered before the first ``open()``: connections opened earlier never get keep-alive or events. A thread
of its own was measured against the reactor as loop: twice as many calls a second, and immune to a busy reactor.
"""

from __future__ import annotations

import logging
import threading
import time

import libvirt

log = logging.getLogger(__name__)

_lock = threading.Lock()
_thread: threading.Thread | None = None


def ensure_event_loop() -> None:
    """Start the loop once; call it before every ``libvirt.open``."""
    global _thread
    with _lock:
        if _thread is not None:
            return
        # Without a handler of ours libvirt prints every error to stderr; each is raised as well.
        libvirt.registerErrorHandler(_silent, None)
        libvirt.virEventRegisterDefaultImpl()
        _thread = threading.Thread(target=_run, name="libvirt-events", daemon=True)
        _thread.start()


def _silent(context: object, error: object) -> None:
    pass


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            # The loop serves every node: it goes on. The pause keeps a lasting fault from eating a CPU.
            log.error("libvirt's event loop: %s", error)
            time.sleep(0.1)
        except Exception:
            # A callback of ours: libvirt has printed or raised it, and nobody else's events may stop for it.
            log.exception("libvirt's event loop")
            time.sleep(0.1)


def wrong() -> str | None:
    """What is wrong with the loop, once it was started."""
    if _thread is not None and not _thread.is_alive():
        return "libvirt's event loop has ended"
    return None
