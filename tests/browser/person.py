"""One person's browser, in front of the portal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
AXE = REPOSITORY / "clm" / "portal" / "web" / "node_modules" / "axe-core" / "axe.min.js"
# What a policy refuses is told to the page, too.
WATCH = """
window.violations = [];
addEventListener('securitypolicyviolation', event =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WAIT_MS = 30_000.0  # the machine may have much else to do


class Browser:
    """
    One person's browser, with the portal in its one tab.

    :ivar said: errors and warnings in the console, and what broke.
    """

    def __init__(self, chromium: Any, cloud: Any, who: str = "user", **options: Any) -> None:
        """:param who: ``user`` or ``admin``."""
        self.url: str = cloud.clm.url
        self._user = getattr(cloud.credentials, who)
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
