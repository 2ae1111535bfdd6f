"""The log's lines: fixed text, fields, call ids, and no secrets."""

from __future__ import annotations

import io
import json
import logging
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
