"""What is given away, by the clicks of both parties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from browser.finding import button, heading, row
from browser.person import Browser
from lab.credentials import Account

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

GINA = Account("gina", "who gets what others give")


def test_given_away(open_browser: Callable[..., Browser], cloud: Any) -> None:
    """A machine is offered, declined, offered again, withdrawn, and the third time accepted: then it is the other's."""
    north, person = cloud.cluster("north"), open_browser()
    cloud.add_user(GINA)
    made = north.create(name="gift")
    north.wait_running(made["vm_id"], contextualized=False)
    gina = open_browser(who=GINA)
    gina.log_in("/ui/transfers")
    expect(gina.page.get_by_text("There are no offers")).to_be_visible()
    gina.check()

    def offer() -> None:
        person.open(f"/ui/machines/{made['uuid']}")
        expect(heading(person.page, "gift")).to_be_visible()
        button(person.page, "Give away").click()
        dialog = person.page.get_by_role("dialog")
        dialog.get_by_label("To whom").fill(GINA.login)
        dialog.get_by_label("What you say with it").fill("it is <b>yours")
        person.check()
        button(dialog, "Give away").click()
        expect(dialog).to_be_hidden()
        expect(offered(gina)).to_contain_text("it is <b>yours")  # as the stream tells

    def offered(browser: Browser) -> Any:
        return browser.page.get_by_role("row").filter(has_text="offered")

    def act(browser: Browser, what: str) -> None:
        offered(browser).get_by_role("checkbox").check()
        button(browser.page, what).click()

    person.log_in("/ui/machines")
    expect(heading(person.page, "Machines")).to_be_visible()
    offer()
    gina.check()
    act(gina, "Decline")
    expect(row(gina.page, "declined")).to_be_visible()
    offer()
    person.open("/ui/transfers")
    act(person, "Withdraw")
    expect(row(person.page, "withdrawn")).to_be_visible()
    person.check()
    expect(row(gina.page, "withdrawn")).to_be_visible()
    offer()
    act(gina, "Accept")
    dialog = gina.page.get_by_role("dialog")
    expect(dialog).to_contain_text("counts in your quota")
    gina.check()
    button(dialog, "Accept").click()
    expect(row(gina.page, "accepted")).to_be_visible()
    gina.open("/ui/machines")
    expect(row(gina.page, "gift")).to_contain_text("running")
    person.open("/ui/machines")
    expect(heading(person.page, "Machines")).to_be_visible()
    expect(row(person.page, "gift")).to_have_count(0)
    for browser in (person, gina):
        browser.check()
    told = north.admin.call("admin.vm.get_by_id", {"vm_id": made["vm_id"]})
    assert told["user_login"] == GINA.login and told["state"] == "running"
