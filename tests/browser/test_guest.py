"""What is asked of a running guest, by clicks: by hosts in memory, whose guests have an agent if they are told to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from browser.finding import button
from browser.person import Browser

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


@pytest.fixture
def person(chromium: Any, pair: Any) -> Iterator[Browser]:
    made = Browser(chromium, pair)
    yield made
    made.context.close()


def test_guest(person: Browser, pair: Any) -> None:
    """One without an agent is silent; one that has it tells of itself, and gets a drawn password, keys and the time."""
    north, page = pair.clusters[0], person.page
    pair.user.call("user.key.generate", {"name": "laptop"})
    made = north.create(name="spoken-to")
    north.wait_running(made["vm_id"], contextualized=False)
    person.log_in(f"/ui/machines/{made['uuid']}/guest")
    button(page, "Ask the guest").click()
    expect(page.get_by_role("alert")).to_contain_text("agent")
    person.said.clear()  # of a refusal by its status the browser itself tells
    for node in north.nodes:
        north.farm.ask(node.name, "world.agents.__setitem__", made["uuid"], True)
    button(page, "Ask the guest").click()
    expect(page.get_by_text("Host name")).to_be_visible()
    person.check()
    dialog = page.get_by_role("dialog")
    button(page, "Set a password").click()
    dialog.get_by_label("User of the guest").fill("nobody-there")
    button(dialog, "Set a password").click()
    expect(dialog.get_by_role("alert")).to_contain_text("nobody-there")
    person.said.clear()
    dialog.get_by_label("User of the guest").fill("root")
    button(dialog, "Set a password").click()
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    person.check()
    button(dialog, "Close").click()
    for action, shown in (("Let a key in", 1), ("Let a key in no more", 0)):
        button(page, action).click()
        dialog.get_by_label("User of the guest").fill("root")
        keys = dialog.get_by_label("Public key")
        expect(keys.locator("option", has_text="laptop")).to_have_count(1)
        keys.select_option(label="laptop")
        button(dialog, action).click()
        expect(page.get_by_role("status").filter(has_text="Keys that log in as root")).to_be_visible()
        expect(page.get_by_text(re.compile("^ssh-ed25519 "))).to_have_count(shown)
    button(page, "Set its clock").click()
    button(dialog, "Set its clock").click()
    expect(dialog).to_have_count(0)
    person.check()
