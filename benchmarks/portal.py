"""
The portal in Chromium, held against its budgets: what its first pages weigh, how soon a change made elsewhere is on
screen, and what twenty thousand machines cost. Frames are counted in the page's own time on the processor, which other
programs of this machine do not count into. Needs a built portal and ``bin/bootstrap browser``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from benchmarks.clusters import Settings, federation
from benchmarks.report import Figure, Skipped, Target, percentile, spread
from lab.places import REPOSITORY

BUILT = REPOSITORY / "clm" / "portal" / "dist" / "index.html"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
]  # fmt: skip
LOGIN_BYTES, LIST_BYTES = 300_000, 400_000
MANY = 20_000
PAGE = 10_000  # of a list, as the server gives them
WAIT_MS = 60_000.0
FRAMES = 120
WHEEL_PX, FLING_PX = 100, 1500  # of a frame: as a wheel scrolls, and so far that all rows are others each time
SCROLL = """async ([frames, step]) => {
  const box = document.querySelector('.w-scroll');
  const next = () => new Promise(resolve => requestAnimationFrame(resolve));
  for (let at = 0; at < frames; at += 1) { box.scrollTop += step; await next(); }
  return box.scrollTop;
}"""
# Answers for lists of machines, made up in the page: nothing has to carry them. Everything else is the cloud's own.
PRETEND = """(sample, many, page) => {
  const real = window.fetch, text = JSON.stringify(sample);
  const row = number => text.replace('"vm_id":' + sample.vm_id, '"vm_id":' + number)
    .replace(sample.uuid, `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`)
    .replace(JSON.stringify(sample.name), `"machine-${number}"`);
  window.fetch = (input, options) => {
    const asked = typeof options?.body === 'string' ? JSON.parse(options.body) : {};
    if (asked.method !== 'user.vm.get_list') return real(input, options);
    const {limit = page, before = many + 1, shared, cluster} = asked.params;
    const rows = [];
    if (!shared) for (let number = before - 1; number > 0 && rows.length < limit; number -= 1) rows.push(row(number));
    const result = cluster === '*' ? `{"items":[${rows}],"missing":[]}` : `[${rows}]`;
    const body = `{"jsonrpc":"2.0","id":${JSON.stringify(asked.id)},"result":${result}}`;
    return Promise.resolve(new Response(body, {headers: {'content-type': 'application/json'}}));
  };
}"""
# Told at the frame after which a machine's row is there.
SHOWN = """name => new Promise(resolve => {
  const look = () => [...document.querySelectorAll('tbody a')].some(each => each.textContent === name)
    ? resolve(Date.now()) : requestAnimationFrame(look);
  look();
})"""


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    chromium = shutil.which("chromium")
    if chromium is None or find_spec("playwright") is None or not BUILT.is_file():
        yield Skipped("portal", "there is no browser or no portal: bin/bootstrap portal browser")
        return
    with federation(settings, clusters=1) as whole, _browser(chromium) as browser:
        yield from _weight(whole, browser)
        yield _elsewhere(whole, browser, 5 if settings.quick else 40)
        yield from _many(whole, browser)


@contextmanager
def _browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=FLAGS, headless=True)
        try:
            yield made
        finally:
            made.close()


class Watched:
    """
    A page of a fresh browser.

    :ivar received: bytes of answers as they came over the wire, heads included.
    """

    def __init__(self, whole: Any, browser: Any) -> None:
        self._url: str = whole.clm.url
        self._user = whole.credentials.user
        self.context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 800})
        self.context.set_default_timeout(WAIT_MS)
        self.page = self.context.new_page()
        self.devtools = self.context.new_cdp_session(self.page)
        self.devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.received = 0
        self.devtools.on("Network.loadingFinished", self._finished)
        self.devtools.send("Network.enable")

    def _finished(self, told: Any) -> None:
        self.received += int(told["encodedDataLength"])

    def open(self, path: str) -> None:
        self.page.goto(self._url + path)

    def log_in(self, path: str) -> None:
        self.open(path)
        self.fill_in()

    def fill_in(self) -> None:
        self.page.locator("#login").fill(self._user.login)
        self.page.locator("#password").fill(self._user.password)
        self.page.locator("button[type=submit]").click()

    def computed_s(self) -> float:
        """The page's main thread on the processor since it was opened."""
        told = {each["name"]: each["value"] for each in self.devtools.send("Performance.getMetrics")["metrics"]}
        return float(told["TaskDuration"])

    def heap_bytes(self) -> int:
        self.devtools.send("HeapProfiler.collectGarbage")
        return int(self.devtools.send("Runtime.getHeapUsage")["usedSize"])


