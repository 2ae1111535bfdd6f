"""
Two callers whose transactions are open at once, one statement at a time: each runs in a thread whose statements and
commits wait until they are released, so that an order can be chosen and repeated.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import event

from cm.runtime.database import Database
from cm.runtime.threads import InlineThreads
from support.beside import connect_beside

BLOCKED_AFTER_S: Final = 0.004  # of a statement that has not come back, before PostgreSQL is asked whether it waits
STUCK_S: Final = 20.0


class Stuck(AssertionError):
    """Neither goes on: a deadlock that PostgreSQL does not see, or a wait without end."""


@dataclass(frozen=True)
class Outcome:
    """What a caller was answered: "ok" or the error's slug; ``steps``: statements and commits that it took."""

    answer: str
    steps: int


class Player:
    """
    One caller.

    :param work: does all of it, given a database whose statements wait here; answers in a word.
    """

    def __init__(self, name: str, url: str, work: Callable[[Database], str]) -> None:
        self.name = name
        self.steps = 0
        self.answer = ""  # once it has ended
        self.trail: list[str] = []
        self._work = work
        self._go = threading.Semaphore(0)
        self._here = threading.Event()  # it stands at a statement, or has ended
        self._pid = 0
        self._database = Database(url, InlineThreads(), pool_size=1)
        engine = self._database.engine
        event.listen(engine, "before_cursor_execute", self._before, retval=True)
        event.listen(engine, "commit", lambda connection: self._stand("COMMIT"))
        event.listen(engine, "connect", self._connected)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _connected(self, connection: Any, record: Any) -> None:
        # A deadlock is to be found at once: in this time nobody else is asked for anything.
        with connection.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '20ms'")
        connection.commit()
        self._pid = connection.get_backend_pid()

    def _before(self, connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> Any:
        if not statement.startswith("PREPARE "):
            self._stand(statement)
        return statement, values

    def _stand(self, statement: str) -> None:
        self.trail.append(" ".join(statement.split())[:60])
        self._here.set()
        self._go.acquire()

    def _run(self) -> None:
        try:
            self.answer = self._work(self._database)
        except BaseException:
            # Whoever chooses waits for an answer, whatever ends this thread; one that is broken is like none that is
            # allowed (``test_pairs.compare``), and shows where it broke.
            self.answer = f"broken: {traceback.format_exc()}"
        finally:
            self._here.set()

    # ---- the one who chooses

    def begin(self) -> None:
        """Come to the first statement."""
        self._thread.start()
        self._here.wait(STUCK_S)

    @property
    def ended(self) -> bool:
        return bool(self.answer)

    def step(self, is_blocked: Callable[[int], bool]) -> bool:
        """Release a statement. False: it waits for the other's lock, and goes on when that is released."""
        self._here.clear()
        self.steps += 1
        self._go.release()
        return self.arrive(is_blocked)

    def arrive(self, is_blocked: Callable[[int], bool]) -> bool:
        """Wait until it stands at the next statement, has ended, or is seen to wait for a lock (False)."""
        until = time.monotonic() + STUCK_S
        while not self._here.wait(BLOCKED_AFTER_S):
            if is_blocked(self._pid):
                return False
            if time.monotonic() > until:
                raise Stuck(f"{self.name} does not come back from {self.trail[-1]}")
        return True

    def close(self) -> None:
        self._thread.join(STUCK_S)
        self._database.close()


class Stage:
    """Runs two callers in a chosen order."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._watch = connect_beside(url)

    def close(self) -> None:
        self._watch.close()

    def _is_blocked(self, pid: int) -> bool:
        with self._watch.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", (pid,))
            return bool(cursor.fetchone()[0])

    def play(self, works: Sequence[Callable[[Database], str]], order: Iterator[int]) -> list[Outcome]:
        """
        :param order: whose statement is next; whoever has ended or is blocked is skipped for the other. When it is
            exhausted, the first and then the other go on to their ends.
        :raises Stuck: neither can go on.
        """
        players = [Player("ab"[n], self._url, work) for n, work in enumerate(works)]
        blocked = [False, False]
        for player in players:
            player.begin()
        last = 0
        try:
            while not all(player.ended for player in players):
                for n in (0, 1):
                    if blocked[n]:  # the other went on meanwhile: it may have been released
                        blocked[n] = not players[n].arrive(self._is_blocked)
                ready = [n for n in (0, 1) if not players[n].ended and not blocked[n]]
                if not ready:
                    continue  # PostgreSQL sees to it: one is waited for that ends, or a deadlock is broken
                wanted = next(order, last)
                last = wanted if wanted in ready else ready[0]
                blocked[last] = not players[last].step(self._is_blocked)
        finally:
            for player in players:
                player.close()
        return [Outcome(player.answer, player.steps) for player in players]
