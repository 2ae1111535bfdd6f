"""A machine's life in the portal, as a person leads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from browser.finding import button, heading

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect

HOSTILE = "<img src=x onerror=alert(1)>"


def test_life(browser: Any) -> None:
    """Log in, make a machine by the wizard, stop it, destroy it: each step is said, and none breaks a rule."""
    page = browser.page
    browser.open()
    expect(heading(page, "Log in")).to_be_visible()
    browser.check()
    browser.log_in()
    expect(heading(page, "Machines")).to_be_visible()
    expect(page.get_by_text("You have no machines yet")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="live")).to_have_text("live")
    browser.check()

    page.get_by_role("link", name="Create machine").click()
    expect(heading(page, "Create machine")).to_be_visible()
    page.get_by_role("radio", name="tiny").check()
    browser.check()
    button(page, "Next").click()
    page.get_by_role("radio", name="tiny").check()
    expect(page.get_by_text("Free of your quota")).to_be_visible()
    button(page, "Next").click()
    page.get_by_label("Name").fill("web")
    page.get_by_label("Description").fill(HOSTILE)
    page.reload()  # what was filled in outlives it
    button(page, "Name and access").click()
    expect(page.get_by_label("Name")).to_have_value("web")
    button(page, "Next").click()
    page.get_by_label("Another disk, in GiB").fill("1")
    browser.check()
    button(page, "Next").click()
    page.get_by_label("Boot menu, in seconds").fill("5")
    page.get_by_label("CPUs at the most").fill("4")
    page.get_by_label("Memory at the most, in MiB").fill("1001")
    browser.check()
    button(page, "Next").click()
    expect(page.get_by_role("alert")).to_be_visible()  # of whole modules of memory it is none
    browser.said.clear()  # of a refusal by its status the browser itself tells
    button(page, "Back").click()
    expect(page.get_by_label("Memory at the most, in MiB")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Memory at the most, in MiB").fill("")
    button(page, "Next").click()
    expect(page.get_by_text("Nothing is made yet")).to_be_visible()
    browser.check()
    button(page, "Create").click()

    expect(heading(page, "web")).to_be_visible()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    expect(page.get_by_text(HOSTILE)).to_be_visible()  # as text
    kind = page.get_by_role("region", name="Machine", exact=True)
    expect(kind).to_contain_text("4 CPUs")
    expect(kind).to_contain_text("auto")
    browser.check()
    button(page, "Stop").click()
    expect(page.get_by_role("dialog")).to_contain_text("What would be done")
    browser.check()
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("stopped", exact=True)).to_be_visible()
    expect(button(page, "Start")).to_be_enabled()
    expect(button(page, "Stop")).to_be_disabled()
    dialog = page.get_by_role("dialog")
    button(page, "Change machine").click()
    dialog.get_by_label("Processor").select_option("baseline")
    button(dialog, "Change machine").click()
    expect(dialog.get_by_role("alert")).to_be_visible()  # nobody has found out what all nodes have
    browser.said.clear()
    dialog.get_by_label("Processor").select_option("host")
    dialog.get_by_label("Boot menu, in seconds").fill("9")
    browser.check()
    button(dialog, "Change machine").click()
    expect(dialog).to_have_count(0)
    expect(kind).to_contain_text("9")
    button(page, "Prepare for more").click()
    dialog.get_by_label("CPUs at the most").fill("2")
    button(dialog, "Prepare for more").click()
    expect(kind).to_contain_text("2 CPUs")
    policy = page.get_by_role("region", name="When it ends by itself", exact=True)
    expect(policy).to_contain_text("ignore")
    button(page, "Change what becomes of it").click()
    dialog.get_by_label("Its guest hangs").select_option("restart")
    dialog.get_by_label("Its guest powers itself off").select_option("destroy")
    browser.check()
    button(dialog, "Change what becomes of it").click()
    expect(dialog).to_have_count(0)
    expect(policy).to_contain_text("destroy")
    expect(policy).not_to_contain_text("ignore")

    page.get_by_role("link", name="Machines", exact=True).click()
    row = page.get_by_role("row", name=re.compile("web"))
    expect(row).to_contain_text("stopped")
    row.get_by_role("checkbox", name="Select web").check()
    browser.check()
    button(page, "Put into the trash").click()
    expect(page.get_by_role("dialog")).to_contain_text("can be restored for a while")
    page.get_by_role("dialog").get_by_role("button", name="Put into the trash", exact=True).click()
    expect(row).to_contain_text("in the trash")
    browser.check()
    row.get_by_role("checkbox", name="Select web").check()
    button(page, "Restore").click()
    expect(row).to_contain_text("stopped")
    row.get_by_role("checkbox", name="Select web").check()
    button(page, "Destroy").click()
    expect(page.get_by_role("dialog")).to_contain_text("What would be done")
    page.get_by_role("dialog").get_by_role("button", name="Destroy", exact=True).click()
    expect(row).to_have_count(0)
    expect(page.get_by_text("You have no machines yet")).to_be_visible()
    browser.check()


def test_live(browser: Any, cloud: Any) -> None:
    """What is done elsewhere shows by itself, in the list and on the machine's page; filters are in the address."""
    page = browser.page
    browser.log_in("/ui/machines?state=running")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    cluster = cloud.cluster("north")
    made = cluster.create(name="elsewhere")
    expect(page.get_by_role("link", name="elsewhere")).to_be_visible()
    page.get_by_label("Search: Machines").fill("nothing")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    assert page.url.endswith("/ui/machines?search=nothing&state=running")
    button(page, "Show all").click()
    page.reload()  # what was there before is listed, too
    page.get_by_role("link", name="elsewhere").click()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    cluster.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
    expect(heading(page, "This machine is gone")).to_be_visible()
    browser.check()


def test_wrong_password(browser: Any) -> None:
    """Who is not let in is told so where they are, and keeps what they typed."""
    page = browser.page
    browser.open("/ui/machines/new")
    page.get_by_label("Login").fill("demo")
    page.get_by_label("Password").fill("wrong")
    button(page, "Log in").click()
    expect(page.get_by_text("The login or the password is wrong.")).to_be_visible()
    expect(page.get_by_label("Login")).to_have_value("demo")
    browser.said.clear()  # of an answer by 401 the browser itself tells
    browser.check()


def test_session_ended_elsewhere(browser: Any, open_browser: Callable[..., Any]) -> None:
    """A session that is ended in another place ends here at once, and what was open is open again after the next."""
    browser.log_in("/ui/machines?search=a")
    expect(heading(browser.page, "Machines")).to_be_visible()
    other = open_browser()
    other.log_in()
    expect(heading(other.page, "Machines")).to_be_visible()
    end_first = """async () => {
        const call = async (method, params = {}) => {
            const body = JSON.stringify({jsonrpc: '2.0', id: 1, method, params});
            const headers = {'content-type': 'application/json'};
            return (await (await fetch('/jsonrpc', {method: 'POST', headers, body})).json()).result;
        };
        // The newest but this one: older ones are what the tests themselves call by.
        const others = (await call('user.session.get_list')).filter(each => !each.current);
        others.sort((one, other) => other.session_id - one.session_id);
        await call('user.session.delete', {session_id: others[0].session_id});
    }"""
    other.page.evaluate(end_first)
    expect(browser.page.get_by_text("Your session has ended")).to_be_visible()
    browser.log_in_here()
    expect(browser.page.get_by_label("Search: Machines")).to_have_value("a")
