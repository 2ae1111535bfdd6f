"""``bin/mutate``: see its ``--help``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mutation.copies import ROOT, Copy, copied
from mutation.equivalents import find_equivalent
from mutation.judge import MOST_S, Verdict, falsely_blamed, judge
from mutation.report import Report, package_of, table, tell
from mutation.sample import PACKAGES, draw, sites_of
from mutation.selection import GROUPS, Record, default_place
from mutation.sites import KINDS, Site


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bin/mutate",
        description="Put single small edits into a copy of the tree, one at a time, and see whether a test fails. The "
        "edits: " + "; ".join(f"{kind} ({what})" for kind, what in KINDS.items()) + ".",
        epilog="The first run records which tests run which lines (.state/mutate), which takes half as long again as "
        "the tests; later ones record the modules of tests that have changed. Ctrl-C ends it with all that it started; "
        "--resume goes on. Edits that change nothing are argued in tests/mutation/equivalents.py. Exit status: 0 when "
        "every edit was seen, 1 when some survived or a verdict was false, 2 for wrong use, 130 when interrupted.",
    )
    made.add_argument("--seed", type=int, default=1, metavar="N", help="what the sample is drawn by (default: 1)")
    made.add_argument("--sample", type=int, default=150, metavar="N", help="edits, over all packages (default: 150)")
    made.add_argument(
        "--package", action="append", metavar="FOLDER", help=f"may be repeated; of {', '.join(PACKAGES)} (default: all)"
    )
    made.add_argument("--only", metavar="FILE[:LINE]", help="every edit of a file or a line, in place of a sample")
    made.add_argument("--kind", action="append", choices=list(KINDS), help="may be repeated (default: all)")
    made.add_argument("--list", action="store_true", help="tell the edits with their differences, and run nothing")
    made.add_argument("--json", type=Path, metavar="FILE", help="write what came of each edit, after each")
    made.add_argument(
        "--resume", type=Path, metavar="FILE", help="go on with such a file, whose edits are not run again"
    )
    made.add_argument("--again", action="store_true", help="with --resume: run those again that survived")
    made.add_argument(
        "--groups", default=",".join(GROUPS), metavar="GROUP,...", help="of tests, in this order (default: %(default)s)"
    )
    made.add_argument(
        "--share", type=float, default=1.0, metavar="F",
        help="of the time that an edit gets of each group, "
        + ", ".join(f"{group} {seconds:g} s" for group, seconds in MOST_S.items()) + " (default: 1)",
    )  # fmt: skip
    made.add_argument("--record", action="store_true", help="only record what tests run")
    made.add_argument("--as-recorded", action="store_true", help="record nothing, also where tests have changed")
    made.add_argument("--state", type=Path, default=default_place(), help=argparse.SUPPRESS)
    return made


def main(argv: Sequence[str]) -> int:
    made = parser()
    options = made.parse_args(argv)
    groups = options.groups.split(",")
    if unknown := sorted(set(groups) - set(GROUPS)):
        made.error(f"no such group: {', '.join(unknown)}; known: {', '.join(GROUPS)}")
    if options.again and not options.resume:
        made.error("--again needs --resume")
    if options.sample < 1 or options.share <= 0:
        made.error("--sample and --share are more than nothing")
    try:
        report = Report.read(options.resume) if options.resume else Report(options.seed, options.sample, {})
        sites = _sites(options, report)
    except (ValueError, OSError) as error:
        made.error(str(error))
    if options.list:
        for site in sites:
            print(f"{site.key} {site.file}:{site.line} {site.kind}\n{site.diff}")
        print(f"{len(sites)} edits")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _run(options, groups, report, sites)
    except KeyboardInterrupt:
        _say("interrupted")
        return 130


def _sites(options: argparse.Namespace, report: Report) -> list[Site]:
    """:raises ValueError: there is no such place."""
    if options.only:
        file, _, line = options.only.partition(":")
        if not (ROOT / file).is_file() or (line and not line.isdigit()):
            raise ValueError(f"--only {options.only}: FILE or FILE:LINE, from the tree's root")
        source = (ROOT / file).read_bytes()
        found = [site for site in sites_of(ROOT, file) if not line or site.line == int(line)]
        found = [site for site in found if site.compiles(source)]
    else:
        packages = [name.rstrip("/") for name in options.package or PACKAGES]
        if missing := [name for name in packages if not (ROOT / name).exists()]:
            raise ValueError(f"no such folder: {', '.join(missing)}")
        found = draw(ROOT, report.seed, report.sample, packages)
    return [site for site in found if not options.kind or site.kind in options.kind]


def _run(options: argparse.Namespace, groups: Sequence[str], report: Report, sites: Sequence[Site]) -> int:
    os.nice(19)  # whoever waits for something else on this machine comes first
    target = options.json or options.resume
    with copied(with_database=groups != ["unit"], progress=_say) as copy:
        record = Record(options.state)
        old = [] if options.as_recorded else record.old(copy.root, groups)
        if old:
            record.renew(copy, old, _say)
        if options.record:
            return 0
        todo = [site for site in sites if options.again or site.key not in report.verdicts]
        todo = [site for site in todo if not _is_settled(report.verdicts.get(site.key))]
        for number, site in enumerate(todo, 1):
            verdict = _verdict(copy, record, site, groups, options.share)
            report.verdicts[site.key] = verdict
            if target:
                report.write(target)
            _say(f"{number} of {len(todo)}: {tell(verdict)}")
        false = _control(copy, record, report, target)
    mine = {site.key for site in sites}
    verdicts = [each for each in report.verdicts.values() if each.key in mine]
    left = [each for each in verdicts if each.fate not in ("killed", "equivalent")]
    for verdict in sorted(left, key=lambda each: (package_of(each.file), each.file, each.line)):
        print(f"\n{tell(verdict)}")
    print(f"\n{table(verdicts)}")
    return 1 if left or false else 0


def _is_settled(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.fate in ("killed", "equivalent")


def _verdict(copy: Copy, record: Record, site: Site, groups: Sequence[str], share: float) -> Verdict:
    argued = find_equivalent(site)
    if argued is None:
        return judge(copy, record, site, groups, share)
    return Verdict(site.key, site.file, site.line, site.kind, site.diff, "equivalent", "", "", argued.reason, 0, 0.0)


def _control(copy: Copy, record: Record, report: Report, target: Path | None) -> bool:
    """Whether a test that killed an edit fails without one, too. Such verdicts are taken back."""
    false = set(falsely_blamed(copy, record, list(report.verdicts.values())))
    for verdict in list(report.verdicts.values()):
        if verdict.by in false:
            _say(f"{verdict.by} fails without an edit: what it said of {verdict.file}:{verdict.line} is taken back")
            del report.verdicts[verdict.key]
    if false and target:
        report.write(target)
    return bool(false)


_began = time.monotonic()


def _say(line: str) -> None:
    print(f"[{time.monotonic() - _began:6.1f} s] {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
