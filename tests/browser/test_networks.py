"""Networks, public addresses, pools and limits, as people and administrators have them by their clicks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from browser.finding import button, row

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


def box(page: Any, name: str) -> Any:
    return page.get_by_role("textbox", name=name, exact=True)


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


def test_network(browser: Any, open_browser: Callable[..., Any], cloud: Any, machine: dict[str, Any]) -> None:
    """
    An administrator adds a pool and has it grow; somebody gets a network of it, a card of their machine in it, and a
    public address for that; what is in use is not given up, and everything goes back in the end.
    """
    admin = open_browser(who="admin")
    there, page = admin.page, browser.page
    admin.log_in("/ui/clusters/north/pools")
    button(there, "Add pool").click()
    dialog = there.get_by_role("dialog")
    box(dialog, "Name").fill("edge")
    box(dialog, "Addresses").fill("10.202.0.0/16")
    button(dialog, "Add pool").click()
    expect(row(there, "edge")).to_contain_text("10.202.0.0/16")

    browser.log_in("/ui/networks")
    button(page, "Ask for a network").click()
    mine = page.get_by_role("dialog")
    box(mine, "Name").fill("lab")
    box(mine, "Address pool").fill("edge")
    button(mine, "Ask for a network").click()
    expect(row(page, "lab")).to_contain_text("10.202.")
    browser.check()

    there.reload()
    there.get_by_role("checkbox", name="Select edge").check()
    expect(button(there, "Delete")).to_be_disabled()
    button(there, "Edit").click()
    box(dialog, "Addresses").fill("10.203.0.0/16")  # where that network is not
    button(dialog, "Edit").click()
    expect(dialog.get_by_role("alert")).to_contain_text("In use by")
    expect(box(dialog, "Addresses")).to_have_value("10.203.0.0/16")
    admin.said.clear()  # of a refusal by its status the browser itself tells
    admin.check()
    box(dialog, "Addresses").fill("10.202.0.0/15")
    button(dialog, "Edit").click()
    expect(row(there, "edge")).to_contain_text("10.202.0.0/15")

    cloud.cluster("north").admin.call("admin.public_address.add", {"addresses": ["192.0.2.20"]})
    page.goto(f"{browser.url}/ui/machines/{machine['uuid']}/network")
    button(page, "Attach network card").click()
    card = page.get_by_role("dialog")
    networks = card.get_by_role("combobox", name="Network", exact=True)
    networks.select_option(networks.locator("option", has_text="lab (10.202.").get_attribute("value"))
    button(card, "Attach network card").click()
    expect(row(page, "lab")).to_contain_text("10.202.")
    page.get_by_role("link", name="Public addresses").click()
    button(page, "Ask for an address").click()
    box(mine, "Address").fill("192.0.2.20")
    button(mine, "Ask for an address").click()
    page.get_by_role("checkbox", name="Select 192.0.2.20").check()
    button(page, "Assign").click()
    mine.get_by_label("Machine").select_option(label="wired")
    mine.get_by_label("Card").fill("1")
    button(mine, "Assign").click()
    address = row(page, "192.0.2.20")
    expect(address).to_contain_text("wired")
    browser.check()
    page.get_by_role("checkbox", name="Select 192.0.2.20").check()
    expect(button(page, "Give back")).to_be_disabled()
    button(page, "Take from its machine").click()
    button(mine, "Take from its machine").click()
    expect(address).not_to_contain_text("wired")
    page.get_by_role("checkbox", name="Select 192.0.2.20").check()
    button(page, "Give back").click()
    button(mine, "Give back").click()
    expect(address).to_have_count(0)


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
