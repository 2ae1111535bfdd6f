"""
Where machines run and how large they are, by clicks: modes and traits of nodes, affinity groups, another size, and a
rest on the storage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from browser.finding import button, row
from browser.person import Browser, picture

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


@pytest.fixture
def open_at(chromium: Any, pair: Any) -> Iterator[Callable[[str], Browser]]:
    made: list[Browser] = []

    def open_one(who: str) -> Browser:
        made.append(Browser(chromium, pair, who))
        return made[-1]

    yield open_one
    for each in made:
        each.context.close()


def say_why(page: Any, action: str, why: str) -> None:
    """Do something to a node whose plan is shown first, and give the reason."""
    button(page, action).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What would be done")
    dialog.get_by_label("Why").fill(why)
    button(dialog, action).click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text(why)).to_be_visible()


def test_modes(open_at: Callable[[str], Browser], pair: Any) -> None:
    """A node is taken out of use in each way, which its page tells with the reason, and back; what it has is edited."""
    admin = open_at("admin")
    page = admin.page
    node = pair.clusters[0].nodes[0].name
    admin.log_in("/ui/clusters/north/nodes")
    expect(row(page, node)).to_contain_text("in use")
    page.get_by_role("link", name=node, exact=True).click()
    expect(button(page, "Disable")).to_be_disabled()
    say_why(page, "Lock", "a fan is loud")
    expect(page.get_by_text("locked", exact=True)).to_be_visible()
    say_why(page, "Maintenance", "a new <b>fan</b>")
    expect(page.get_by_text("in maintenance", exact=True)).to_be_visible()
    admin.check()
    picture(page, "node-maintenance", whole=True)
    say_why(page, "Disable", "it smokes")
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    expect(page.get_by_text("In this mode since")).to_be_visible()
    page.get_by_role("link", name="Nodes", exact=True).click()
    expect(row(page, node)).to_contain_text("disabled")
    page.get_by_role("checkbox", name=f"Select {node}").check()
    button(page, "Unlock").click()
    expect(row(page, node)).to_contain_text("in use")

    page.get_by_role("checkbox", name=f"Select {node}").check()
    button(page, "Edit").click()
    dialog = page.get_by_role("dialog")
    traits = dialog.get_by_label("Traits")
    traits.fill("ssd, GPU")
    button(dialog, "Edit").click()
    expect(traits).to_have_attribute("aria-invalid", "true")
    admin.said.clear()  # of a refusal by its status the browser itself tells
    admin.check()
    traits.fill("ssd, gpu")
    button(dialog, "Edit").click()
    expect(row(page, node)).to_contain_text("ssd")
    expect(row(page, node)).to_contain_text("gpu")
    admin.check()


def choose_size(page: Any, size: str) -> Any:
    """In the form that is open; its dialog."""
    dialog = page.get_by_role("dialog")
    sizes = dialog.get_by_label("Size")
    sizes.select_option(sizes.locator("option", has_text=f"{size}:").get_attribute("value"))
    button(dialog, "Change size").click()
    return dialog


def test_size(open_at: Callable[[str], Browser], pair: Any) -> None:
    """Stopped, a machine gets another size; what it is not prepared for, or there is no room for, is said in words."""
    north, person = pair.clusters[0], open_at("user")
    page = person.page
    north.admin.call("admin.template.add", {"name": "huge", "cpu": 1, "memory_mib": 2**24})
    made = north.create(name="elastic")
    north.wait_running(made["vm_id"], contextualized=False)
    person.log_in(f"/ui/machines/{made['uuid']}")
    button(page, "Change size").click()
    dialog = choose_size(page, "small")  # it was prepared for no more
    expect(dialog.get_by_role("alert")).to_contain_text("stop it, and give it that then")
    button(dialog, "Cancel").click()
    person.said.clear()  # of a refusal by its status the browser itself tells
    button(page, "Stop").click()
    button(page.get_by_role("dialog"), "Stop").click()
    button(page, "Change size").click()
    dialog = choose_size(page, "huge")
    expect(dialog.get_by_role("alert")).to_contain_text("No node can take this machine now: 2 nodes: not enough memory")
    user_id = north.user.call("user.user.check_quota")["user_id"]
    was = next(each for each in north.admin.call("admin.user.get_list") if each["user_id"] == user_id)
    used = was["used_memory_mib"]
    north.admin.call("admin.user.edit", {"user_id": user_id, "quota_memory_mib": used})
    choose_size(page, "small")
    expect(dialog.get_by_role("alert")).to_contain_text(f"The quota of memory in MiB is {used}")
    expect(dialog.get_by_role("alert")).to_contain_text("128 more are needed")
    person.said.clear()  # of refusals by their status the browser itself tells
    person.check()
    picture(page, "size-refused")
    north.admin.call("admin.user.edit", {"user_id": user_id, "quota_memory_mib": was["quota_memory_mib"]})
    choose_size(page, "small")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("small (1 CPU, 256 MiB)")).to_be_visible()
    person.check()


def test_rest(open_at: Callable[[str], Browser], pair: Any) -> None:
    """A machine is suspended and woken by whose it is, and by an administrator, who also says which nodes suit it."""
    north, person, admin = pair.clusters[0], open_at("user"), open_at("admin")
    page, there = person.page, admin.page
    made = north.create(name="sleeper")
    north.wait_running(made["vm_id"], contextualized=False)
    person.log_in(f"/ui/machines/{made['uuid']}")
    state = page.locator(".w-heading").get_by_role("status")
    button(page, "Suspend to disk").click()
    expect(state).to_have_text("suspended")
    expect(button(page, "Start")).to_have_attribute("title", "This machine is suspended.")
    person.check()
    button(page, "Wake up").click()
    expect(state).to_have_text("running")

    admin.log_in("/ui/clusters/north/machines")
    pick = there.get_by_role("checkbox", name="Select sleeper")
    pick.check()
    button(there, "Suspend to disk").click()
    expect(row(there, "sleeper")).to_contain_text("suspended")
    pick.check()
    button(there, "Wake up").click()
    expect(row(there, "sleeper")).to_contain_text("running")
    pick.check()
    button(there, "Set traits").click()
    dialog = there.get_by_role("dialog")
    dialog.get_by_label("Traits").fill("quantum")
    button(dialog, "Set traits").click()
    expect(dialog).to_have_count(0)
    admin.check()
    button(page, "Stop").click()
    button(page.get_by_role("dialog"), "Stop").click()
    expect(state).to_have_text("stopped")
    button(page, "Start").click()
    expect(page.get_by_text("No node can take this VM now: 2 nodes: not quantum.")).to_be_visible()
    person.check()


def test_affinity(open_at: Callable[[str], Browser], pair: Any) -> None:
    """Somebody keeps two machines apart; an administrator makes a wish of it; what has machines in it stays."""
    north, person, admin = pair.clusters[0], open_at("user"), open_at("admin")
    page, there = person.page, admin.page
    for name in ("one", "two"):
        north.wait_running(north.create(name=name)["vm_id"], contextualized=False)
    person.log_in("/ui/affinity")
    button(page, "Create group").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("replicas")
    dialog.get_by_label("Strict").check()
    person.check()
    button(dialog, "Create group").click()
    group = row(page, "replicas")
    expect(group).to_contain_text("each on another node")
    pick = page.get_by_role("checkbox", name="Select replicas")
    for name in ("one", "two"):
        pick.check()
        button(page, "Put a machine in").click()
        dialog.get_by_label("Machine").select_option(label=name)
        button(dialog, "Put a machine in").click()
        expect(group).to_contain_text(name)
    pick.check()
    expect(button(page, "Delete")).to_be_disabled()
    person.check()

    admin.log_in("/ui/clusters/north/affinity")
    expect(row(there, "replicas")).to_contain_text("yes")
    there.get_by_role("checkbox", name="Select replicas").check()
    button(there, "Make a wish of it").click()
    asked = there.get_by_role("dialog")
    expect(asked).to_contain_text("What would be done")
    button(asked, "Make a wish of it").click()
    expect(row(there, "replicas")).to_contain_text("no")
    admin.check()

    page.reload()
    expect(group).to_contain_text("no")
    for name in ("one", "two"):
        pick.check()
        button(page, "Take a machine out").click()
        dialog.get_by_label("Machine").select_option(label=name)
        button(dialog, "Take a machine out").click()
        expect(group).not_to_contain_text(name)
    pick.check()
    button(page, "Delete").click()
    button(dialog, "Delete").click()
    expect(page.get_by_text("You have no affinity group")).to_be_visible()
    person.check()


def test_why(open_at: Callable[[str], Browser], pair: Any) -> None:
    """An administrator sees why a machine is where it is, where one would go, and that the books balance."""
    north, admin = pair.clusters[0], open_at("admin")
    page = admin.page
    north.wait_running(north.create(name="placed")["vm_id"], contextualized=False)
    admin.log_in("/ui/clusters/north/machines")
    page.get_by_role("checkbox", name="Select placed").check()
    button(page, "Why there").click()
    expect(page.get_by_role("status").filter(has_text="It was placed on")).to_be_visible()
    expect(row(page, "fits").first).to_be_visible()
    admin.check()
    page.get_by_role("link", name="Placement", exact=True).click()
    sizes = page.get_by_label("Size")
    sizes.select_option(sizes.locator("option", has_text="medium:").get_attribute("value"))
    expect(page.get_by_role("status").filter(has_text="It would go to")).to_be_visible()
    expect(row(page, north.nodes[1].name)).to_contain_text("yes")
    admin.check()
    picture(page, "placement", whole=True)
    page.get_by_role("link", name="Books", exact=True).click()
    expect(page.get_by_text("The books balance.")).to_be_visible()
    expect(page.get_by_text("What accounts, nodes and storages count is held against what lives.")).to_be_visible()
    admin.check()
