"""
Text on its way into XML, and elements made from typed values. Nothing in this package formats XML as a string.
"""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from cm.rpc.errors import InvalidParameter

# What XML 1.0 cannot carry (https://www.w3.org/TR/xml/#charsets), and NEL, DEL and the C1 controls, which it
# discourages.
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_BREAKS: Final = re.compile("[\t\n\r\u2028\u2029]+")

Element = Any  # lxml's own classes carry no annotations


def free_text(text: str) -> str:
    """
    A user's text for a one-line element: control characters are dropped and line breaks become blanks. libvirt refuses
    a title with line breaks, and a VM must not fail to start for its title.
    """
    return _UNFIT.sub("", _LINE_BREAKS.sub(" ", text))


def exact_text(parameter: str, text: str) -> str:
    """
    Text that must arrive as it is (names, paths).
    :raises InvalidParameter: it holds control characters, line breaks among them.
    """
    if _UNFIT.search(text) or _LINE_BREAKS.search(text):
        raise InvalidParameter(parameter, "holds control characters")
    return text


def element(tag: str, *children: Element | None, text: str | None = None, **attributes: str | int | None) -> Element:
    """
    An element; children and attributes that are None are left out. A trailing ``_`` of an attribute's name is dropped,
    so that ``type_`` and ``file`` read alike.
    """
    made = etree.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_"), str(value))
    made.text = text
    made.extend(child for child in children if child is not None)
    return made


def serialized(root: Element) -> str:
    return str(etree.tostring(root, encoding="unicode"))


def parsed(xml: str) -> Element:
    """XML from libvirt. It is a node's word: no entities, no network, no limits lifted."""
    return etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
