"""What people and administrators do on the portal's other pages: forms, lists, files, and what is told of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from browser.finding import button, heading

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


def test_disks(browser: Any, cloud: Any) -> None:
    """What is missing is said at its field, and what was typed stays; disks go into the trash and come back."""
    page = browser.page
    browser.log_in("/ui/disks")
    expect(heading(page, "Disks")).to_be_visible()
    button(page, "Create disk").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Size in GiB").fill("0")
    button(dialog, "Create disk").click()
    expect(dialog.get_by_text("This is needed.")).to_be_visible()
    expect(dialog.get_by_text("This has to be a whole number that fits.")).to_be_visible()
    expect(dialog.get_by_label("Name")).to_be_focused()
    browser.check()
    dialog.get_by_label("Size in GiB").fill("1")
    dialog.get_by_label("Name").fill("first")
    button(dialog, "Create disk").click()
    row = page.get_by_role("row", name=re.compile("first"))
    expect(row).to_contain_text("1 GiB")
    cloud.cluster("north").user.call("user.disk.create", {"name": "second", "size_mib": 1024})
    other = page.get_by_role("row", name=re.compile("second"))
    expect(other).to_be_visible()  # made elsewhere
    expect(row).to_contain_text("ready")
    expect(other).to_contain_text("ready")
    for each in ("first", "second"):
        page.get_by_role("checkbox", name=f"Select {each}").check()
    button(page, "Put into the trash").click()
    expect(page.get_by_role("dialog")).to_contain_text("What would be done")
    browser.check()
    button(page.get_by_role("dialog"), "Put into the trash").click()
    expect(page.get_by_text("2 done")).to_be_visible()
    for each in (row, other):  # there may be others: of what other modules leave
        expect(each).to_have_count(0)
    page.get_by_role("link", name="Trash").click()
    expect(heading(page, "Trash")).to_be_visible()
    page.get_by_role("checkbox", name="Select first").check()
    button(page, "Restore").click()
    expect(page.get_by_role("row", name=re.compile("first"))).to_have_count(0)
    page.get_by_role("link", name="Disks", exact=True).click()
    expect(row).to_contain_text("ready")
    browser.check()


def test_refused_at_its_field(browser: Any) -> None:
    """What the server refuses stands at the field that it is about."""
    page = browser.page
    browser.log_in("/ui/keys")
    button(page, "Add key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("mine")
    dialog.get_by_label("Public key").fill("rubbish")
    button(dialog, "Add key").click()
    expect(dialog.locator("#add-key-key-help")).to_contain_text("SSH public key")
    expect(dialog.get_by_label("Public key")).to_have_value("rubbish")
    browser.said.clear()  # of a refusal by its status the browser itself tells
    browser.check()
    button(dialog, "Cancel").click()
    button(page, "Generate key").click()
    dialog.get_by_label("Name").fill("mine")
    button(dialog, "Generate key").click()
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    expect(page.get_by_label("Private key").last).to_contain_text("PRIVATE KEY")
    browser.check()
    page.reload()
    expect(page.get_by_role("row", name=re.compile("mine"))).to_be_visible()
    expect(page.get_by_text("PRIVATE KEY")).to_have_count(0)


def test_upload(browser: Any, tmp_path: Path) -> None:
    """A file of one's own becomes an image, and is deleted again."""
    page = browser.page
    file = tmp_path / "data.raw"
    file.write_bytes(b"\0" * 2**20)
    browser.log_in("/ui/images/new")
    page.get_by_label("Where it comes from").select_option("file")
    page.get_by_label("Kind").select_option("storage")
    page.get_by_label("Name").fill("uploaded")
    page.get_by_label("Format").select_option("raw")
    page.get_by_label("File", exact=True).set_input_files(file)
    browser.check()
    button(page, "Add image").click()
    expect(heading(page, "Images")).to_be_visible()
    row = page.get_by_role("row", name=re.compile("uploaded"))
    expect(row).to_contain_text("ready")
    page.get_by_role("checkbox", name="Select uploaded").check()
    button(page, "Delete").click()
    button(page.get_by_role("dialog"), "Delete").click()
    expect(row).to_have_count(0)
    browser.check()


