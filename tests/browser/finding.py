"""How tests of the portal find what a page shows, as people do: by its role and its words."""

from __future__ import annotations

import re
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="bin/bootstrap browser installs Playwright")
expect = playwright.expect


def heading(page: Any, name: str) -> Any:
    return page.get_by_role("heading", level=1, name=name, exact=True)


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def row(page: Any, name: str) -> Any:
    return page.get_by_role("row", name=re.compile(re.escape(name)))


def choose(field: Any, label: str) -> None:
    """The one of a list's choices that holds a text."""
    option = field.locator("option", has_text=label).first
    expect(option).to_have_count(1)
    field.select_option(option.get_attribute("value"))


def fact(page: Any, name: str) -> Any:
    return page.locator(".pf-v6-c-description-list__group", has=page.get_by_text(name, exact=True))
