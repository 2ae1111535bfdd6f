"""What befalls a portal that is open: many tabs, a clock that is wrong by a day, and a manager that is started anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from browser.finding import heading
from browser.person import Browser

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

SPAN_S = 3600  # that pictures are of, unless somebody chooses another
TABS = 6  # as many as a browser has connections to a host
# A window has one tab in sight. Without one, all believe to be.
HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
  Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => (hidden ? 'hidden' : 'visible')});
  document.dispatchEvent(new Event('visibilitychange'));
}"""

# Timers go on as ever: Playwright's own clock holds them.
SHIFT = """ms => {
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) {
      if (given.length) super(...given);
      else super(Real.now() + ms);
    }
    static now() { return Real.now() + ms; }
  };
}"""


def is_live(page: Any) -> None:
    expect(page.get_by_role("status").filter(has_text="live")).to_have_text("live")


@pytest.fixture
def machine(cloud: Any) -> Iterator[Callable[[str], dict[str, Any]]]:
    """One that is made now, and gone after the test."""
    north, made = cloud.cluster("north"), []

    def make(name: str) -> dict[str, Any]:
        made.append(north.create(name=name))
        return dict(made[-1])

    yield make
    for each in made:
        north.user.call("user.vm.destroy", {"vm_ids": [each["vm_id"]]})


def test_six_tabs(browser: Browser, machine: Callable[[str], dict[str, Any]]) -> None:
    """
    Six tabs are open, the seventh still loads; one that was not looked at for a while knows at a glance what happened.
    """
    first = browser.page
    browser.log_in()
    is_live(first)
    tabs = [first]
    for _ in range(TABS - 1):
        tabs[-1].evaluate(HIDE, True)
        tab = browser.context.new_page()
        tab.goto(browser.url + "/ui/machines")
        is_live(tab)
        tabs.append(tab)
    for tab in tabs[:-1]:
        expect(tab.get_by_role("status").filter(has_text="resting")).to_be_visible()
    seventh = browser.context.new_page()
    seventh.goto(browser.url + "/ui/disks")
    expect(heading(seventh, "Disks")).to_be_visible()
    is_live(seventh)
    machine("seen-by-six")
    expect(tabs[-1].get_by_role("link", name="seen-by-six")).to_be_visible()
    assert first.get_by_role("link", name="seen-by-six").count() == 0
    first.evaluate(HIDE, False)
    expect(first.get_by_role("link", name="seen-by-six")).to_be_visible()
    is_live(first)
    browser.check()


@pytest.mark.parametrize("off", [timedelta(days=1), timedelta(days=-1)], ids=["ahead", "behind"])
def test_clock(browser: Browser, machine: Callable[[str], dict[str, Any]], off: timedelta) -> None:
    """Whose clock is off by a day is logged in, sees what happens, and is shown when it did by the server's clock."""
    browser.context.add_init_script(f"({SHIFT})({off.total_seconds() * 1000})")
    page = browser.page
    browser.log_in()
    assert abs(page.evaluate("Date.now()") / 1000 - datetime.now(UTC).timestamp()) > 86_000
    is_live(page)
    made = machine("timely")
    page.get_by_role("link", name="timely").click()
    expect(heading(page, "timely")).to_be_visible()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    day = datetime.fromisoformat(made["created"]).astimezone()
    created = page.locator(".pf-v6-c-description-list__group", has=page.get_by_text("Created", exact=True))
    expect(created).to_contain_text(f"{day:%b} {day.day}, {day.year}")
    # What was measured is asked for as of the server's clock.
    with page.expect_request(lambda request: "user.vm.statistics" in (request.post_data or "")) as asked:
        page.reload()
    since = asked.value.post_data_json["params"]["since"]
    assert abs(datetime.now(UTC).timestamp() - since - SPAN_S) < 600
    page.get_by_role("link", name="Account", exact=True).click()
    expect(heading(page, "Account")).to_be_visible()
    browser.check()


def test_manager_restarted(browser: Browser, cloud: Any, machine: Callable[[str], dict[str, Any]]) -> None:
    """
    While a page is open the cloud manager is away, and comes back: the page says since when it is old, and goes
    on by itself, with what happened meanwhile.
    """
    page = browser.page
    browser.log_in()
    is_live(page)
    cloud.clm.stop()
    try:
        expect(page.get_by_text(re.compile("The connection to the cloud is lost"))).to_be_visible()
        expect(heading(page, "Machines")).to_be_visible()
    finally:
        cloud.clm.start()
    machine("after-restart")
    expect(page.get_by_role("link", name="after-restart")).to_be_visible()
    is_live(page)
    expect(page.get_by_text(re.compile("The connection to the cloud is lost"))).to_have_count(0)
    browser.said.clear()  # of connections that were refused the browser itself tells
    browser.check()
