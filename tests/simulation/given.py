"""What managers use of the system, as simulations give it to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from unittest import mock

from cm.drivers.images import child
from cm.operations import image_file, storing, uploading
from cm.runtime import feed
from cm.services import bucket, upload
from simulation.intake import SimIntake
from simulation.mirror import SOURCE, Mirror
from simulation.wiring import SEAMS, heard

FEED_S: Final = 1.0  # between looks for changes; a program looks oftener, which takes most of a simulation's time
ROOM_BYTES: Final = 1 << 40  # for uploads, on each manager's machine


class Unmoved:
    """The clock by which programs that managers run are ended: these take as long as the machine lets them."""

    @staticmethod
    def monotonic() -> float:
        return 0.0


@contextmanager
def given() -> Iterator[None]:
    """For as long as a simulation runs."""
    with ExitStack() as stack:
        for module, name, value in (
            (feed, "POLL_S", FEED_S),
            (image_file, "fetch_url", Mirror(SOURCE).fetch),
            (uploading, "Intake", SimIntake),
            (storing, "Intake", SimIntake),
            (child, "time", Unmoved),
            (upload, "free_bytes", lambda *_: ROOM_BYTES),
            (bucket, "free_bytes", lambda *_: ROOM_BYTES),
            *SEAMS,
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        stack.enter_context(heard())
        yield
