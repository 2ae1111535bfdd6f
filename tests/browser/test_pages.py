"""
Every page that the portal declares, in every language, theme and width: it opens without a word in the console, a
violation of the policy or a finding of axe's, and fits the window. Pictures go to ``$WAWEL_PICTURES``, if it is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browser.furnished import address_of, furnish
from browser.person import Browser, picture
from browser.routes import Route, read_routes

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

ROUTES = read_routes()
LANGUAGES = ("en", "pl")
THEMES = ("light", "dark")
WIDTHS = (1280, 390)
WAITS = "() => !document.querySelector('.pf-v6-c-spinner')"
KEEP = "chosen => Object.entries(chosen).forEach(each => localStorage.setItem(...each))"
# Of the page and of each part that would scroll by itself: what is wider than the room that it has, and by how much.
PARTS = "html, main, .w-frame, .w-content, .w-section, .w-short, .w-scroll"
OVERFLOWS = """(parts) => [...document.querySelectorAll(parts)].filter((each) => each.scrollWidth > each.clientWidth)
  .map((each) => `${each.tagName} ${each.className}: ${each.scrollWidth} px in ${each.clientWidth}`)"""


@pytest.fixture(scope="module")
def found(cloud: Any) -> dict[str, str]:
    return furnish(cloud)


@pytest.fixture(scope="module")
def people(chromium: Any, cloud: Any, found: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A browser for each who looks: a guest, somebody, and an administrator."""
    made = {who: Browser(chromium, cloud, "admin" if who == "admin" else "user") for who in ("guest", "user", "admin")}
    made["guest"].open()
    for who in ("user", "admin"):
        made[who].log_in()
        expect(made[who].page.get_by_role("heading", level=1)).to_have_text("Machines")
    yield made
    for each in made.values():
        each.context.close()


def look(browser: Any, name: str) -> None:
    """At the page that is open, in each width."""
    for width in WIDTHS:
        browser.page.set_viewport_size({"width": width, "height": 800})
        expect(browser.page.get_by_role("heading", level=1)).to_be_visible()
        browser.page.wait_for_function(WAITS)
        picture(browser.page, f"{name}-{width}", whole=True)
        browser.check()
        assert browser.page.evaluate(OVERFLOWS, PARTS) == [], f"{name} does not fit a window of {width} px"


def visit(browser: Any, address: str, name: str) -> None:
    browser.said.clear()
    for language in LANGUAGES:
        for theme in THEMES:
            browser.page.evaluate(KEEP, {"wawel.language": language, "wawel.theme": theme})
            browser.open(address)
            look(browser, f"{name}-{language}-{theme}")
            assert browser.page.locator("html").get_attribute("lang") == language


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.page)
def test_page(people: dict[str, Any], found: dict[str, str], route: Route) -> None:
    browser = people[{"guest": "guest", "user": "user"}.get(route.audience, "admin")]
    visit(browser, address_of(route.page, route.path, found), route.page)


def test_log_in(people: dict[str, Any]) -> None:
    visit(people["guest"], "/ui/machines", "login")


def test_nowhere(people: dict[str, Any]) -> None:
    """What is no page, or none of one's own, is said to be none."""
    people["user"].page.evaluate(KEEP, {"wawel.language": "en", "wawel.theme": "light"})
    for path in ("/ui/elsewhere", "/ui/cloud/audit", "/ui/clusters/north/nodes"):
        people["user"].open(path)
        expect(people["user"].page.get_by_role("heading", level=1)).to_have_text("There is no such page.")


def test_all_are_declared() -> None:
    """The list that the tests go by is the portal's own, and is not empty."""
    assert {"machines", "register", "audit"} <= {route.page for route in ROUTES}
