"""A reactor of its own in a thread, for tests of what waits."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor


class Reactor:
    """The process's one reactor stays unused, so that each test module may have its own."""

    def __init__(self) -> None:
        self.reactor = EPollReactor()
        self._thread = threading.Thread(
            target=self.reactor.run, kwargs={"installSignalHandlers": False}, daemon=True, name="reactor"
        )
        self._thread.start()

    def do(self, function: Any, *args: Any, timeout_s: float = 10) -> Any:
        """Call a function, perhaps a coroutine, in the reactor's thread and give its result."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                result = function(*args)
                if hasattr(result, "__await__") and not isinstance(result, Deferred):
                    result = Deferred.fromCoroutine(result)
            except BaseException as error:
                future.set_exception(error)
                return
            if isinstance(result, Deferred):
                result.addCallbacks(future.set_result, lambda failure: future.set_exception(failure.value))
            else:
                future.set_result(result)

        self.reactor.callFromThread(run)
        return future.result(timeout_s)

    def stop(self) -> None:
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(10)
