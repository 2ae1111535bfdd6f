"""A node that an administrator has emptied, in the portal: by hosts in memory, whose machines go on while they move."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from browser.finding import button
from browser.person import Browser, picture

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


@pytest.fixture
def admin(chromium: Any, pair: Any) -> Iterator[Browser]:
    made = Browser(chromium, pair, "admin")
    yield made
    made.context.close()


def there(north: Any, node: Any) -> set[str]:
    """Machines that are on a node."""
    return {each["name"] for each in north.admin.call("admin.vm.get_list", {"node_id": node.node_id})}


def fill_first(north: Any) -> dict[str, dict[str, Any]]:
    """Three machines on the first node, of which the second has no room for the largest, and one comes to no end."""
    first, second = north.nodes
    north.admin.call("admin.node.lock", {"node_id": second.node_id})
    made = {name: north.create(name=name) for name in ("quick", "slow")}
    made["large"] = north.create(name="large", template_id=north.template_ids["medium"])
    for each in made.values():
        north.wait_running(each["vm_id"], contextualized=False)
    north.admin.call("admin.node.unlock", {"node_id": second.node_id})
    north.admin.call("admin.node.edit", {"node_id": second.node_id, "memory_mib_total": 300})
    north.farm.ask(first.name, "world.converges_not.add", made["slow"]["uuid"])
    return made


def test_evacuate(admin: Browser, pair: Any) -> None:
    """
    Who would stay is named with the reason before anything is begun; then it is shown how far it is; it is ended on the
    way, one that had begun stays, and a second time goes on where the first had ended.
    """
    north, page = pair.clusters[0], admin.page
    first, _ = north.nodes
    made = fill_first(north)
    admin.log_in("/ui/clusters/north/nodes")
    page.get_by_role("link", name=first.name).click()
    button(page, "Evacuate").click()
    dialog = page.get_by_role("dialog")
    for told in ("quick", "slow", "while it runs", "large", "not enough memory"):
        expect(dialog).to_contain_text(told)
    admin.check()
    picture(page, "evacuation-asked")
    assert north.admin.call("admin.operation.get_list", {"only_open": True}) == []
    assert not north.admin.call("admin.node.get_by_id", {"node_id": first.node_id})["locked"]
    button(dialog, "Evacuate").click()
    status = page.get_by_role("status")
    expect(status.filter(has_text="1 of 2 machines moved")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Evacuate")).to_have_attribute("value", "1")
    expect(status.filter(has_text="slow is on its way")).to_be_visible()
    admin.check()
    picture(page, "evacuation")
    button(page, "Stop evacuating").click()
    expect(dialog).to_contain_text("What would be done")
    button(dialog, "Stop evacuating").click()
    expect(status.filter(has_text="machines moved")).to_have_count(0)
    button(page, "Have it stay").click()
    expect(dialog).to_contain_text("Have slow stay where it is?")
    button(dialog, "Have it stay").click()
    expect(status.filter(has_text="slow is on its way")).to_have_count(0)
    work = page.get_by_role("region", name="What is done on it")
    expect(work.get_by_role("row", name=re.compile("empty node"))).to_contain_text("given up")
    assert there(north, first) == {"slow", "large"}

    north.farm.ask(first.name, "world.converges_not.discard", made["slow"]["uuid"])
    button(page, "Evacuate").click()
    button(dialog, "Evacuate").click()
    expect(work.get_by_role("row", name=re.compile("empty node.*done"))).to_be_visible()
    assert there(north, first) == {"large"}
    admin.check()
