"""A network that breaks: what goes through this proxy ends after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator


class Cutter:
    """
    :param target: the port on the loopback that connections go to, asked for each.
    :ivar budgets: of the next connections that send much, after how many bytes they are cut off; then none is.
    :ivar back: the same of what comes back.
    :ivar cuts: how many were.
    """

    MUCH = 16_384

    def __init__(self, target: Callable[[], int], budgets: list[int]) -> None:
        self._target = target
        self.budgets = budgets
        self.back: list[int] = []
        self.cuts = 0
        self.on_cut: Callable[[], object] = lambda: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(here,), daemon=True).start()

    def _serve(self, here: socket.socket) -> None:
        try:
            there = socket.create_connection(("127.0.0.1", self._target()), timeout=20)
        except OSError:
            here.close()
            return
        threading.Thread(target=self._back, args=(there, here), daemon=True).start()
        passed, budget = 0, 0
        with contextlib.suppress(OSError):
            while data := here.recv(65_536):
                passed += len(data)
                if passed > self.MUCH and not budget and self.budgets:
                    budget = self.budgets.pop(0)
                if budget and passed > budget:
                    there.sendall(data[: max(0, len(data) - (passed - budget))])
                    self.cuts += 1
                    self.on_cut()
                    break
                there.sendall(data)
        for each in (here, there):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _back(self, there: socket.socket, here: socket.socket) -> None:
        passed, budget = 0, 0
        with contextlib.suppress(OSError):
            while data := there.recv(65_536):
                passed += len(data)
                if passed > self.MUCH and not budget and self.back:
                    budget = self.back.pop(0)
                if budget and passed > budget:
                    here.sendall(data[: max(0, len(data) - (passed - budget))])
                    self.cuts += 1
                    there.close()
                    break
                here.sendall(data)
        with contextlib.suppress(OSError):
            here.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cutting(target: Callable[[], int], budgets: list[int]) -> Iterator[Cutter]:
    made = Cutter(target, budgets)
    try:
        yield made
    finally:
        made.close()
