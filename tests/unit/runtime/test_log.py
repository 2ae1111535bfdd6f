"""The log's lines: fixed text, fields, call ids, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from twisted.logger import Logger, LogPublisher

from cm.runtime.log import LineObserver, bridge_standard_logging, call_id, redacted


def lines(style: Any, write: Any) -> list[str]:
    out = io.StringIO()
    write(Logger(namespace="cm.test", observer=LogPublisher(LineObserver(out, style))))
    return out.getvalue().splitlines()


class TestLines:
    def test_text(self) -> None:
        (line,) = lines("text", lambda log: log.info("vm {vm_id}: {was} -> {now}", vm_id=5, was="off", now="on"))
        assert line.endswith("info     cm.test vm 5: off -> on") and line[23] == "Z"

    def test_json(self) -> None:
        (line,) = lines("json", lambda log: log.warn("vm {vm_id}", vm_id=5, what=object, lone="\ud800"))
        entry = json.loads(line)
        assert entry["message"] == "vm 5" and entry["vm_id"] == 5 and entry["level"] == "warn"
        assert entry["what"] == "<class 'object'>"

    def test_call_id(self) -> None:
        """The call's id is on every line that is written for it."""
        token = call_id.set("c0ffee")
        try:
            assert "[c0ffee]" in lines("text", lambda log: log.info("x"))[0]
            assert json.loads(lines("json", lambda log: log.info("x"))[0])["call_id"] == "c0ffee"
        finally:
            call_id.reset(token)

    @pytest.mark.parametrize("style", ["text", "json"])
    def test_secrets(self, style: str) -> None:
        """Fields that are named as secrets are hidden, in the text and at any depth."""

        def write(log: Logger) -> None:
            log.info("{password} {headers}", password="hunter2", headers={"Authorization": "hunter2"})
            log.info("x", api_token="hunter2", deep=[{"client_secret": "hunter2", "credentials": "hunter2"}])

        assert "hunter2" not in "".join(lines(style, write))
        assert redacted({"login": "anna", "Password": "x"}) == {"login": "anna", "Password": "<hidden>"}

    def test_forged_line(self) -> None:
        """A value with line feeds stays in its line."""
        (line,) = lines("text", lambda log: log.info("{name}", name="a\n2026 error forged\x1b[2J"))
        assert "a\\n2026 error forged\\x1b" in line

    @pytest.mark.parametrize("style", ["text", "json"])
    def test_failure(self, style: str) -> None:
        def write(log: Logger) -> None:
            try:
                raise ValueError("boom")
            except ValueError:
                log.failure("it broke in {where}", where="test")

        text = "\n".join(lines(style, write))
        assert "it broke in test" in text and "Traceback" in text and "boom" in text
        assert len(lines("json", write)) == 1

    def test_lines_of_a_failure(self) -> None:
        """An exception's text may have lines; none of them looks like one of ours."""

        def write(log: Logger) -> None:
            try:
                raise ValueError("x\n2026-01-01T00:00:00.000Z warn     wawel.login login refused\r\x1b[2J")
            except ValueError:
                log.failure("it broke")

        first, *others = lines("text", write)
        assert first.endswith("it broke") and len(others) > 3
        assert all(line.startswith("  ") and line.isprintable() for line in others)

    @pytest.mark.parametrize("style", ["text", "json"])
    def test_priorities(self, style: Any, tmp_path: Path) -> None:
        """Where journald reads, each line tells its priority, those of a traceback too; elsewhere none does."""
        program = (
            "import sys, threading\n"
            "from cm.runtime import log\n"
            f"log.start({style!r}, 'debug')\n"
            "from twisted.logger import Logger\n"
            "it = Logger()\n"
            "it.debug('d'); it.info('i'); it.warn('w'); it.error('e')\n"
            "try: 1 / 0\n"
            "except ZeroDivisionError: it.failure('caught')\n"
            "thread = threading.Thread(target=lambda: 2 / 0); thread.start(); thread.join()\n"
            "3 / 0\n"
        )
        written = {}
        for journal in (True, False):
            with open(tmp_path / str(journal), "w+") as out:
                found = os.fstat(out.fileno())
                stream = f"{found.st_dev}:{found.st_ino + (not journal)}"
                run([sys.executable, "-c", program], stderr=out, env={**os.environ, "JOURNAL_STREAM": stream})
                out.seek(0)
                written[journal] = out.read().splitlines()
        priorities = [line[:3] for line in written[True]]
        assert priorities[:4] == ["<7>", "<6>", "<4>", "<3>"] and set(priorities[4:]) == {"<2>"}
        assert sum("ZeroDivisionError" in line for line in written[True]) >= 3
        assert not any(line.startswith("<") for line in written[False])

    def test_broken_value(self) -> None:
        """An event that cannot be written does not break who logs it."""

        class Broken:
            def __repr__(self) -> str:
                raise RuntimeError

        assert len(lines("json", lambda log: log.info("x", value=Broken()))) == 1

    def test_bridge(self) -> None:
        """Records of the standard library's logging reach the same log, once."""
        from twisted.logger import globalLogPublisher

        events: list[Any] = []
        root = logging.getLogger()
        before, level = list(root.handlers), root.level
        globalLogPublisher.addObserver(events.append)
        try:
            bridge_standard_logging()
            bridge_standard_logging()
            logging.getLogger("some.library").warning("braces {x} %s", 5)
        finally:
            globalLogPublisher.removeObserver(events.append)
            root.handlers[:] = before
            root.setLevel(level)
        told = [event for event in events if event.get("log_namespace") == "some.library"]
        assert [event["text"] for event in told] == ["braces {x} 5"]
