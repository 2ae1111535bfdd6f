"""Filters with wildcards, and pages whose tokens survive what comes and goes between two of them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from clm.ec2.errors import EC2Error

PAGE_LEAST: Final = 5
PAGE_MOST: Final = 1000
VALUES_MAX: Final = 200  # of one filter, as EC2 has it

Values = Callable[[Any], Iterable[str]]
"""What an object has of a filter: it passes if one of these fits one of the filter's."""


def filtered(items: Iterable[Any], filters: Sequence[Mapping[str, Any]] | None, known: Mapping[str, Values],
             tags: Callable[[Any], Mapping[str, str]] | None = None) -> list[Any]:  # fmt: skip
    """
    Those that pass every filter.

    :param tags: of an object, for ``tag:KEY``, ``tag-key`` and ``tag-value``.
    :raises EC2Error: there is no such filter.
    """
    passes = passing(filters, known, tags)
    return [item for item in items if passes(item)]


def passing(filters: Sequence[Mapping[str, Any]] | None, known: Mapping[str, Values],
            tags: Callable[[Any], Mapping[str, str]] | None = None) -> Callable[[Any], bool]:  # fmt: skip
    """Whether an object passes every filter; otherwise as ``filtered``."""
    tests = [_test(each, known, tags) for each in filters or ()]
    return lambda item: all(test(item) for test in tests)


def _test(
    filter_: Mapping[str, Any], known: Mapping[str, Values], tags: Callable[[Any], Mapping[str, str]] | None
) -> Callable[[Any], bool]:
    name, values = filter_.get("Name", ""), filter_.get("Values", [])
    if len(values) > VALUES_MAX:
        raise EC2Error("FilterLimitExceeded", f"The filter '{name[:100]}' has more than {VALUES_MAX} values")
    of = known.get(name)
    if of is None and tags is not None:
        of = _of_tags(name, tags)
    if of is None:
        raise EC2Error("InvalidParameterValue", f"The filter '{name[:100]}' is invalid")
    found, patterns = of, [_pattern(value) for value in values]
    return lambda item: any(pattern.fullmatch(text) for text in found(item) for pattern in patterns)


def _of_tags(name: str, tags: Callable[[Any], Mapping[str, str]]) -> Values | None:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda item: [tags(item)[key]] if key in tags(item) else []
    if name == "tag-key":
        return lambda item: tags(item).keys()
    return (lambda item: tags(item).values()) if name == "tag-value" else None


def _pattern(text: str) -> re.Pattern[str]:
    """``*`` any characters, ``?`` one, a backslash takes the next one as it is. Stars side by side are one."""
    made: list[str] = []
    rest = iter(text)
    for sign in rest:
        if sign == "*":
            if made[-1:] != [_ANY]:
                made.append(_ANY)
        else:
            made.append("." if sign == "?" else re.escape(next(rest, sign) if sign == "\\" else sign))
    return re.compile(_atomic(made), re.DOTALL)


_ANY: Final = ".*"


def _atomic(parts: Sequence[str]) -> str:
    """
    A pattern that is matched in time that grows with the text: each star but the last takes as little as will do, and
    never again more.
    """
    pieces: list[list[str]] = [[]]
    for part in parts:
        if part == _ANY:
            pieces.append([])
        else:
            pieces[-1].append(part)
    if len(pieces) == 1:
        return "".join(pieces[0])
    middle = "".join(f"(?>.*?{''.join(piece)})" for piece in pieces[1:-1])
    return "".join(pieces[0]) + middle + ".*" + "".join(pieces[-1])


def page(
    items: Sequence[Any], key: Callable[[Any], int], params: Mapping[str, Any], ids: str = "", least: int = PAGE_LEAST
) -> tuple[list[Any], str | None]:
    """
    One page of what is newest first, and the token of the next.

    :param key: a number that falls from one item to the next: what is removed or added between pages moves none.
    :param ids: the parameter that may not stand beside ``MaxResults``.
    :raises EC2Error: the token is none of ours, or the size none of a page.
    """
    size, before = bounds(params, ids, least)
    ordered = sorted(items, key=key, reverse=True)
    if before is not None:
        ordered = [item for item in ordered if key(item) < before]
    if size is None or len(ordered) <= size:
        return ordered, None
    return ordered[:size], base64.urlsafe_b64encode(f"before:{key(ordered[size - 1])}".encode()).decode()


def bounds(params: Mapping[str, Any], ids: str = "", least: int = PAGE_LEAST) -> tuple[int | None, int | None]:
    """
    How many items a page has, and the key that they come before; None: all, and from the first.

    :raises EC2Error: as ``page``.
    """
    size, token = params.get("MaxResults"), params.get("NextToken")
    if size is not None:
        if not least <= size <= PAGE_MOST:
            raise EC2Error("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid. "
                           f"Expecting a value from {least} to {PAGE_MOST}.")  # fmt: skip
        if ids and params.get(ids):
            raise EC2Error(
                "InvalidParameterCombination", f"The parameter {ids} cannot be used with the parameter maxResults"
            )
    return size, _read_token(token) if token else None


def _read_token(token: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii").partition(":")
        if word == "before" and number.isdigit() and len(number) < 20:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise EC2Error("InvalidNextToken", "The token is not one of this endpoint's")
