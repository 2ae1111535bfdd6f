"""What machines cost, as whoever has them and administrators see it in the portal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from browser.finding import button
from browser.person import picture

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


@pytest.fixture
def north(cloud: Any) -> Iterator[Any]:
    made = cloud.cluster("north")
    yield made
    running = [each["vm_id"] for each in made.user.call("user.vm.get_list") if each["name"] == "dear"]
    if running:
        made.user.call("user.vm.destroy", {"vm_ids": running})
    made.admin.call("admin.template.edit", {"template_id": made.template_ids["tiny"], "points": 0})
    user_id = made.user.call("user.user.check_quota")["user_id"]
    made.admin.call("admin.user.edit", {"user_id": user_id, "quota_points": 0})
    made.sql(f"DELETE FROM vm_run WHERE account_id = {user_id} AND ended_at IS NOT NULL")


def test_points(browser: Any, open_browser: Callable[..., Any], north: Any) -> None:
    """
    An administrator gives a size its price, which the wizard tells; what a machine of it costs its owner sees month by
    month, warned where a bound is reached, and the administrator of all.
    """
    admin = open_browser(who="admin")
    there, page = admin.page, browser.page
    admin.log_in("/ui/clusters/north/sizes")
    there.get_by_role("checkbox", name="Select tiny").check()
    button(there, "Edit").click()
    dialog = there.get_by_role("dialog")
    dialog.get_by_label("Points an hour").fill("36")
    button(dialog, "Edit").click()
    expect(there.get_by_role("row", name=re.compile("tiny.*36"))).to_be_visible()
    browser.log_in("/ui/machines/new")
    page.get_by_role("radio", name="tiny").check()
    button(page, "Next").click()
    expect(page.get_by_text("36 points an hour")).to_be_visible()

    made = north.create(name="dear")
    north.wait_running(made["vm_id"], contextualized=False)
    # So that it has run in the month before, too.
    north.sql(f"UPDATE vm_run SET began_at = now() - interval '40 days' WHERE vm_id = {made['vm_id']}")
    page.goto(f"{browser.url}/ui/account/quota")
    points = page.get_by_role("region", name="Points, north")
    expect(points.get_by_role("img", name=re.compile("How they came together"))).to_be_visible()
    expect(points.locator(".w-use-row")).to_have_count(6)
    expect(points.get_by_role("progressbar")).to_have_count(0)  # without a bound
    browser.check()

    there.get_by_role("link", name="Users and quotas").click()
    there.get_by_role("checkbox", name="Select demo").check()
    button(there, "Set quota").click()
    dialog.get_by_label("Points a month").fill("1")
    button(dialog, "Set quota").click()
    expect(dialog).to_have_count(0)
    page.reload()
    expect(points.get_by_text("points are used up")).to_be_visible()
    expect(points.get_by_role("progressbar")).to_have_count(6)
    browser.check()
    picture(page, "points-mine", whole=True)

    there.get_by_role("link", name="Points", exact=True).click()
    row = there.get_by_role("row", name=re.compile("demo"))
    expect(row).to_contain_text("1")
    month = there.get_by_label("Month")
    month.select_option(index=1)
    expect(row).to_be_visible()
    month.select_option(index=11)
    expect(there.get_by_text("Nobody's machines cost anything in this month")).to_be_visible()
    month.select_option(index=0)
    picture(there, "points-all")
    admin.check()
    there.get_by_role("link", name="demo").click()
    expect(there.get_by_role("heading", level=1, name="demo")).to_be_visible()
    expect(there.get_by_text("points are used up")).to_be_visible()
    admin.check()
