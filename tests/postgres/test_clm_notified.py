"""What others remember is forgotten as soon as it is wrong: changes are notified, not only found at the next look."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from clm.services import cluster
from clm.store import sync
from support.beside import listening
from support.clm import CloudBench


def test_notified(bench: CloudBench, clm_url: str) -> None:
    """Of changes that clusters or other processes have to act on."""
    ann = bench.ids["ann"]
    krakow = bench.sql("INSERT INTO cluster (name, url, locked) VALUES ('k', 'http://127.0.0.1:1', true) RETURNING id")
    changes: list[tuple[str, Callable[[Session], object]]] = [
        ("sync", lambda session: sync.enrol_user(session, ann)),
        ("sync", lambda session: sync.touch_user(session, ann)),
        ("sync", lambda session: sync.drop_group(session, 7)),
        (f"sync:{krakow}", lambda session: sync.enrol_cluster(session, krakow)),
        # With the cluster goes everybody's wish to work on it by default.
        ("user", lambda session: cluster._delete(session, krakow, None)),
    ]
    missing = []
    with listening(clm_url) as heard:
        for number, (topic, change) in enumerate(changes):
            heard(None)
            bench.manager.database.transact_now(change)
            if topic not in heard(topic):
                missing.append((number, topic))
    assert missing == []
