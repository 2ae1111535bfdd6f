"""A guest's screen and serial console in the portal: real guests of QEMU's, seen and typed to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.person import Browser

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

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


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from lab.federation import Federation

    with Federation(tmp_path_factory.mktemp("guests"), 1, 1, "qemu", durable=False) as made:
        yield made


@pytest.fixture(scope="module")
def vm(guests: Any) -> dict[str, Any]:
    cluster = guests.clusters[0]
    return cluster.wait_running(cluster.create(name="seen")["vm_id"])


@pytest.fixture
def person(chromium: Any, guests: Any) -> Iterator[Browser]:
    made = Browser(chromium, guests)
    yield made
    made.context.close()


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def test_screen(person: Browser, vm: dict[str, Any], tmp_path: Path) -> None:
    """The screen is opened, drawn and closed; what was closed elsewhere is said; nothing breaks a rule."""
    page = person.page
    person.log_in(f"/ui/machines/{vm['uuid']}/console")
    button(page, "Screen").click()
    button(page, "Open the screen").click()
    expect(page.get_by_text("connected", exact=True)).to_be_visible()
    page.wait_for_function(f"() => ({COLOURS})() > 1")
    person.check()
    page.screenshot(path=str(tmp_path / "screen.png"))
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
    other = person.context.new_page()
    other.goto(page.url)
    expect(other.get_by_text("Somebody speaks to this serial console already.")).to_be_visible()
    button(other, "Take it over").click()
    expect(other.get_by_text("connected", exact=True)).to_be_visible()
    expect(page.get_by_text("The connection has ended")).to_be_visible()
    page.get_by_role("link", name="To the machine").click()
    expect(page.get_by_role("heading", level=1, name="seen")).to_be_visible()
