"""
The log: twisted.logger's events as lines of text or of JSON on standard error. Under journald each line begins with its
priority (``<3>``), which journald takes off: ``journalctl -p err`` shows errors with the whole of their tracebacks.

An event is a fixed text with its values as fields. Every line carries the id of the call it was written for, in
threads too (``IThreads`` takes context variables along). Fields whose names say that they are secret are not written.
"""

from __future__ import annotations

import contextvars
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, TextIO

import msgspec
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogBeginner,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)
from twisted.python.failure import Failure
from zope.interface import implementer

call_id: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("call_id", default="")

HIDDEN: Final = "<hidden>"
_SECRET: Final = re.compile(r"password|passwd|token|secret|authorization|credential|private_key", re.IGNORECASE)
_LEVELS: Final = {
    logging.DEBUG: LogLevel.debug,
    logging.INFO: LogLevel.info,
    logging.WARNING: LogLevel.warn,
    logging.ERROR: LogLevel.error,
    logging.CRITICAL: LogLevel.critical,
}
_PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}  # syslog's: sd-daemon(3)
_SHOWN_MAX: Final = 10_000  # characters of one field


@lru_cache(maxsize=1024)  # of the names there are some dozens
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def redacted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an event with secret ones hidden, at any depth."""
    return {name: HIDDEN if _is_secret(str(name)) else _redacted(value) for name, value in fields.items()}


def _redacted(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return redacted(value)
    if isinstance(value, (list, tuple)):
        return [_redacted(item) for item in value]
    return value


@implementer(ILogObserver)
class LineObserver:
    """
    Writes an event as one line, a failure's traceback below it, indented (text), or in the field ``traceback`` (JSON).

    :param priorities: before each line, those of a traceback too, as journald reads them.
    """

    def __init__(self, out: TextIO, style: Literal["text", "json"] = "text", priorities: bool = False) -> None:
        self._out = out
        self._json = style == "json"
        self._priorities = priorities

    def __call__(self, event: dict[str, Any]) -> None:
        try:
            line = self._json_line(event) if self._json else self._text_line(event)
        except Exception as error:  # an event must not break who logs it
            line = f"an event could not be written: {type(error).__name__}"
        if self._priorities:
            line = _prioritised(line, getattr(event.get("log_level"), "name", "info"))
        self._out.write(line + "\n")
        self._out.flush()

    def _text_line(self, event: dict[str, Any]) -> str:
        time, level, system, call, text, traceback = self._parts(event, redacted(_without_failure(event)))
        line = f"{time} {level:<8} {system}{f' [{call}]' if call else ''} {_one_line(text)}"
        # Indented, as an exception's own text may have lines: none of them begins like one of ours.
        return "\n".join([line, *(f"  {_one_line(each)}" for each in traceback.rstrip().split("\n") if traceback)])

    def _json_line(self, event: dict[str, Any]) -> str:
        clean = redacted(_without_failure(event))
        time, level, system, call, text, traceback = self._parts(event, clean)
        entry: dict[str, Any] = {"time": time, "level": level, "system": system, "message": text}
        if call:
            entry["call_id"] = call
        if traceback:
            entry["traceback"] = traceback
        fields = {name: value for name, value in clean.items() if not name.startswith("log_") and name not in _LEGACY}
        entry |= {name: _bounded(value) for name, value in fields.items() if name not in entry}
        return msgspec.json.encode(entry).decode()

    @staticmethod
    def _parts(event: Mapping[str, Any], clean: Mapping[str, Any]) -> tuple[str, str, str, str, str, str]:
        failure = event.get("log_failure")
        return (
            _time(event.get("log_time", 0)),
            getattr(event.get("log_level"), "name", "info"),
            str(event.get("log_namespace", "-")),
            str(event.get("call_id") or call_id.get()),
            _text(clean),
            failure.getTraceback() if failure is not None else "",
        )


def _without_failure(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "log_failure"}


def _text(event: Mapping[str, Any]) -> str:
    """
    An event's format with its fields. ``formatEvent`` goes over the format in Python, for fields that are calls
    (``{name()}``); these are in none of ours, and where the format is more than ``str`` knows it is asked.
    """
    try:
        return str(event["log_format"]).format_map(event)
    except Exception:
        return formatEvent(dict(event))


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(moment: float) -> str:
    """
    ISO 8601, to the millisecond.

    :param moment: Unix seconds.
    """
    second, rest = divmod(moment, 1)
    return f"{_second(int(second))}.{int(rest * 1000):03d}Z"


def _prioritised(text: str, level: str) -> str:
    prefix = f"<{_PRIORITIES.get(level, 6)}>"
    return "\n".join(prefix + line for line in text.split("\n"))


def is_journal(out: TextIO) -> bool:
    """Whether what is written there goes to journald: systemd.exec(5), JOURNAL_STREAM."""
    try:
        found = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


_LEGACY: Final = frozenset({"message", "time", "system", "format", "isError", "failure", "why", "logLevel"})


def _one_line(text: str) -> str:
    """A value with line feeds in it must not forge a line of its own."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _bounded(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text[:_SHOWN_MAX].encode("utf-8", "replace").decode()


class _Bridge(logging.Handler):
    """The standard library's records as our events."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = Logger(namespace=record.name)
        level = next((ours for number, ours in reversed(_LEVELS.items()) if record.levelno >= number), LogLevel.debug)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            logger.failure("{text}", Failure(error), level=level, text=record.getMessage())
        else:
            logger.emit(level, "{text}", text=record.getMessage())


def start(
    style: Literal["text", "json"] = "text",
    level: Literal["debug", "info", "warn", "error"] = "info",
    out: TextIO | None = None,
    beginner: LogBeginner = globalLogBeginner,
) -> None:
    """
    Send the log to standard error from now on, with what ends a thread or the program; once per process. Standard
    output stays as it is.
    """
    out = out or sys.stderr
    observer = FilteringLogObserver(
        LineObserver(out, style, is_journal(out)), [LogLevelFilterPredicate(LogLevel.levelWithName(level))]
    )
    beginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=False)
    bridge_standard_logging(level)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, traceback: Any) -> None:
    if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        Logger().failure("nobody caught this", Failure(error, kind, traceback))


def bridge_standard_logging(level: str = "info") -> None:
    """Have libraries that use ``logging`` (SQLAlchemy, libvirt's helpers) speak in the same log."""
    root = logging.getLogger()
    if not any(isinstance(handler, _Bridge) for handler in root.handlers):
        root.addHandler(_Bridge())
    root.setLevel({"warn": logging.WARNING}.get(level) or level.upper())
