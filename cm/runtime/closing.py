"""What a coroutine has to wait for at its end, whatever it ends by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Closing:
    """
    ``async with Closing(close):`` has ``close()`` awaited at the end of the block, as a ``finally`` would.

    Where the coroutine itself is collected, as the program ends, nobody goes on with it, so nothing can be waited for:
    a ``finally`` that tries makes that a RuntimeError, which handlers around it take for a failure of the work.
    """

    def __init__(self, close: Callable[[], Awaitable[object]]) -> None:
        self._close = close

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:
            await self._close()
