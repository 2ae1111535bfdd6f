"""What passes between HTTP and the handlers: requests and answers as plain values, refusals as an exception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PLAIN: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"


@dataclass(frozen=True)
class Exchange:
    """
    A request that has been read whole.

    :ivar uri: path and query exactly as on the request line.
    :ivar headers: lower-case names, each with all the values it was sent with.
    :ivar remote: the sender's address.
    """

    method: str
    uri: str
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    remote: str = ""

    @property
    def path(self) -> str:
        return self.uri.partition("?")[0]

    @property
    def query(self) -> str:
        return self.uri.partition("?")[2]

    def header(self, name: str) -> str:
        """
        A header that may be sent once; empty without it.

        :raises Refusal: sent twice, so that two readers might take different ones.
        """
        values = self.headers.get(name.lower(), ())
        if len(values) > 1:
            raise Refusal(400, "header_repeated", f"The header {name} is given twice.")
        return values[0] if values else ""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = field(repr=False)
    content_type: str = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """Anything but a success: nodes get it as JSON, guests as a line of text."""

    def __init__(self, status: int, slug: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.slug = slug
        self.message = message
        self.more = more

    def for_node(self) -> Answer:
        return json_answer({"error": {"slug": self.slug, "message": self.message}, **self.more}, self.status)

    def for_guest(self) -> Answer:
        return Answer(self.status, f"{self.status} {self.slug}\n".encode())


def json_answer(document: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode(), JSON)


def text_answer(text: str) -> Answer:
    return Answer(200, text.encode("utf-8", "replace"))


def not_found() -> Refusal:
    return Refusal(404, "not_found", "There is nothing here.")