def test_work(browser: Any, open_browser: Callable[..., Any], tmp_path: Path) -> None:
    """How an ISO image came is told on its page, to administrators too; of a storage its page tells what was done."""
    page = browser.page
    file = tmp_path / "tools.iso"
    file.write_bytes(b"\0" * 32768 + b"\1CD001\1" + b"\0" * 2**20)
    browser.log_in("/ui/images/new")
    page.get_by_label("Where it comes from").select_option("file")
    page.get_by_label("Kind").select_option("iso")
    page.get_by_label("Name").fill("tools")
    page.get_by_label("File", exact=True).set_input_files(file)
    button(page, "Add image").click()
    expect(page.get_by_role("row", name=re.compile("tools"))).to_contain_text("ready")
    page.get_by_role("link", name="tools", exact=True).click()
    done = re.compile("bring image.*done")
    work = page.get_by_role("region", name="What is done on it")
    expect(work.get_by_role("row", name=done)).to_be_visible()
    browser.check()

    admin = open_browser(who="admin")
    there = admin.page
    admin.log_in("/ui/clusters/north/images")
    there.get_by_role("link", name="tools", exact=True).click()
    shown = there.get_by_role("region", name="What is done on it")
    expect(shown.get_by_role("row", name=done)).to_be_visible()
    admin.check()
    there.get_by_role("link", name="Storages", exact=True).click()
    there.locator("tbody a").first.click()
    expect(shown.get_by_role("row", name=re.compile("attach storage.*done"))).to_be_visible()
    expect(there.get_by_text("Kept free")).to_be_visible()
    button(there, "Lock").click()
    expect(there.get_by_role("dialog")).to_contain_text("What would be done")
    button(there.get_by_role("dialog"), "Lock").click()
    button(there, "Unlock").click()
    expect(button(there, "Lock")).to_be_enabled()
    admin.check()
    button(page, "Delete").click()
    button(page.get_by_role("dialog"), "Delete").click()
    expect(heading(page, "This is gone")).to_be_visible()


def test_registration(browser: Any, open_browser: Callable[..., Any]) -> None:
    """Who asks for an account is told what comes next; an administrator activates it, and then it logs in."""
    page = browser.page
    browser.open()
    page.get_by_role("link", name="Ask for an account").click()
    expect(heading(page, "Ask for an account")).to_be_visible()
    page.get_by_label("Login").fill("newcomer")
    page.get_by_label("Mail address").fill("newcomer@wawel.example")
    page.get_by_label("Password").fill("long enough, one hopes")
    button(page, "Register").click()
    expect(page.get_by_text("has to activate your account")).to_be_visible()
    admin = open_browser(who="admin")
    admin.log_in("/ui/cloud/users?search=newcomer")
    admin.page.get_by_role("checkbox", name="Select newcomer").check()
    button(admin.page, "Activate").click()
    expect(admin.page.get_by_role("row", name=re.compile("newcomer"))).to_contain_text("active")
    admin.check()
    page.get_by_role("link", name="To the log-in").click()
    page.locator("#login").fill("newcomer")
    page.locator("#password").fill("long enough, one hopes")
    page.locator("button[type=submit]").click()
    expect(heading(page, "Machines")).to_be_visible()


def test_link_of_a_mail(browser: Any) -> None:
    """The token of a mail's link goes into the form, and out of the address; a wrong one is said to be."""
    page = browser.page
    browser.open("/ui/reset#token=not-one-of-ours")
    expect(page.get_by_label("Token")).to_have_value("not-one-of-ours")
    assert page.url.endswith("/ui/reset")
    page.get_by_label("New password").fill("long enough, one hopes")
    button(page, "Set password").click()
    expect(page.get_by_role("alert")).to_contain_text("The token is wrong, used or expired")
    browser.said.clear()  # as above
    browser.check()


def test_nodes(open_browser: Callable[..., Any], cloud: Any) -> None:
    """An administrator locks a node after seeing what that does; that it is unlocked elsewhere shows by itself."""
    admin = open_browser(who="admin")
    admin.log_in("/ui/clusters/north/nodes")
    page = admin.page
    page.get_by_role("link", name="node1").click()
    expect(heading(page, "node1")).to_be_visible()
    expect(button(page, "Unlock")).to_be_disabled()
    button(page, "Lock").click()
    expect(page.get_by_role("dialog")).to_contain_text("What would be done")
    button(page.get_by_role("dialog"), "Lock").click()
    expect(button(page, "Unlock")).to_be_enabled()
    admin.check()
    north = cloud.cluster("north")
    north.admin.call("admin.node.unlock", {"node_id": north.nodes[0].node_id})
    expect(button(page, "Lock")).to_be_enabled()
