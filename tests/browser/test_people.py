"""What people do with their account, with groups, and with what they are told, by their clicks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from browser.finding import button, heading
from lab.credentials import Account

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

ANNA = Account("anna", "a first one, to be changed")
LATER = Account("anna", "and a second, which is longer")


def test_account(cloud: Any, open_browser: Callable[..., Any]) -> None:
    """Somebody's data and default cluster stay as they say; a new password is asked for from then on, and no other."""
    cloud.add_user(ANNA)
    anna = open_browser(who=ANNA)
    page = anna.page
    anna.log_in("/ui/account")
    page.get_by_label("First name").fill("Anna")
    page.get_by_label("Organization").fill("AGH")
    page.get_by_label("Default cluster").select_option("north")
    button(page, "Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved:")).to_be_visible()
    anna.check()
    page.get_by_label("Old password").fill("not that one")
    page.get_by_label("New password").fill(LATER.password)
    button(page, "Set password").click()
    expect(page.get_by_text("This is not your password.")).to_be_visible()
    expect(page.get_by_label("New password")).to_have_value(LATER.password)
    anna.said.clear()  # of a refusal by its status the browser itself tells
    page.get_by_label("Old password").fill(ANNA.password)
    button(page, "Set password").click()
    expect(page.get_by_role("status").filter(has_text="Saved:")).to_have_count(2)
    expect(page.get_by_label("Old password")).to_have_value("")
    button(page, "Log out").click()
    expect(heading(page, "Log in")).to_be_visible()
    again = open_browser(who=LATER)
    again.log_in("/ui/account")
    expect(again.page.get_by_label("First name")).to_have_value("Anna")
    expect(again.page.get_by_label("Organization")).to_have_value("AGH")
    expect(again.page.get_by_label("Default cluster").locator("option:checked")).to_have_text("north")
    again.check()


