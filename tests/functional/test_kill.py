"""SIGKILL for the cluster manager at any moment: nothing accepted is lost, nothing leaks, nothing happens twice."""

from __future__ import annotations

import os
import random

import kill_cm


def test_kills(start_cloud) -> None:
    """15 kills in a run of 20 creates and 20 destroys; WAWEL_TEST_SEED repeats a run's choices."""
    seed = int(os.environ.get("WAWEL_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"WAWEL_TEST_SEED={seed}")
    report = kill_cm.run(start_cloud(settings=kill_cm.ROOM), seed, kills=15)
    assert report.problems == [], report
