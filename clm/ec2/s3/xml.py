"""
S3's XML: what is answered, of pairs of names and values in their order; and the two lists that clients send, which are
read without anything that a document could define for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from xml.etree import ElementTree

from clm.ec2.s3.errors import S3Error
from clm.ec2.xml import HEAD, escaped

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
BODY_MAX: Final = 2**20  # bytes of a document
Pairs = Sequence[tuple[str, Any]]
"""Values are texts, numbers, truths, or pairs again; None: it is left out."""


def write(root: str, pairs: Pairs) -> bytes:
    parts = [HEAD, f'<{root} xmlns="{NAMESPACE}">']
    _write(pairs, parts)
    parts.append(f"</{root}>")
    return "".join(parts).encode()


def _write(pairs: Pairs, parts: list[str]) -> None:
    for name, value in pairs:
        if value is None:
            continue
        parts.append(f"<{name}>")
        if isinstance(value, (list, tuple)):
            _write(value, parts)
        elif isinstance(value, bool):
            parts.append("true" if value else "false")
        else:
            parts.append(escaped(str(value)))
        parts.append(f"</{name}>")


def write_error(error: S3Error, resource: str, request_id: str) -> bytes:
    """Without a namespace, as S3's."""
    parts = [HEAD, "<Error>"]
    told = (("Code", error.code), ("Message", error.message), ("Resource", resource), ("RequestId", request_id))
    _write(told, parts)
    parts.append("</Error>")
    return "".join(parts).encode()


def _root(text: bytes, name: str) -> ElementTree.Element:
    """:raises S3Error: it is no such document, or one that defines anything."""
    if b"<!" in text:
        raise S3Error("MalformedXML", "A document type or a comment is not taken.")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise S3Error("MalformedXML", "The body is no XML.") from None
    if _local(root) != name:
        raise S3Error("MalformedXML", f"The body is no {name}.")
    return root


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _texts(element: ElementTree.Element) -> dict[str, str]:
    return {_local(child): child.text or "" for child in element}


def read_parts(text: bytes) -> list[tuple[int, str]]:
    """``CompleteMultipartUpload``: numbers and ETags."""
    found = []
    for child in _root(text, "CompleteMultipartUpload"):
        if _local(child) != "Part":
            continue
        told = _texts(child)
        number = told.get("PartNumber", "")
        if not (number.isascii() and number.isdigit() and len(number) <= 5) or "ETag" not in told:
            raise S3Error("MalformedXML", "A Part needs PartNumber and ETag.")
        found.append((int(number), told["ETag"].strip().strip('"')[:100]))
    return found


def read_keys(text: bytes) -> tuple[list[str], bool]:
    """``Delete``: the keys, and whether those that went are not told."""
    root = _root(text, "Delete")
    keys = [_texts(child).get("Key", "") for child in root if _local(child) == "Object"]
    if not 1 <= len(keys) <= 1000 or not all(keys):
        raise S3Error("MalformedXML", "It names 1 to 1000 objects by Key.")
    return keys, _texts(root).get("Quiet", "") == "true"


def read_location(text: bytes) -> str:
    """``CreateBucketConfiguration``: the region; "": none is said."""
    if not text.strip():
        return ""
    return _texts(_root(text, "CreateBucketConfiguration")).get("LocationConstraint", "")