def test_api_key(browser: Any) -> None:
    """A key is shown once, and is gone when it is deleted."""
    page = browser.page
    browser.log_in("/ui/account/keys")
    button(page, "Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("nightly")
    dialog.get_by_label("What it is good for").fill("read")
    button(dialog, "Create key").click()
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    expect(page.get_by_label("Key", exact=True).last).not_to_be_empty()
    browser.check()
    page.reload()
    row = page.get_by_role("row", name=re.compile("nightly"))
    expect(row).to_contain_text("read")
    expect(page.get_by_text("This is shown once.")).to_have_count(0)
    page.get_by_role("checkbox", name="Select nightly").check()
    button(page, "Delete").click()
    button(page.get_by_role("dialog"), "Delete").click()
    expect(row).to_have_count(0)


def test_group(browser: Any, open_browser: Callable[..., Any]) -> None:
    """
    Who asks to join a group is seen asking by its leader, let in, and told so where they are; whoever reads it marks
    it as read; a new leader removes the old one, and ends the group.
    """
    page = browser.page
    browser.log_in("/ui/groups")
    button(page, "Create group").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Astronomers")
    button(dialog, "Create group").click()
    page.get_by_role("link", name="Astronomers").click()
    expect(heading(page, "Astronomers")).to_be_visible()
    expect(page.get_by_text("Nobody asks to join.")).to_be_visible()

    other = open_browser(who="admin")
    there = other.page
    other.log_in("/ui/groups")
    row = there.get_by_role("row", name=re.compile("Astronomers"))
    there.get_by_role("checkbox", name="Select Astronomers").check()
    button(there, "Ask to join").click()
    expect(row).to_contain_text("waiting")
    there.get_by_role("link", name="Messages").first.click()
    expect(heading(there, "Messages")).to_be_visible()

    page.get_by_role("checkbox", name="Select admin").check()
    browser.check()
    button(page, "Let in").click()
    expect(page.get_by_text("Nobody asks to join.")).to_be_visible()
    told = there.get_by_role("row", name=re.compile("You are in group Astronomers now"))
    expect(told).to_be_visible()
    expect(told.locator("strong")).to_be_visible()
    told.get_by_role("checkbox").check()
    button(there, "Mark as read").click()
    expect(told.locator("strong")).to_have_count(0)
    told.get_by_role("checkbox").check()
    expect(button(there, "Mark as read")).to_be_disabled()
    button(there, "Delete").click()
    expect(told).to_have_count(0)
    other.check()

    page.get_by_role("checkbox", name="Select admin").check()
    button(page, "Make leader").click()
    button(page.get_by_role("dialog"), "Make leader").click()
    expect(button(page, "Leave")).to_be_enabled()
    there.get_by_role("link", name="Groups", exact=True).click()
    there.get_by_role("link", name="Astronomers").click()
    there.get_by_role("checkbox", name="Select demo").check()
    button(there, "Remove").click()
    button(there.get_by_role("dialog"), "Remove").click()
    expect(button(page, "Ask to join")).to_be_enabled()
    button(there, "Delete").click()
    button(there.get_by_role("dialog"), "Delete").click()
    expect(heading(there, "This is gone")).to_be_visible()
    page.reload()
    expect(heading(page, "This is gone")).to_be_visible()
    browser.check()


def test_news(browser: Any, open_browser: Callable[..., Any]) -> None:
    """What an administrator of the cloud writes everybody reads on the page that they begin with, as it was changed."""
    admin = open_browser(who="admin")
    there = admin.page
    admin.log_in("/ui/cloud/news")
    button(there, "Write news").click()
    dialog = there.get_by_role("dialog")
    dialog.get_by_label("Topic").fill("A new cluster")
    dialog.get_by_label("Text").fill("From Monday on.")
    button(dialog, "Write news").click()
    expect(there.get_by_role("row", name=re.compile("A new cluster"))).to_be_visible()
    page = browser.page
    browser.log_in("/ui/overview")
    expect(heading(page, "Overview")).to_be_visible()
    expect(page.get_by_text("From Monday on.")).to_be_visible()
    browser.check()
    guest = open_browser()
    guest.open()
    guest.page.get_by_role("link", name="News", exact=True).click()  # without a log-in
    expect(heading(guest.page, "News of this cloud")).to_be_visible()
    expect(guest.page.get_by_text("From Monday on.")).to_be_visible()
    guest.check()
    there.get_by_role("checkbox", name="Select A new cluster").check()
    button(there, "Edit").click()
    dialog.get_by_label("Text").fill("From Tuesday on.")
    button(dialog, "Edit").click()
    expect(there.get_by_text("From Tuesday on.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("From Tuesday on.")).to_be_visible()
    there.get_by_role("checkbox", name="Select A new cluster").check()
    button(there, "Delete").click()
    button(there.get_by_role("dialog"), "Delete").click()
    expect(there.get_by_role("row", name=re.compile("A new cluster"))).to_have_count(0)
    page.reload()
    expect(heading(page, "Overview")).to_be_visible()
    expect(page.get_by_text("A new cluster")).to_have_count(0)
    admin.check()


def test_help(browser: Any) -> None:
    """Both guides are read, in the language that is chosen."""
    page = browser.page
    browser.log_in("/ui/machines")
    page.get_by_role("link", name="Help").click()
    expect(heading(page, "Using the cloud")).to_be_visible()
    expect(page.get_by_role("heading", level=2, name="Your first machine")).to_be_visible()
    page.get_by_role("link", name="Running the cloud").click()
    expect(heading(page, "Running the cloud")).to_be_visible()
    page.get_by_label("Language").select_option("pl")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Running the cloud")
    expect(page.locator("html")).to_have_attribute("lang", "pl")
    browser.check()


def test_contact(browser: Any) -> None:
    """Who writes to the cloud's operators is told where that leads nowhere, and keeps what they wrote."""
    page = browser.page
    browser.log_in("/ui/help")
    page.get_by_role("link", name="Write to us").click()
    expect(heading(page, "Write to us")).to_be_visible()
    button(page, "Send").click()
    expect(page.get_by_text("This is needed.").first).to_be_visible()
    browser.check()
    page.get_by_label("Topic").fill("My machine")
    page.get_by_label("Message").fill("It <b>hums</b>.")
    button(page, "Send").click()
    expect(page.get_by_role("alert")).to_contain_text("no mailer")
    expect(page.get_by_label("Message")).to_have_value("It <b>hums</b>.")
    browser.said.clear()  # of a refusal by its status the browser itself tells
    browser.check()
