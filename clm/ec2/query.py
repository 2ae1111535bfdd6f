"""
Reading the Query protocol: ``Filter.1.Value.2=x`` becomes ``{"Filters": [{"Values": ["x"]}]}``, by the action's shape.

Names are folded into a tree first, so that the work grows with the parameters and not with their square. Lists may
have gaps and begin at 0, as libcloud's do: their indices order them and say nothing else.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.model import Action, Member, Shape

PARAMETERS_MAX: Final = 5000
DEPTH_MAX: Final = 12  # RunInstances has 7
INDEX: Final = re.compile(r"[0-9]{1,6}\Z", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}\Z", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}(\.[0-9]{1,19})?\Z", re.ASCII)
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}
# What is no parameter of an action: the protocol's own, and what signatures of version 2 and signed URLs add.
COMMON: Final = frozenset({
    "Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Expires",
    "SecurityToken", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
    "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256",
})  # fmt: skip
_SHOWN: Final = 100  # characters of a client's text that an error repeats

Pair = tuple[str, str]
Tree = dict[str, Any]  # name → tree, or the text of a leaf


def split_query(raw: bytes) -> list[tuple[bytes, bytes]]:
    """
    Names and values of a query or a form, decoded, in their order; ``+`` is a blank.

    :raises EC2Error: they are too many.
    """
    if raw.count(b"&") >= PARAMETERS_MAX:
        raise EC2Error("InvalidParameterValue", f"The request has more than {PARAMETERS_MAX:,} parameters.")
    pairs = []
    for part in raw.split(b"&"):
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return pairs


def as_text(pairs: Iterable[tuple[bytes, bytes]]) -> list[Pair]:
    """:raises EC2Error: something is no UTF-8, or holds what has no place in a text."""
    made = []
    for name, value in pairs:
        try:
            pair = name.decode(), value.decode()
        except UnicodeDecodeError:
            raise EC2Error("InvalidParameterValue", "A parameter is not UTF-8.") from None
        if "\0" in pair[0] or "\0" in pair[1]:
            raise EC2Error("InvalidParameterValue", "A parameter holds the character U+0000.")
        made.append(pair)
    return made


def read(action: Action, pairs: Sequence[Pair]) -> dict[str, Any]:
    """
    An action's parameters, by the names that botocore's users know.

    :raises EC2Error: ``UnknownParameter``, ``MissingParameter``, ``InvalidParameterValue`` or
        ``InvalidParameterCombination``; which parameter, the message says.
    """
    return _structure(action.input, fold(pairs), "")


def fold(pairs: Iterable[Pair]) -> Tree:
    """
    The tree of dotted names.

    :raises EC2Error: a name is given twice, is both a value and the parent of others, or is nested too deeply.
    """
    tree: Tree = {}
    for name, value in pairs:
        if name in COMMON:
            continue
        *parents, last = name.split(".")
        if len(parents) >= DEPTH_MAX:
            raise EC2Error("UnknownParameter", f"The parameter {_shown(name)} is not recognized")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise _both(name)
        if last in place:
            if isinstance(place[last], dict):
                raise _both(name)
            raise EC2Error("InvalidParameterCombination", f"The parameter {_shown(name)} is given more than once")
        place[last] = value
    return tree


def _both(name: str) -> EC2Error:
    return EC2Error("InvalidParameterCombination", f"The parameter {_shown(name)} contradicts another one")


def _structure(shape: Shape, tree: Any, path: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise bad_value(_shown(path), "it has parts, and is given as one value")
    made: dict[str, Any] = {}
    for name, given in tree.items():
        member = shape.by_asked.get(name)
        inside = f"{path}.{name}" if path else name
        if member is None:
            raise EC2Error("UnknownParameter", f"The parameter {_shown(inside)} is not recognized")
        made[member.name] = _value(member.shape, given, inside)
    for name in shape.required:
        if name not in made:
            raise EC2Error("MissingParameter", f"The request must contain the parameter {_asked(shape, name, path)}")
    return made


def _asked(shape: Shape, name: str, path: str) -> str:
    member: Member = next(each for each in shape.members if each.name == name)
    return _shown(f"{path}.{member.asked}" if path else member.asked)


def _value(shape: Shape, given: Any, path: str) -> Any:
    if shape.kind == "structure":
        return _structure(shape, given, path)
    if shape.kind == "list":
        return _list(shape, given, path)
    if not isinstance(given, str):
        raise bad_value(_shown(path), "it is one value, and is given in parts")
    return _scalar(shape, given, path)


def _list(shape: Shape, given: Any, path: str) -> list[Any]:
    assert shape.element is not None
    if given == "":  # botocore's way to write an empty list
        return []
    if not isinstance(given, dict):
        raise bad_value(_shown(path), f"it is a list: give {path}.1")
    numbered: dict[int, str] = {}
    for index in given:
        if INDEX.match(index) is None:
            raise EC2Error("UnknownParameter", f"The parameter {_shown(f'{path}.{index}')} is not recognized")
        if numbered.setdefault(int(index), index) != index:  # 1 and 01
            raise EC2Error(
                "InvalidParameterCombination", f"The parameter {_shown(f'{path}.{index}')} is given more than once"
            )
    return [_value(shape.element, given[numbered[at]], f"{path}.{numbered[at]}") for at in sorted(numbered)]


def _scalar(shape: Shape, text: str, path: str) -> Any:
    if shape.kind == "string":
        if shape.least is not None and len(text) < shape.least or shape.most is not None and len(text) > shape.most:
            raise bad_value(_shown(path), f"it has {len(text)} characters")
        return text
    if shape.kind == "boolean":
        truth = _TRUTH.get(text.lower())
        if truth is None:
            raise bad_value(_shown(path), f"{_shown(text)} is neither true nor false")
        return truth
    if shape.kind == "blob":
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise bad_value(_shown(path), "it is not base64") from None
    if shape.kind == "timestamp":
        return _time(text, path)
    return _number(shape, text, path)


def _number(shape: Shape, text: str, path: str) -> int | float:
    whole = shape.kind in ("integer", "long")
    if (_INTEGER if whole else _NUMBER).match(text) is None:
        raise bad_value(_shown(path), f"{_shown(text)} is no {'integer' if whole else 'number'}")
    number: int | float = int(text) if whole else float(text)
    bits = 31 if shape.kind == "integer" else 63
    if whole and not -(2**bits) <= number < 2**bits:
        raise bad_value(_shown(path), f"{_shown(text)} is too large")
    if shape.least is not None and number < shape.least or shape.most is not None and number > shape.most:
        least = "" if shape.least is None else f" from {shape.least}"
        most = "" if shape.most is None else f" up to {shape.most}"
        raise bad_value(_shown(path), f"{_shown(text)} is not a number{least}{most}")
    return number


def _time(text: str, path: str) -> datetime:
    try:
        made = datetime.fromisoformat(text)
        return made.replace(tzinfo=UTC) if made.tzinfo is None else made.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter on the edge of the calendar
        raise bad_value(_shown(path), f"{_shown(text)} is no ISO 8601 time") from None


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
