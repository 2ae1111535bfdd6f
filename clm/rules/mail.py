"""When a mail that could not be sent is tried again."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 5.0
LONGEST_S: Final = 900.0
GIVE_UP_S: Final = 24 * 3600.0  # RFC 5321, 4.5.4.1, would go on for days; what these mails bring has expired by then


def retry_after(attempts: int, age_s: float) -> float | None:
    """
    Seconds to wait after the attempt that failed just now; None: give up.

    :param attempts: made so far, at least one.
    :param age_s: since the mail was written.
    """
    if age_s >= GIVE_UP_S:
        return None
    return float(min(FIRST_S * 2.0 ** min(attempts - 1, 30), LONGEST_S))
