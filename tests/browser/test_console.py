"""A guest's screen and serial console in the portal: real guests of QEMU's, seen and typed to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from browser.finding import button
from browser.person import Browser, picture
from lab.credentials import Account

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

BOB = Account("bob", "not a secret at all")
# How many different pixels of what noVNC has drawn: of nothing there is one.
COLOURS = """() => {
  const canvas = document.querySelector('.w-screen canvas');
  if (!canvas || !canvas.width) return 0;
  const copy = Object.assign(document.createElement('canvas'), {width: canvas.width, height: canvas.height});
  const drawn = copy.getContext('2d', {willReadFrequently: true});
  drawn.drawImage(canvas, 0, 0);
  const data = new Uint32Array(drawn.getImageData(0, 0, copy.width, copy.height).data.buffer);
  return new Set(data).size;
}"""
# A program's way to the screen, which nothing but the server ends: the page itself closes what it shows no more.
LOOK_ON = """async ({vm_id, cluster}) => {
  const params = {vm_id, cluster, kind: 'vnc', origin: location.origin};
  const body = JSON.stringify({jsonrpc: '2.0', id: 1, method: 'user.vm.open_console', params});
  const headers = {'content-type': 'application/json'};
  const {result} = await (await fetch('/jsonrpc', {method: 'POST', headers, body})).json();
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}${result.path}&cluster=${cluster}`, 'binary');
  window.ended = new Promise((resolve) => socket.addEventListener('close', (event) =>
    resolve([event.code, event.reason, Date.now()])));
  await new Promise((resolve) => socket.addEventListener('message', resolve, {once: true}));
}"""


@pytest.fixture(scope="module")
def vm(guests: Any) -> dict[str, Any]:
    cluster = guests.clusters[0]
    return cluster.wait_running(cluster.create(name="seen")["vm_id"])


@pytest.fixture
def person(chromium: Any, guests: Any) -> Iterator[Browser]:
    made = Browser(chromium, guests)
    yield made
    made.context.close()


def test_screen(person: Browser, vm: dict[str, Any]) -> None:
    """The screen is opened, drawn and closed; what was closed elsewhere is said; nothing breaks a rule."""
    page = person.page
    person.log_in(f"/ui/machines/{vm['uuid']}/console")
    button(page, "Screen").click()
    button(page, "Open the screen").click()
    expect(page.get_by_text("connected", exact=True)).to_be_visible()
    page.wait_for_function(f"() => ({COLOURS})() > 1")
    expect(page.locator(".w-screen canvas")).to_be_visible()
    person.check()
    picture(page, "console-screen")
    button(page, "Send text …").click()
    page.get_by_label("Text to the machine").fill("ls\n")
    person.check()
    button(page, "Type it").click()
    page.keyboard.press("Control+Alt+Shift")
    expect(button(page, "Full screen")).to_be_focused()
    button(page, "Close the screen").click()
    expect(button(page, "Open the screen")).to_be_visible()
    person.check()


def test_own_page(person: Browser, vm: dict[str, Any]) -> None:
    """What is typed at the serial console's own page the guest's shell obeys; a second who comes may take it."""
    page = person.page
    person.log_in(f"/ui/machines/{vm['uuid']}/terminal")
    expect(page.get_by_text("connected", exact=True)).to_be_visible()
    terminal = page.locator(".w-serial textarea")
    lines = page.locator(".w-serial .xterm-accessibility")
    terminal.press_sequentially("echo six by seven is $((6*7))\n")
    expect(lines).to_contain_text("six by seven is 42")
    person.check()
    picture(page, "console-terminal")
    other = person.context.new_page()
    other.goto(page.url)
    expect(other.get_by_text("Somebody speaks to this serial console already.")).to_be_visible()
    button(other, "Take it over").click()
    expect(other.get_by_text("connected", exact=True)).to_be_visible()
    expect(page.get_by_text("The connection has ended")).to_be_visible()
    page.get_by_role("link", name="To the machine").click()
    expect(page.get_by_role("heading", level=1, name="seen")).to_be_visible()


def share(page: Any, login: str, level: str) -> float:
    """Let somebody do something, by the form of a machine's page; when it was sent, in seconds as ``time.time``."""
    button(page, "Share").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Login").fill(login)
    dialog.get_by_label("Level").select_option(level)
    sent = time.time()
    button(dialog, "Share").click()
    expect(dialog).to_have_count(0)
    return sent


def test_right(person: Browser, guests: Any, vm: dict[str, Any], chromium: Any) -> None:
    """
    What somebody may with a machine of another's is given and taken while they look, and opens and closes its consoles:
    on their page, and for whoever got in by the way that pages use.
    """
    guests.add_user(BOB)
    told = {"vm_id": vm["vm_id"], "cluster": guests.clusters[0].name}
    guests.user.call("user.vm.attach_vnc", told)
    other = Browser(chromium, guests, BOB)
    there, page = other.page, person.page
    other.log_in()
    expect(there.get_by_text("You have no machines yet")).to_be_visible()
    person.log_in(f"/ui/machines/{vm['uuid']}/access")
    share(page, BOB.login, "user")
    there.get_by_role("link", name="seen").click()
    there.get_by_role("link", name="Consoles").click()
    expect(there.get_by_text("Its consoles are for whoever may operate it.")).to_be_visible()
    other.check()
    given = share(page, BOB.login, "operator")
    button(there, "Serial console").click()
    print(f"given, and opened {time.time() - given:.2f} s later")
    expect(there.get_by_text("connected", exact=True)).to_be_visible()
    there.locator(".w-serial textarea").press_sequentially("echo bob was $((6*7))\n")
    expect(there.locator(".w-serial .xterm-accessibility")).to_contain_text("bob was 42")
    there.evaluate(LOOK_ON, told)
    other.check()
    page.get_by_role("checkbox", name="Select bob").check()
    button(page, "Take back").click()
    taken = time.time()
    button(page.get_by_role("dialog"), "Take back").click()
    expect(there.get_by_role("heading", level=1)).to_have_text("This machine is gone")
    print(f"taken, and closed on the page {time.time() - taken:.2f} s later")
    code, reason, at = there.evaluate("() => window.ended")
    print(f"taken, and ended by the server {at / 1000 - taken:.2f} s later: {reason}")
    assert (code, reason.partition(":")[0]) == (4000, "object_not_found")
    expect(there.locator(".w-serial")).to_have_count(0)
    there.get_by_role("link", name=re.compile("Machines|machines")).first.click()
    expect(there.get_by_text("You have no machines yet")).to_be_visible()
    other.check()
    other.context.close()
    guests.user.call("user.vm.detach_vnc", told)
