"""Jobs and their runs, as people and administrators use them: by clicks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from browser.finding import button, fact, heading, row
from browser.person import Browser, picture

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


def test_job(open_browser: Callable[..., Browser], cloud: Any) -> None:
    """
    A job is made for a machine, run, edited, run again in vain, which its owner is told, switched off by an
    administrator and deleted; what came of each call is shown, and what is wrong said at its field.
    """
    north, person, admin = cloud.cluster("north"), open_browser(), open_browser(who="admin")
    made = north.create(name="nightly")
    north.wait_running(made["vm_id"], contextualized=False)
    page = person.page
    person.log_in("/ui/jobs")
    expect(page.get_by_text("You have no jobs")).to_be_visible()
    person.check()
    page.get_by_role("link", name="Create job").click()
    expect(heading(page, "Create job")).to_be_visible()
    button(page, "Create job").click()
    expect(page.get_by_text("This is needed.").first).to_be_visible()
    page.get_by_label("Name").fill("evening")
    page.get_by_label("What is done").select_option("user.vm.stop")
    page.get_by_label("nightly").check()
    page.get_by_label("Schedule", exact=True).fill("every day")
    page.get_by_label("Time zone").select_option("Europe/Warsaw")
    person.check()
    button(page, "Create job").click()
    expect(page.get_by_label("Schedule", exact=True)).to_have_attribute("aria-invalid", "true")
    person.said.clear()  # of a refusal by its status the browser itself tells
    page.get_by_label("Schedule", exact=True).fill("0 20 * * mon-fri")
    button(page, "Create job").click()
    expect(heading(page, "evening")).to_be_visible()
    expect(fact(page, "Schedule")).to_contain_text("0 20 * * mon-fri (Europe/Warsaw)")
    expect(fact(page, "Next")).not_to_contain_text("–")
    expect(page.get_by_text("It has not been run yet.")).to_be_visible()
    person.check()

    button(page, "Run now").click()
    runs, outcomes = page.get_by_role("region", name="Runs"), page.get_by_role("region", name="Outcomes")
    expect(row(outcomes, str(made["vm_id"]))).to_contain_text("done")  # as the stream tells
    expect(row(runs, "1 of 1")).to_contain_text("done")
    north.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
    expect(fact(page, "Parameters")).to_contain_text(f'{{"vm_id":{made["vm_id"]}}}')
    button(page, "Edit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("late <b>evening")
    dialog.get_by_label("Schedule", exact=True).fill("30 22 * * *")
    person.check()
    button(dialog, "Edit").click()
    expect(heading(page, "late <b>evening")).to_be_visible()
    expect(fact(page, "Schedule")).to_contain_text("30 22 * * *")
    button(page, "Run now").click()
    expect(row(outcomes, str(made["vm_id"]))).to_contain_text("failed")
    expect(row(runs, "failed")).to_contain_text("1 of 1")
    person.check()
    picture(page, "job", whole=True)
    row(runs, "done").get_by_role("link").click()
    expect(row(outcomes, str(made["vm_id"]))).to_contain_text("done")
    page.get_by_role("link", name="Messages", exact=True).click()
    expect(page.get_by_text("1 of its 1 calls were refused")).to_be_visible()

    there = admin.page
    admin.log_in("/ui/clusters/north/jobs")
    expect(row(there, "late <b>evening")).to_contain_text("failed")
    there.get_by_role("link", name="late <b>evening").click()
    expect(row(there.get_by_role("region", name="Outcomes"), str(made["vm_id"]))).to_contain_text("failed")
    admin.check()
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(row(page, "late <b>evening")).to_contain_text("30 22 * * *")
    button(there, "Switch schedule off").click()
    expect(row(page, "late <b>evening")).to_contain_text("switched off")
    page.get_by_role("checkbox", name="Select late <b>evening").check()
    person.check()
    button(page, "Delete").click()
    button(dialog, "Delete").click()
    expect(page.get_by_text("You have no jobs")).to_be_visible()
    expect(heading(there, "This is gone")).to_be_visible()
    admin.said.clear()  # of what its page asked of it once more
    admin.check()
    person.check()


def test_another_call(open_browser: Callable[..., Browser]) -> None:
    """Whatever may be called can be a job; what no job may call, and what is no JSON, is said at its field."""
    person = open_browser()
    page = person.page
    person.log_in("/ui/jobs/new")
    page.get_by_label("Name").fill("look")
    page.get_by_label("What is done").select_option("other")
    page.get_by_label("Call").fill("user.session.get_list")
    button(page, "Create job").click()
    expect(page.get_by_label("Call")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Call").fill("user.vm.get_list")
    page.get_by_label("Parameters").fill("rubbish")
    button(page, "Create job").click()
    expect(page.get_by_label("Parameters")).to_have_attribute("aria-invalid", "true")
    person.said.clear()  # of refusals by their status the browser itself tells
    person.check()
    page.get_by_label("Parameters").fill('{"limit": 1}\n{"limit": 2}')
    button(page, "Create job").click()
    expect(heading(page, "look")).to_be_visible()
    expect(fact(page, "Schedule")).to_contain_text("only when asked for")
    button(page, "Run now").click()
    expect(page.get_by_role("region", name="Runs")).to_contain_text("2 of 2")
    button(page, "Delete").click()
    button(page.get_by_role("dialog"), "Delete").click()
    expect(heading(page, "This is gone")).to_be_visible()
    person.said.clear()
    person.check()
