"""A cloud of libvirt's test driver, by real programs, and Debian's Chromium in front of its portal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
BUILT = REPOSITORY / "clm" / "portal" / "dist" / "index.html"
AXE = REPOSITORY / "clm" / "portal" / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
]  # fmt: skip
# What a policy refuses is told to the page, too.
WATCH = """
window.violations = [];
addEventListener('securitypolicyviolation', event =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WAIT_MS = 30_000.0  # the machine may have much else to do


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
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from lab.federation import Federation

    with Federation(tmp_path_factory.mktemp("portal"), 1, 1, "test", durable=False) as made:
        yield made


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield made
        made.close()


class Browser:
    """
    One person's browser, with the portal in its one tab.

    :ivar said: errors and warnings in the console, and what broke.
    """

    def __init__(self, chromium: Any, cloud: Any, **options: Any) -> None:
        self.url: str = cloud.clm.url
        self._user = cloud.credentials.user
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        self.context = chromium.new_context(reduced_motion="reduce", **options)
        self.context.add_init_script(WATCH)
        self.context.set_default_timeout(WAIT_MS)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.text} {message.location.get('url', '')}")

    def open(self, path: str = "/ui/") -> None:
        self.page.goto(self.url + path)

    def log_in(self, path: str = "/ui/") -> None:
        self.open(path)
        self.log_in_here()

    def log_in_here(self) -> None:
        """On the page where one is asked to."""
        self.page.locator("#login").fill(self._user.login)
        self.page.locator("#password").fill(self._user.password)
        self.page.locator("button[type=submit]").click()

    def check(self) -> None:
        """Nothing was refused by the policy, nothing stands in the console, and axe finds nothing on the page."""
        assert self.page.evaluate("window.violations") == []
        assert self.said == []
        # A script's element would be refused by the policy; what a debugger evaluates is not.
        self.page.evaluate(AXE.read_text() + "; 0")
        found = self.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        wrong = [(each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]])
                 for each in found["violations"]]  # fmt: skip
        assert not wrong, wrong
        assert self.said == []


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
