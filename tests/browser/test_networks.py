"""What a machine's cards may carry, and what its buttons say, by clicks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def row(page: Any, name: str) -> Any:
    return page.get_by_role("row", name=re.compile(re.escape(name)))


@pytest.fixture
def machine(cloud: Any) -> Iterator[dict[str, Any]]:
    """One that is stopped."""
    north = cloud.cluster("north")
    made = north.create(name="wired")
    north.wait_running(made["vm_id"], contextualized=False)
    north.user.call("user.vm.stop", {"vm_id": made["vm_id"]})
    yield north.wait_for(made["vm_id"], "stopped")
    north.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
    north.wait_for(made["vm_id"], "destroyed")


def test_limits(browser: Any, machine: dict[str, Any]) -> None:
    """What a card may carry is said by its owner; less than can be kept is refused where it was typed."""
    page = browser.page
    browser.log_in(f"/ui/machines/{machine['uuid']}/network")
    page.get_by_role("checkbox", name="Select 0: guests").check()
    button(page, "Limit bandwidth").click()
    dialog = page.get_by_role("dialog")
    incoming = dialog.get_by_label("To the machine, kbit/s")
    incoming.fill("10")
    button(dialog, "Limit bandwidth").click()
    expect(incoming).to_have_attribute("aria-invalid", "true")
    expect(incoming).to_have_value("10")
    browser.said.clear()  # of a refusal by its status the browser itself tells
    browser.check()
    incoming.fill("20000")
    button(dialog, "Limit bandwidth").click()
    expect(row(page, "guests")).to_contain_text("20000 / –")
    browser.check()


def test_why_not(browser: Any, cloud: Any, machine: dict[str, Any]) -> None:
    """A button that would be refused now says why, does nothing, and is a button again once things are otherwise."""
    page = browser.page
    browser.log_in(f"/ui/machines/{machine['uuid']}")
    stop = button(page, "Stop")
    expect(stop).to_have_attribute("title", "This machine is stopped.")
    stop.focus()
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    browser.check()
    north = cloud.cluster("north")
    north.user.call("user.vm.start", {"vm_id": machine["vm_id"]})
    expect(stop).to_be_enabled()
    expect(stop).not_to_have_attribute("title", re.compile("."))
    expect(button(page, "Start")).to_have_attribute("title", "This machine is running.")
