"""Logging in to the portal by a provider of OpenID Connect, which runs here: there, and back."""

from __future__ import annotations

from typing import Any

import pytest

from browser.finding import heading

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

WAY = "Log in by The university"


def test_log_in(browser: Any, cloud: Any) -> None:
    """Who is new there waits for an administrator, as by registration, and is let in where they were then."""
    page = browser.page
    browser.open("/ui/disks")
    page.get_by_role("button", name=WAY).click()
    expect(page.get_by_role("alert")).to_contain_text("waits for an administrator")
    assert page.url.endswith("/ui/oidc")  # the code is out of the address
    browser.said.clear()  # of a refusal by its status the browser itself tells
    browser.check()
    (carol,) = [each for each in cloud.admin.call("cloud.user.get_list") if each["login"] == "carol"]
    cloud.admin.call("cloud.user.activate", {"user_id": carol["user_id"]})
    browser.open("/ui/disks")
    page.get_by_role("button", name=WAY).click()
    expect(heading(page, "Disks")).to_be_visible()
    expect(page.get_by_role("link", name="carol")).to_be_visible()
    browser.check()


def test_begun_elsewhere(browser: Any) -> None:
    """What another window began is not finished here, whoever has it opened."""
    browser.open("/ui/oidc?state=somebody-elses&code=stolen")
    expect(browser.page.get_by_role("alert")).to_contain_text("was not begun in this window")
    assert browser.page.url.endswith("/ui/oidc")
    browser.page.get_by_role("link", name="To the log-in").click()
    expect(heading(browser.page, "Log in")).to_be_visible()
    browser.check()
