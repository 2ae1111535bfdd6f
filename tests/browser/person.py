"""One person's browser, in front of the portal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lab.credentials import Account

REPOSITORY = Path(__file__).parents[2]
AXE = REPOSITORY / "clm" / "portal" / "web" / "node_modules" / "axe-core" / "axe.min.js"
# What a policy refuses is told to the page, too.
WATCH = """
window.violations = [];
addEventListener('securitypolicyviolation', event =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
# How high a window shows all of a page: what scrolls is the part of it beside the masthead.
HEIGHT = """() => innerHeight + Math.max(0, ...[...document.querySelectorAll('[class*=page__main]')]
  .map((each) => each.scrollHeight - each.clientHeight))"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WAIT_MS = 120_000.0  # of every wait, for the machine may have much else to do; what for, its message says


def picture(page: Any, name: str, *, whole: bool = False) -> None:
    """
    Keep what a page looks like now, if ``$WAWEL_PICTURES`` says where.

    :param whole: with what is out of sight.
    """
    if told := os.environ.get("WAWEL_PICTURES"):
        Path(told).mkdir(parents=True, exist_ok=True)
        size = page.viewport_size
        if whole:
            page.set_viewport_size({**size, "height": page.evaluate(HEIGHT)})
        page.screenshot(path=Path(told) / f"{name}.png", full_page=whole)
        page.set_viewport_size(size)


class Browser:
    """
    One person's browser, with the portal in its one tab.

    :ivar said: errors and warnings in the console, and what broke.
    """

    def __init__(self, chromium: Any, cloud: Any, who: Account | str = "user", **options: Any) -> None:
        """:param who: ``user``, ``admin``, or somebody else."""
        self.url: str = cloud.clm.url
        self._user = getattr(cloud.credentials, who) if isinstance(who, str) else who
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
        wrong = [(each["id"], each["impact"], [(node["html"][:200], node["failureSummary"]) for node in each["nodes"]])
                 for each in found["violations"]]  # fmt: skip
        assert not wrong, wrong
        assert self.said == []
