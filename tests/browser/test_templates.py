"""VM templates, profiles, resource pools and leases, as people and administrators use them: by clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from browser.finding import button, choose, fact, heading, row
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


def finish(page: Any, name: str) -> None:
    """The rest of the wizard, once it is known what the machine begins as."""
    button(page, "Next").click()
    page.get_by_role("radio", name="tiny").check()
    button(page, "Next").click()
    page.get_by_label("Name").fill(name)
    button(page, "Next").click()
    button(page, "Next").click()
    button(page, "Next").click()
    expect(page.get_by_text("Nothing is made yet")).to_be_visible()
    button(page, "Create").click()
    expect(heading(page, name)).to_be_visible()


def delete(page: Any, name: str) -> None:
    """A row of the list that is open."""
    page.get_by_role("checkbox", name=f"Select {name}").check()
    button(page, "Delete").click()
    dialog = page.get_by_role("dialog")
    button(dialog, "Delete").click()
    expect(dialog).to_have_count(0)
    expect(row(page, name)).to_have_count(0)


def test_templates(open_at: Callable[[str], Browser], pair: Any) -> None:
    """
    A VM template is created, another is made of it and has what it leaves open, is shared, and saved with a size as a
    profile, by which the wizard makes a machine; who is in the way of a deletion is told.
    """
    person, admin = open_at("user"), open_at("admin")
    page = person.page
    person.log_in("/ui/templates")
    expect(page.get_by_text("There are no VM templates")).to_be_visible()
    page.get_by_role("link", name="Create VM template").click()
    expect(heading(page, "Create VM template")).to_be_visible()
    button(page, "Create VM template").click()
    expect(page.get_by_text("This is needed.")).to_be_visible()
    page.get_by_label("Name").fill("base")
    choose(page.get_by_label("Image"), "tiny")
    page.get_by_label("System").fill("Tiny <b>1</b>")
    page.get_by_label("Tags").fill("team=red")
    person.check()
    button(page, "Create VM template").click()
    expect(heading(page, "base")).to_be_visible()
    expect(fact(page, "Image")).to_contain_text("tiny")
    person.check()

    button(page, "Make another of it").click()
    expect(page.get_by_label("Made of")).to_contain_text("base")
    page.get_by_label("Name").fill("web")
    page.get_by_label("Further disks, in GiB").fill("rubbish")
    button(page, "Create VM template").click()
    expect(page.get_by_label("Further disks, in GiB")).to_have_attribute("aria-invalid", "true")
    person.said.clear()  # of a refusal by its status the browser itself tells
    page.get_by_label("Further disks, in GiB").fill("1")
    button(page, "Create VM template").click()
    expect(heading(page, "web")).to_be_visible()
    expect(fact(page, "System")).to_contain_text("Tiny <b>1</b> (of its parent)")
    expect(page.get_by_role("region", name="What it is made of")).to_contain_text("base")
    picture(page, "template", whole=True)
    button(page, "Edit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Further disks, in GiB").fill("")
    dialog.get_by_label("System").fill("Web")
    button(dialog, "Edit").click()
    expect(fact(page, "System")).to_contain_text("Web")
    expect(fact(page, "Further disks, in GiB")).to_contain_text("–")
    button(page, "Share").click()
    dialog.get_by_label("Login").fill(pair.credentials.admin.login)
    button(dialog, "Share").click()
    expect(page.get_by_role("region", name="Access").get_by_role("row")).to_have_count(3)  # the head, and its owner
    admin.log_in("/ui/templates")
    expect(row(admin.page, "web")).to_contain_text("to make machines by")
    admin.page.get_by_role("link", name="web").click()
    expect(button(admin.page, "Edit")).to_be_disabled()
    expect(admin.page.get_by_role("region", name="What it is made of")).to_contain_text("not shared with you")
    admin.check()
    admin.open("/ui/clusters/north/templates")
    expect(row(admin.page, "base")).to_contain_text(pair.credentials.user.login)
    admin.check()

    button(page, "Save as profile").click()
    dialog.get_by_label("Name").fill("little web")
    choose(dialog.get_by_label("Size"), "tiny:")
    button(dialog, "Save as profile").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("link", name="VM templates", exact=True).click()
    page.get_by_role("link", name="Profiles").click()
    page.get_by_role("checkbox", name="Select little web").check()
    person.check()
    button(page, "Create machine").click()
    expect(page.get_by_role("radio", name="little web")).to_be_checked()
    expect(page.get_by_role("radio", name="As the VM template has it")).to_be_checked()
    person.check()
    finish(page, "by-profile")
    expect(page.get_by_role("link", name="web", exact=True)).to_be_visible()

    page.get_by_role("link", name="VM templates", exact=True).click()
    page.get_by_role("checkbox", name="Select base").check()
    button(page, "Delete").click()
    button(dialog, "Delete").click()
    expect(dialog).to_contain_text("In use by VM template")  # which is made of it
    person.said.clear()
    button(dialog, "Cancel").click()
    page.get_by_role("checkbox", name="Select base").uncheck()
    page.get_by_role("link", name="Profiles").click()
    delete(page, "little web")
    page.get_by_role("link", name="VM templates", exact=True).first.click()
    for name in ("web", "base"):
        delete(page, name)
    expect(page.get_by_text("There are no VM templates")).to_be_visible()
    person.check()


@pytest.fixture
def at_guests(chromium: Any, guests: Any) -> Iterator[Browser]:
    made = Browser(chromium, guests)
    yield made
    made.context.close()


def test_saved(at_guests: Browser, guests: Any) -> None:
    """A machine of QEMU's becomes a VM template, which is there once its image is; the machine goes on."""
    north, person = guests.clusters[0], at_guests
    made = north.create(name="model")
    north.wait_running(made["vm_id"], contextualized=False)
    page = person.page
    person.log_in(f"/ui/machines/{made['uuid']}")
    button(page, "Save as VM template").click()
    page.get_by_role("dialog").get_by_label("Name").fill("of a model")
    button(page.get_by_role("dialog"), "Save as VM template").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="VM templates", exact=True).click()
    page.get_by_role("link", name="of a model").click()
    expect(heading(page, "of a model")).to_be_visible()
    expect(fact(page, "Image")).to_contain_text("of a model")
    person.check()
    north.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})


