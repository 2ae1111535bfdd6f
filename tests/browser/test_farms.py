"""Farms, as people and administrators use them: by clicks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from browser.finding import button, choose, fact, heading, row
from browser.person import Browser, picture

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


def test_farm(open_browser: Callable[..., Browser]) -> None:
    """
    A farm is made by the wizard, which keeps what was typed and tells what the farm takes; it grows, shrinks by what is
    shown before, and an administrator destroys it, which its owner sees.
    """
    person, admin = open_browser(), open_browser(who="admin")
    page = person.page
    person.log_in("/ui/farms")
    expect(page.get_by_text("You have no farms")).to_be_visible()
    person.check()
    page.get_by_role("link", name="Create farm").click()
    expect(heading(page, "Create farm")).to_be_visible()
    expect(button(page, "Next")).to_be_disabled()
    choose(page.get_by_label("Image"), "tiny")
    person.check()
    button(page, "Next").click()
    choose(page.get_by_label("Size of the head"), "small:")
    choose(page.get_by_label("Size of a worker"), "tiny:")
    page.get_by_label("How many workers").fill("200")
    expect(page.get_by_role("status").filter(has_text="The farm takes")).to_contain_text("more than your quota leaves")
    page.get_by_label("How many workers").fill("2")
    expect(page.get_by_text("The farm takes")).to_contain_text("3 machines")
    person.check()
    page.reload()  # what was filled in outlives it
    button(page, "Sizes").click()
    expect(page.get_by_label("How many workers")).to_have_value("2")
    button(page, "Next").click()
    page.get_by_label("Name").fill("sums")
    page.get_by_label("Description").fill("<b>adds</b>")
    person.check()
    button(page, "Next").click()
    choose(page.get_by_label("How guests are told"), "none")  # so nobody waits for a hello of guests that are none
    person.check()
    button(page, "Next").click()
    expect(page.get_by_text("Nothing is made yet")).to_be_visible()
    expect(page.get_by_text("make farm")).to_be_visible()
    person.check()
    picture(page, "farm-review", whole=True)
    button(page, "Create").click()

    expect(heading(page, "sums")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="running")).to_be_visible()
    expect(fact(page, "Workers")).to_contain_text("2")
    expect(fact(page, "Public key of the farm")).to_contain_text("ssh-ed25519")
    expect(fact(page, "Up for")).to_contain_text("min")
    machines = page.get_by_role("region", name="Machines")
    expect(row(machines, "sums-worker-2")).to_contain_text("running")
    person.check()
    picture(page, "farm", whole=True)

    button(page, "Add workers").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("How many workers").fill("200")
    button(dialog, "Add workers").click()
    expect(dialog.get_by_label("How many workers")).to_have_attribute("aria-invalid", "true")
    person.said.clear()  # of a refusal by its status the browser itself tells
    dialog.get_by_label("How many workers").fill("1")
    button(dialog, "Add workers").click()
    expect(dialog).to_have_count(0)
    expect(row(machines, "sums-worker-3")).to_contain_text("running")
    button(page, "Remove workers").click()
    expect(dialog).to_contain_text("machines no.")
    dialog.get_by_label("How many workers").fill("4")
    expect(dialog.get_by_label("How many workers")).to_have_attribute("aria-invalid", "true")
    person.said.clear()
    dialog.get_by_label("How many workers").fill("1")
    expect(dialog).to_contain_text("machines no.")
    person.check()
    button(dialog, "Remove workers").click()
    expect(dialog).to_have_count(0)
    expect(row(machines, "sums-worker-3")).to_have_count(0)
    machines.get_by_role("checkbox", name="Select sums-worker-1").check()
    button(machines, "Destroy these workers").click()
    button(dialog, "Destroy these workers").click()
    expect(row(machines, "sums-worker-1")).to_have_count(0)
    expect(row(machines, "sums-worker-2")).to_contain_text("running")
    page.get_by_role("link", name="Farms", exact=True).click()
    expect(row(page, "sums")).to_contain_text("running")
    person.check()

    there = admin.page
    admin.log_in("/ui/clusters/north/farms")
    expect(row(there, "sums")).to_contain_text("demo")
    there.get_by_role("link", name="sums").click()
    expect(heading(there, "sums")).to_be_visible()
    expect(row(there, "sums-worker-2")).to_contain_text("running")
    admin.check()
    button(there, "Destroy").click()
    expect(there.get_by_role("dialog")).to_contain_text("destroy farm")
    button(there.get_by_role("dialog"), "Destroy").click()
    expect(heading(there, "This is gone")).to_be_visible()
    expect(page.get_by_text("You have no farms")).to_be_visible()
    admin.check()
    person.check()
