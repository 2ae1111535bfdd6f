"""The files of uploads, as the kernel has them when the process that writes to one is killed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cm.drivers.images.receive import Intake

VALID_S: Final = 80.0  # of an upload in simulations, so that some expire


class SimIntake(Intake):
    """What a process had open is closed when it dies, so others may have it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        from simulation.simulation import current

        assert current is not None and current.running is not None
        self._call_off = current.running.when_dead(lambda: os.close(self._fd))

    def close(self) -> None:
        self._call_off()
        super().close()
