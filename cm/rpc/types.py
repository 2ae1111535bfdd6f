"""
The annotated types of views' parameters: what a name, an id or a list of ids may be, said once for both dialects.

``msgspec`` enforces them (``parameters.py``) and turns them into the JSON Schemas of ``rpc.discover``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from cm.rpc.vocabulary import (
    COUNT_MAX,
    DESCRIPTION_MAX,
    NAME_MAX,
    PAGE_MAX,
    SSH_KEY_MAX,
    TAG_KEY_MAX,
    TAG_VALUE_MAX,
    TAGS_MAX,
    USER_DATA_MAX,
)

ID_MAX: Final = 2**63 - 1  # PostgreSQL's bigint
IDS_MAX: Final = 200  # objects named by one call
SECRET_MAX: Final = 1024  # characters; argon2 would hash megabytes, at our cost

# What an error says in place of a pattern.
PATTERNS: Final[dict[str, str]] = {}


def matching(pattern: str, told: str) -> str:
    """
    The pattern of a parameter, for ``Meta``: one that the whole text matches, in Python's ``re`` as in ECMAScript's,
    which reads it out of the JSON Schemas. Hence its end: Python's ``$`` also matches before a last line feed, and
    ECMAScript has no ``\\Z``.

    :param pattern: without anchors.
    :param told: what an error says of a text that does not match: "it must be ...".
    """
    whole = f"^(?:{pattern})(?![\\s\\S])"
    PATTERNS[whole] = told
    return whole


# C1 controls (80-9f) are refused with C0: terminals obey them.
NOT_BLANK: Final = matching(
    r"[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*",
    "it must be one line, not blank, without control characters",
)
_TEXT = matching(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*", "it holds a control character other than line feed and tab")
LINE: Final = matching(r"[^\x00-\x1f\x7f-\x9f]*", "it must be one line, without control characters")
_LOGIN = matching(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*", "it must be letters, digits and _ . @ + -")
_CURSOR = matching(r"[A-Za-z0-9_=.:-]*", "it is not a cursor that a page gave")
_REQUEST_ID = matching(r"[\x21-\x7e]+", "it must be printable ASCII without spaces")
_ONE_KEY = (
    r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{40,}={0,3}(?: [^\x00-\x1f\x7f-\x9f]*)?"
)
_SSH_KEYS = matching(
    rf"{_ONE_KEY}(?:\n{_ONE_KEY})*\n?",
    "it must be public keys, one a line: a known type, base64, and perhaps a comment",
)

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_MAX,
        pattern=NOT_BLANK,
        description="One line, not blank, without control characters.",
    ),
]
Text = Annotated[
    str,
    Meta(max_length=DESCRIPTION_MAX, pattern=_TEXT, description="Lines; of control characters only line feed and tab."),
]
Trait = Annotated[
    str,
    Meta(
        max_length=40,
        pattern=matching(r"[a-z0-9][a-z0-9._-]*", "it must be lower-case letters, digits, ., _ and -"),
        examples=["ssd"],
    ),
]
Traits = Annotated[list[Trait], Meta(max_length=32, description="What nodes have, and VMs may ask for.")]
Id = Annotated[int, Meta(ge=1, le=ID_MAX)]
Month = Annotated[str, Meta(max_length=7)]  # as "2026-11", of UTC; empty: the present one
Version = Annotated[int, Meta(ge=0, le=ID_MAX, description="The version of the object that the caller saw.")]
Count = Annotated[int, Meta(ge=1, le=COUNT_MAX)]
Size = Annotated[int, Meta(ge=0, le=ID_MAX)]
UserData = Annotated[str, Meta(max_length=USER_DATA_MAX, description="For cloud-init: plain text, or base64.")]
SSHKeys = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SSH_KEY_MAX,
        pattern=_SSH_KEYS,
        description="Lines of an authorized_keys file.",
        examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7LpQ8eG1Sfbm5cLyZxmDnIM6oUOHpCyDRDmpjVXhRG anna@home"],
    ),
]
Login = Annotated[str, Meta(min_length=1, max_length=64, pattern=_LOGIN)]
AccountNumber = Annotated[
    str,
    Meta(
        max_length=12,
        pattern=matching(r"[0-9]{1,12}", "it must be up to 12 digits"),
        description="What a cloud manager counts an account as.",
        examples=["000000000004"],
    ),
]
TagKey = Annotated[str, Meta(min_length=1, max_length=TAG_KEY_MAX, pattern=LINE)]
TagValue = Annotated[str, Meta(max_length=TAG_VALUE_MAX, pattern=LINE)]
TagValues = Annotated[dict[TagKey, TagValue], Meta(max_length=TAGS_MAX, description="Tags: values by key.")]
TagKeys = Annotated[list[TagKey], Meta(max_length=TAGS_MAX)]
Cursor = Annotated[str, Meta(max_length=200, pattern=_CURSOR, description="As the last page gave it.")]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
REQUEST_ID: Final = re.compile(_REQUEST_ID)
RequestId = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=_REQUEST_ID, description="A repeat gives the first answer.")
]
IdList = Annotated[list[Id], Meta(min_length=1, max_length=IDS_MAX, extra={"distinct": True})]
Ids = Annotated[list[Id], Meta(max_length=IDS_MAX, extra={"distinct": True}, description="May be empty.")]


class Secret:
    """A password or key on its way in: a text that neither ``repr``, ``str`` nor an encoder tells."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


def decode_hook(kind: type, value: Any) -> Any:
    """For ``msgspec.convert``: our own types from what the wire carries."""
    if kind is Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise ValueError("Expected `str`")
        if not 1 <= len(value) <= SECRET_MAX:
            raise ValueError(f"Expected `str` of length 1 to {SECRET_MAX}")
        return Secret(value)
    raise NotImplementedError(kind)


def schema_hook(kind: type) -> dict[str, Any]:
    """For ``msgspec.json.schema_components``."""
    if kind is Secret:
        return {"type": "string", "minLength": 1, "maxLength": SECRET_MAX, "writeOnly": True}
    return {"title": kind.__name__}  # the type of a result that says nothing about its JSON


_JSON_TYPES: Final = {str: "string", int: "integer", bool: "boolean", float: "number", type(None): "null"}


def schemas(annotations: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """JSON Schemas of annotations, and the definitions they refer to below ``#/components/schemas/``."""
    made, components = msgspec.json.schema_components(
        annotations, schema_hook=schema_hook, ref_template="#/components/schemas/{name}"
    )
    _type_enumerations([*made, components])
    return list(made), components


def _type_enumerations(schemas: Any) -> None:
    """Give each ``enum`` its ``type``, which msgspec leaves out and generators of typed clients ask for."""
    if isinstance(schemas, list):
        for each in schemas:
            _type_enumerations(each)
    elif isinstance(schemas, dict):
        values = schemas.get("enum")
        # A property may be called "enum"; its value is a schema, no list.
        if isinstance(values, list) and "type" not in schemas:
            kinds = {_JSON_TYPES[type(value)] for value in values}
            schemas["type"] = kinds.pop() if len(kinds) == 1 else sorted(kinds)
        for each in schemas.values():
            _type_enumerations(each)
