"""Seeds on all cores: one worker process each, one PostgreSQL for all of them."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.postgres import PrivatePostgres
from simulation.database import Server, make_template
from simulation.kinds import KINDS
from simulation.plan import Fault
from simulation.runner import Outcome, run_seed
from simulation.walk import Walked, walk_kind

_server: Server | None = None
_state_dir = Path()


@contextmanager
def server_of_our_own(base: Path | None = None) -> Iterator[PrivatePostgres]:
    """A PostgreSQL with the template, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="wawel-sim-") as made:
        place = base or Path(made)
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o711)  # the account of PostgreSQL enters it
        with PrivatePostgres(place / "postgres", durable=False) as server:
            make_template(server)
            yield server


def _begin(url: str, state_dir: str) -> None:
    global _server, _state_dir
    _server, _state_dir = Server(url), Path(state_dir)


def run_here(seed: int, options: dict[str, Any], journal: Path | None = None) -> Outcome:
    """In a worker. The journal of a good run stays behind, or in the file ``journal``."""
    assert _server is not None
    outcome = run_seed(_server, _state_dir, seed, name=f"sim_{os.getpid()}", **options)
    if journal is not None:
        journal.write_text("\n".join(outcome.journal) + "\n")
    return outcome if outcome.problems else replace(outcome, journal=[])


def walk_here(kind: str, managers: int, every: int) -> Walked:
    """In a worker, with keys and a database of its own."""
    assert _server is not None
    found = next(each for each in KINDS if each.name == kind)
    return walk_kind(_server, _state_dir, found, managers, every)


class Farm:
    """:param workers: processes; as many as there are cores by default."""

    def __init__(self, server: PrivatePostgres, state_dir: Path, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        # The order of sets of texts is part of what happens: a seed alone shall decide it.
        os.environ["PYTHONHASHSEED"] = "0"
        self._pool = ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(server.url("postgres"), str(state_dir)),
        )

    def run(self, seeds: Sequence[int], journals: Path | None = None, **options: Any) -> Iterator[Outcome]:
        """In the order in which they end. :param journals: a folder that gets a file for each, by its seed."""
        waiting = {
            self._pool.submit(run_here, seed, options, journals and journals / str(seed)) for seed in seeds
        }
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for each in sorted(done, key=lambda future: future.result().seed):
                    yield each.result()
        finally:
            for each in waiting:
                each.cancel()

    def run_one(
        self, seed: int, plan: Sequence[Fault] | None = None, journal: Path | None = None, **options: Any
    ) -> Outcome:
        return self._pool.submit(run_here, seed, {**options, "plan": plan}, journal).result()

    def walk(self, kinds: Sequence[str], every: int = 1) -> list[Walked]:
        """The crash walk of each kind, with one manager and with two."""
        asked = [self._pool.submit(walk_here, kind, managers, every) for kind in kinds for managers in (1, 2)]
        found = []
        for each in asked:
            found.append(each.result())
            done = found[-1]
            print(
                f"{done.kind}, {done.managers} manager(s): {done.passed} of {done.walked} points, {done.seconds:.0f} s",
                flush=True,
            )
            for failed in done.failures[:3]:
                print(f"  {failed}", flush=True)
        return found

    def close(self) -> None:
        """What still runs is not waited for: its outcome is of no use to anybody."""
        workers = list(self._pool._processes.values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()
            worker.join()
