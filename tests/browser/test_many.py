"""
The portal's budgets in bytes and rows: what its first pages weigh, and twenty thousand machines in the list. What they
take in time is measured by ``benchmarks/portal.py``, which has the pages' driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.portal import LIST_BYTES, LOGIN_BYTES, MANY, SCROLL, Watched, open_many, sample_of, weigh

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

HEAP_BYTES = 60 * 2**20
ROWS = 60  # in the document


@pytest.fixture
def sample(cloud: Any) -> Iterator[dict[str, Any]]:
    made = sample_of(cloud)
    yield made
    cluster = cloud.clusters[0]
    cluster.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
    cluster.wait_for(made["vm_id"], "destroyed")


def test_weight(chromium: Any, cloud: Any) -> None:
    """What comes over the wire until one can log in, and until one's machines are there."""
    watched = Watched(cloud, chromium)
    login, machines = weigh(watched)
    watched.context.close()
    assert 0 < login <= LOGIN_BYTES and login < machines <= LIST_BYTES


def test_many(chromium: Any, cloud: Any, sample: dict[str, Any]) -> None:
    """A few of twenty thousand are in the document, wherever one scrolls; they are found, and take little memory."""
    watched = Watched(cloud, chromium)
    page = watched.page
    open_many(watched, sample)
    assert page.locator("tbody tr").count() < ROWS
    assert page.evaluate(SCROLL, [20, 1500]) >= 20 * 1500
    assert page.locator("tbody tr").count() < ROWS
    page.locator(".w-scroll").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    last = page.locator("tbody tr[aria-rowindex]").last
    expect(last).to_have_attribute("aria-rowindex", str(MANY + 1))
    page.get_by_role("searchbox").fill("machine-1999")
    expect(page.get_by_role("link", name="machine-19999", exact=True)).to_be_visible()
    assert page.locator(".w-scroll, .w-short").evaluate("box => box.scrollTop") == 0
    assert watched.heap_bytes() <= HEAP_BYTES
    watched.context.close()