def _figure(name: str, value: float, unit: str, bound: float, note: str = "") -> Figure:
    return Figure("portal", name, value, unit, Target(bound, "at most", unit=unit), None, note)


# ------------------------------------------------------------------ what it weighs


def weigh(watched: Watched) -> tuple[int, int]:
    """Bytes of the login page, and up to the list of machines; nothing is in the browser's cache."""
    watched.open("/ui/machines")
    watched.page.locator("button[type=submit]").wait_for()
    watched.page.wait_for_load_state("networkidle")
    login = watched.received
    watched.fill_in()
    watched.page.get_by_role("heading", level=1, name="Machines").wait_for()
    watched.page.wait_for_function("() => !document.querySelector('.pf-v6-c-spinner')")
    return login, watched.received


def _weight(whole: Any, browser: Any) -> Iterator[Figure]:
    watched = Watched(whole, browser)
    began = time.perf_counter()
    login, machines = weigh(watched)
    yield _figure("the login page with its fonts", login / 1000, "kB", LOGIN_BYTES / 1000)
    told = f"with what calls answered; {time.perf_counter() - began:.2g} s in all, a pause of half a second counted"
    yield _figure("up to the list of machines", machines / 1000, "kB", LIST_BYTES / 1000, told)
    watched.context.close()


# ------------------------------------------------------------------ changes


def _elsewhere(whole: Any, browser: Any, rounds: int) -> Figure:
    """From the sending of a call that makes a machine, to its row on screen."""
    watched, cluster = Watched(whole, browser), whole.clusters[0]
    watched.log_in("/ui/machines")
    watched.page.get_by_role("heading", level=1, name="Machines").wait_for()
    watched.page.get_by_text("live").wait_for()
    taken = []
    for number in range(rounds):
        name = f"shown-{number}"
        watched.page.evaluate(f"name => {{ window.shown = ({SHOWN})(name); }}", name)
        began = time.time()
        made = cluster.create(name=name)
        taken.append(watched.page.evaluate("() => window.shown") - began * 1000)
        cluster.wait_running(made["vm_id"], contextualized=False)
        cluster.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
    watched.context.close()
    told = f"median {statistics.median(taken):.0f} ms, {spread(taken)}; the call itself counted"
    return _figure("a machine made elsewhere, on screen, p95", percentile(taken, 0.95), "ms", 1000, told)


# ------------------------------------------------------------------ twenty thousand


def open_many(watched: Watched, sample: dict[str, Any]) -> float:
    """
    The list of as many machines as that one.

    :return: seconds of the page's on the processor until they are there.
    """
    watched.log_in("/ui/account")
    watched.page.get_by_role("heading", level=1, name="Account").wait_for()
    watched.context.add_init_script(f"({PRETEND})({json.dumps(sample)}, {MANY}, {PAGE})")
    watched.open("/ui/machines")
    watched.page.get_by_text(f"{MANY:,}").wait_for()
    watched.page.get_by_role("link", name="machine-1", exact=True).wait_for()
    return watched.computed_s()


def sample_of(whole: Any) -> dict[str, Any]:
    cluster = whole.clusters[0]
    cluster.wait_running(cluster.create(name="sample")["vm_id"], contextualized=False)
    found = cluster.user.call("user.vm.get_list")
    return {**next(each for each in found if each["name"] == "sample"), "cluster": cluster.name}


def _many(whole: Any, browser: Any) -> Iterator[Figure]:
    watched, sample = Watched(whole, browser), sample_of(whole)
    began = time.perf_counter()
    opened = open_many(watched, sample)
    told = f"the page's processor time; {time.perf_counter() - began:.2g} s by the clock, logging in counted"
    yield _figure("20,000 machines are listed", opened, "s", 3, told)
    for name, step in (("as a wheel scrolls", WHEEL_PX), ("with all rows new", FLING_PX)):
        taken = []
        for _ in range(5):
            was = watched.computed_s()
            watched.page.evaluate(SCROLL, [FRAMES, step])
            taken.append((watched.computed_s() - was) * 1000 / FRAMES)
        yield _figure(f"a frame of them, {name}", statistics.median(taken), "ms", 16, spread(taken))
    yield _figure("memory of the page's scripts with them", watched.heap_bytes() / 2**20, "MiB", 60)
    watched.context.close()
