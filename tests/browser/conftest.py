"""A cloud of libvirt's test driver, by real programs, and Debian's Chromium in front of its portal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.portal import FLAGS
from browser.person import AXE, REPOSITORY, WAIT_MS, Browser

BUILT = REPOSITORY / "clm" / "portal" / "dist" / "index.html"
CHROMIUM = shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_spec("playwright") is None:
        lacking = "Playwright is not installed"
    elif CHROMIUM is None:
        lacking = "there is no chromium"
    elif not (BUILT.is_file() and AXE.is_file()):
        lacking = "the portal is not built"
    else:
        return
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=f"{lacking}; bin/bootstrap portal browser"))


@pytest.fixture(scope="session")
def provider() -> Iterator[Any]:
    """Of OpenID Connect: whoever comes there is Carol."""
    from support.oidc_provider import OIDCProviderServer

    made = OIDCProviderServer()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, provider: Any) -> Iterator[Any]:
    from lab.federation import Federation

    client = {"client_id": provider.client_id, "client_secret": provider.client_secret}
    known = {"oidc.university": {"issuer": provider.issuer, "title": "The university", **client}}
    with Federation(tmp_path_factory.mktemp("portal"), 1, 1, "test", durable=False, settings=known) as made:
        yield made


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cloud on a real host, whose guests are QEMU's."""
    from lab.federation import Federation

    if os.geteuid() != 0:
        pytest.skip("hosts for QEMU guests need root")
    with Federation(tmp_path_factory.mktemp("guests"), 1, 1, "qemu", durable=False) as made:
        yield made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cloud of two nodes, by hosts in memory, whose machines do what libvirt's test driver cannot."""
    from lab.federation import Federation

    with Federation(tmp_path_factory.mktemp("pair"), 1, 2, "memory", durable=False) as made:
        yield made


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True, timeout=WAIT_MS)
        yield made
        made.close()


@pytest.fixture
def open_browser(chromium: Any, cloud: Any) -> Iterator[Callable[..., Browser]]:
    made: list[Browser] = []

    def open_one(**options: Any) -> Browser:
        made.append(Browser(chromium, cloud, **options))
        return made[-1]

    yield open_one
    for each in made:
        each.context.close()


@pytest.fixture
def browser(open_browser: Callable[..., Browser]) -> Browser:
    return open_browser()
