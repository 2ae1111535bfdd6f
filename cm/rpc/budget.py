"""What one HTTP request may still take, however its calls are put together: a number of calls, bytes, and time."""

from __future__ import annotations

from cm.rpc.errors import DeadlineExceeded, TooLarge
from cm.rpc.limits import Limits


class Budget:
    """
    :param now: when the request came, in the reactor's seconds.
    :param guest: whether it came without credentials.
    """

    __slots__ = ("until", "_request_s", "_calls", "_calls_max", "_bytes", "_bytes_max")

    def __init__(self, limits: Limits, now: float, guest: bool) -> None:
        self.until = now + limits.request_s
        self._request_s = limits.request_s
        self._calls = self._calls_max = limits.calls
        self._bytes = self._bytes_max = limits.guest_answer_bytes if guest else limits.answer_bytes

    def check_calls(self, count: int) -> None:
        """:raises TooLarge: so many more calls are too many. Asked before the first of them is made."""
        if count > self._calls:
            raise TooLarge("The number of calls", self._calls_max)

    def take_call(self, now: float) -> None:
        """
        Before a call begins.

        :raises TooLarge: there were enough of them, or what they answered is enough.
        :raises DeadlineExceeded: the request has had its time.
        """
        if self._calls <= 0:
            raise TooLarge("The number of calls", self._calls_max)
        if self._bytes <= 0:
            raise TooLarge("The answer", self._bytes_max)
        if now >= self.until:
            raise DeadlineExceeded("The request", self._request_s)
        self._calls -= 1

    def take_bytes(self, size: int, happened: bool) -> None:
        """
        Count an encoded result.

        :param happened: it tells of a change that was made. It is told whatever its size, since nothing else tells it;
            such results are small.
        :raises TooLarge: it does not fit any more. Smaller ones after it do not either, so that what is refused does
            not depend on their order.
        """
        left = self._bytes - size
        self._bytes = max(left, 0)
        if left < 0 and not happened:
            raise TooLarge("The answer", self._bytes_max)