def test_leases(open_at: Callable[[str], Browser], pair: Any) -> None:
    """
    An administrator sees what a lease would do before it does anything, then gives it to a machine; its owner sees when
    what will become of it, and renews it.
    """
    north, admin, person = pair.clusters[0], open_at("admin"), open_at("user")
    made = north.create(name="forgotten")
    there = admin.page
    admin.log_in("/ui/clusters/north/expiry")
    expect(there.get_by_text("There are no expiry leases")).to_be_visible()
    button(there, "Create lease").click()
    dialog = there.get_by_role("dialog")
    dialog.get_by_label("Name").fill("a month")
    dialog.get_by_label("Suspended after days").fill("30")
    dialog.get_by_label("For everybody").check()
    button(dialog, "Create lease").click()
    there.get_by_role("checkbox", name="Select a month").check()
    admin.check()
    button(there, "What it would do").click()
    expect(heading(there, "Try a lease")).to_be_visible()
    told = there.get_by_role("region", name="What would become of machines")
    expect(row(told, "forgotten")).to_contain_text("never")  # deleted
    choose(there.get_by_label("Lease"), "as usual")
    there.get_by_label("Deleted after days").fill("0")
    expect(there.get_by_text("This has to be a whole number that fits.")).to_be_visible()
    there.get_by_label("Deleted after days").fill("60")
    expect(row(told, "forgotten")).to_be_visible()
    admin.check()
    there.get_by_role("link", name="Expiry leases", exact=True).first.click()
    there.get_by_role("checkbox", name="Select a month").check()
    button(there, "Give to machines without one").click()
    expect(there.get_by_role("dialog")).to_contain_text("What would be done")
    button(there.get_by_role("dialog"), "Give to machines without one").click()
    expect(there.get_by_role("dialog")).to_have_count(0)

    page = person.page
    person.log_in("/ui/expiry")
    expect(row(page, "forgotten")).to_contain_text("a month")
    expect(row(page, "forgotten")).to_contain_text("never")
    person.check()
    page.get_by_role("checkbox", name="Select forgotten").check()
    button(page, "Renew").click()
    page.get_by_role("link", name="forgotten").click()
    expect(heading(page, "forgotten")).to_be_visible()
    expect(fact(page, "Renewed")).to_be_visible()
    button(page, "Renew").click()
    button(page.get_by_role("dialog"), "Renew").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    person.check()

    # Of one that an administrator gave, and nobody else may choose, it is said beforehand that it cannot be renewed.
    closed = {"name": "closed", "suspend_s": 86_400, "delete_s": None}
    lease = north.admin.call("admin.expiry.add", closed)
    north.admin.call("admin.expiry.set", {"vm_id": made["vm_id"], "expiry_id": lease["expiry_id"]})
    expect(fact(page, "Lease")).to_contain_text("not yours to renew")
    expect(button(page, "Renew")).to_have_count(0)
    page.get_by_role("link", name="Expiry", exact=True).click()
    page.get_by_role("checkbox", name="Select forgotten").check()
    expect(button(page, "Renew")).to_be_disabled()
    person.check()

    there.get_by_role("link", name="Machines with a lease").click()
    expect(row(there, "forgotten")).to_contain_text("closed")
    there.get_by_role("checkbox", name="Select forgotten").check()
    button(there, "Choose lease").click()
    choose(there.get_by_role("dialog").get_by_label("Lease"), "as usual")
    button(there.get_by_role("dialog"), "Choose lease").click()
    expect(row(there, "forgotten")).to_have_count(0)
    admin.check()
    north.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})


