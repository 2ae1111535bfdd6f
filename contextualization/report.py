"""Reports of nodes' agents as they come in: bounded, typed, each taken once."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from cm.rpc.limits import check_depth
from cm.rules.node_report import PROTOCOL, Report
from cm.runtime.database import Database
from cm.services.node_report import take_report
from contextualization.authenticate import Sender
from contextualization.document import Documents
from contextualization.wire import Refusal

REPORT_MAX: Final = 131_072  # bytes
DEPTH_MAX: Final = 6
AGAIN_S: Final = 60  # an agent reports at once what has changed, and the same again after so many seconds

_PRINTABLE: Final = r"\A[^\x00-\x1f\x7f]*\Z"
Word = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._:+~-]{1,64}\Z")]
Line = Annotated[str, Meta(max_length=300, pattern=_PRINTABLE)]
Interface = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{1,15}\Z")]
PublicAddress = Annotated[str, Meta(pattern=r"\A[0-9a-f.:]{2,45}\Z")]
Load = Annotated[float, Meta(ge=0, le=1_000_000)]
Time = Annotated[float, Meta(ge=0, le=4_102_444_800, description="Unix seconds.")]


class _Problem(Struct):
    code: Word
    text: Line
    subject: Line = ""


class _Bridge(Struct):
    network: Line
    bridge: Line
    present: bool
    metadata: bool = False
    taps: Annotated[int, Meta(ge=0, le=100_000)] = 0


class _Difference(Struct):
    kind: Word
    subject: Line
    text: Line = ""


class _Hook(Struct):
    path: Line
    version: Line = ""
    last: Time | None = None


class _Report(Struct):
    """Of ``cm.rules.node_report.Report`` what may be in it. More of a newer agent's is ignored."""

    protocol: Annotated[int, Meta(ge=PROTOCOL, le=1000)]
    run: Word
    sequence: Annotated[int, Meta(ge=1, le=2**53)]
    boot_id: Word
    document: Line = ""
    applied: Annotated[dict[Word, Word], Meta(max_length=32)] = {}
    problems: Annotated[list[_Problem], Meta(max_length=50)] = []
    versions: Annotated[dict[Word, Line], Meta(max_length=16)] = {}
    capabilities: Annotated[list[Word], Meta(max_length=32)] = []
    bridges: Annotated[list[_Bridge], Meta(max_length=500)] = []
    rules: Annotated[dict[Word, Line], Meta(max_length=8)] = {}
    hook: _Hook | None = None
    public: Annotated[list[PublicAddress], Meta(max_length=1000)] = []
    coming: Annotated[list[PublicAddress], Meta(max_length=1000)] = []
    differences: Annotated[list[_Difference], Meta(max_length=50)] = []
    uplinks: Annotated[list[Interface], Meta(max_length=100)] = []
    load: Annotated[list[Load], Meta(max_length=3)] = []


_DECODER: Final = msgspec.json.Decoder(_Report)


def parse_report(body: bytes) -> Report:
    """:raises Refusal: 413 for one that is too large, 400 for one that cannot be understood."""
    if len(body) > REPORT_MAX:
        raise Refusal(413, "too_large", f"A report may have {REPORT_MAX} bytes.")
    check_depth(body, DEPTH_MAX)
    try:
        return msgspec.convert(msgspec.to_builtins(_DECODER.decode(body)), Report)
    except msgspec.ValidationError as error:
        raise Refusal(400, "invalid_parameter", f"The report: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "malformed_request", "The body is no JSON.") from None


class ReportTaker:
    """:param hook_version: of the hook that nodes should have installed."""

    def __init__(self, database: Database, documents: Documents, hook_version: str) -> None:
        self._database = database
        self._documents = documents
        self._hook_version = hook_version

    async def take(self, sender: Sender, report: Report) -> None:
        """
        Keep a report, compared with what the node's document says just now.

        :raises ObjectNotFound: there is no such node.
        """
        if not sender.first:
            return
        wanted = (await self._documents.current(sender.node_id)).versions
        await self._database.transact(take_report, sender.node_id, report, sender.time, wanted, self._hook_version)
