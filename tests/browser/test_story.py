"""One person's first hour with a cloud, from no account to no machine, with a real guest of QEMU's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from browser.finding import button, heading
from browser.person import Browser, picture
from browser.test_console import COLOURS
from lab.credentials import Account

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

EWA = Account("ewa", "a long way to the hill")
# Words that the guest's shell on its screen says on the serial console, so that what was typed there can be read.
SAY = "printf '#!/bin/sh\\necho screen says: $* >/dev/ttyS0\\n' >/bin/said; chmod 755 /bin/said\n"
# Once its first boot is over, with nothing left of it in sight.
BOOTED = "until [ -e /tmp/hello ]; do sleep 1; done; sleep 2; clear; echo ready $((3*3))\n"
KEY_MS = 150  # between keys: an emulated keyboard keeps a few for a guest that is slow


@pytest.fixture
def ewa(chromium: Any, guests: Any) -> Iterator[Browser]:
    made = Browser(chromium, guests, EWA)
    yield made
    made.context.close()


@pytest.fixture
def admin(chromium: Any, guests: Any) -> Iterator[Browser]:
    made = Browser(chromium, guests, "admin")
    yield made
    made.context.close()


def ask_for_account(ewa: Browser, admin: Browser) -> None:
    page = ewa.page
    ewa.open()
    page.get_by_role("link", name="Ask for an account").click()
    page.get_by_label("Login").fill(EWA.login)
    page.get_by_label("Mail address").fill("ewa@wawel.example")
    page.get_by_label("Password").fill(EWA.password)
    picture(page, "story-1-register")
    button(page, "Register").click()
    expect(page.get_by_text("has to activate your account")).to_be_visible()
    ewa.check()
    admin.log_in("/ui/cloud/users")
    admin.page.get_by_role("checkbox", name="Select ewa").check()
    button(admin.page, "Activate").click()
    expect(admin.page.get_by_role("row", name=re.compile("ewa"))).to_contain_text("active")
    admin.check()
    picture(admin.page, "story-2-activated")


def make_machine(page: Any) -> None:
    page.get_by_role("link", name="Create machine").first.click()
    page.get_by_role("radio", name="tiny").check()
    button(page, "Next").click()
    page.get_by_role("radio", name="tiny").check()
    button(page, "Next").click()
    page.get_by_label("Name").fill("first")
    button(page, "Next").click()
    button(page, "Next").click()
    button(page, "Next").click()
    expect(page.get_by_text("Nothing is made yet")).to_be_visible()
    picture(page, "story-3-review")
    button(page, "Create").click()
    expect(heading(page, "first")).to_be_visible()


def type_until(terminal: Any, lines: Any, typed: str, words: str) -> None:
    """Type something until a guest obeys, which may not listen yet."""
    for _ in range(12):
        terminal.press("Control+c")  # of what half was heard before
        terminal.press_sequentially(typed)
        try:
            expect(lines).to_contain_text(words, timeout=10_000)
            return
        except AssertionError:
            continue
    expect(lines).to_contain_text(words)


def test_story(ewa: Browser, admin: Browser) -> None:
    """
    Somebody registers, is activated, logs in, makes a machine by the wizard, types on its serial console and screen,
    sees it boot there, stops it and destroys it.
    """
    page = ewa.page
    ask_for_account(ewa, admin)
    page.get_by_role("link", name="To the log-in").click()
    ewa.log_in_here()
    expect(page.get_by_text("You have no machines yet")).to_be_visible()
    make_machine(page)
    page.get_by_role("link", name="Consoles").click()
    button(page, "Serial console").click()  # it waits for the machine to run
    expect(page.get_by_role("status").filter(has_text="running")).to_be_visible()
    expect(page.get_by_text("connected", exact=True)).to_be_visible()
    lines = page.locator(".w-serial .xterm-accessibility")
    terminal = page.locator(".w-serial textarea")
    type_until(terminal, lines, "echo six by seven is $((6*7))\n", "six by seven is 42")
    ewa.check()

    screen = ewa.context.new_page()
    screen.goto(page.url.replace("/console", "/screen"))
    button(screen, "Open the screen").click()
    expect(screen.get_by_role("status")).to_contain_text(re.compile("^connected"))
    screen.wait_for_function(f"() => ({COLOURS})() > 1")
    # It boots again, before our eyes.
    terminal.press_sequentially(BOOTED)
    expect(lines).to_contain_text("ready 9")
    expect(lines).not_to_contain_text("Welcome to")
    button(screen, "Ctrl+Alt+Del").click()
    expect(lines).to_contain_text(re.compile("Welcome to.*HELLO ok", re.DOTALL))
    picture(page, "story-4-serial")
    screen.wait_for_function(f"() => ({COLOURS})() > 1")
    picture(screen, "story-5-booted")
    type_until(terminal, lines, f"{SAY}said $((7*8))\n", "screen says: 56")
    screen.locator(".w-screen canvas").click()
    screen.keyboard.type("said by keys\n", delay=KEY_MS)
    expect(lines).to_contain_text("screen says: by keys")
    button(screen, "Send text …").click()
    screen.get_by_label("Text to the machine").fill("said By_Text: $((6*7))\n")
    button(screen, "Type it").click()
    expect(lines).to_contain_text("screen says: By_Text: 42")
    picture(screen, "story-6-screen")
    screen.close()

    button(page, "Stop").click()
    button(page.get_by_role("dialog"), "Stop").click()
    expect(page.get_by_role("status").filter(has_text="stopped")).to_be_visible()
    expect(page.get_by_text("The machine does not run")).to_be_visible()
    ewa.check()
    button(page, "Destroy").click()
    expect(page.get_by_role("dialog")).to_contain_text("What would be done")
    picture(page, "story-7-destroy")
    button(page.get_by_role("dialog"), "Destroy").click()
    expect(heading(page, "This machine is gone")).to_be_visible()
    ewa.check()