def test_resource_pools(open_at: Callable[[str], Browser], pair: Any) -> None:
    """An administrator adds a resource pool and lets somebody make machines in it, who gets no more than it has."""
    north, admin, person = pair.clusters[0], open_at("admin"), open_at("user")
    template = north.user.call("user.vm_template.create", {"name": "plain", "image_id": north.image_id})
    there = admin.page
    admin.log_in("/ui/clusters/north/resource-pools")
    button(there, "Add resource pool").click()
    dialog = there.get_by_role("dialog")
    dialog.get_by_label("Name").fill("course")
    dialog.get_by_label("Machines").fill("1")
    button(dialog, "Add resource pool").click()
    expect(row(there, "course")).to_contain_text("0 of 1")
    there.get_by_role("link", name="course").click()
    expect(heading(there, "course")).to_be_visible()
    button(there, "Grant").click()
    dialog.get_by_label("Login").fill(pair.credentials.user.login)
    button(dialog, "Grant").click()
    expect(row(there, pair.credentials.user.login)).to_contain_text("make machines")
    admin.check()

    page = person.page
    person.log_in("/ui/pools")
    expect(row(page, "course")).to_contain_text("0 of 1")
    page.get_by_role("checkbox", name="Select course").check()
    button(page, "Make machines in it").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("pupil")
    choose(form.get_by_label("VM template"), "plain")
    choose(form.get_by_label("Size"), "tiny:")
    form.get_by_label("How many").fill("2")
    button(form, "Make machines in it").click()
    expect(form.get_by_role("alert")).to_be_visible()  # there is room for one
    person.said.clear()
    form.get_by_label("How many").fill("1")
    button(form, "Make machines in it").click()
    expect(form).to_have_count(0)
    expect(row(page, "course")).to_contain_text("1 of 1")
    person.check()
    there.get_by_role("checkbox", name=f"Select {pair.credentials.user.login}").check()
    button(there, "Take back").click()
    button(there.get_by_role("dialog"), "Take back").click()
    expect(there.get_by_text("Nobody may use it.")).to_be_visible()
    admin.check()
    assert template["vm_template_id"]
