"""
XML-RPC (http://xmlrpc.com/spec.md, with ``<nil/>`` and ``<i8>``): a request's bytes to an answer's bytes.

XML-RPC knows no names for parameters. A last parameter that is a struct, where the method takes none at its place,
gives the remaining parameters by name; so ``dry_run`` and its like can be sent.

Apache's clients, once their extensions are switched on, declare a namespace for them and understand ``nil`` and ``i8``
in that alone. Such a call is answered in kind (https://ws.apache.org/xmlrpc/types.html).
"""

from __future__ import annotations

import xmlrpc.client
from typing import Any, Final
from xml.parsers.expat import ExpatError

from defusedxml.common import DefusedXmlException
from defusedxml.xmlrpc import DefusedExpatParser

from cm.rpc.codec import encode_xml_fault, encode_xml_result, xml_answer
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import CloudError, InvalidParameter, MalformedRequest, TooLarge, UnparsableRequest
from cm.rpc.limits import count_up_to
from cm.rpc.parameters import Params, shown, takes_struct

_LEVELS: Final = frozenset({"array", "struct"})
_ELEMENTS_PER_LEVEL: Final = 4  # value, struct, member, value
_EXTENSIONS: Final = "http://ws.apache.org/xmlrpc/namespaces/extensions"
# Of the extensions those that say what plain XML-RPC can say.
_EXTENDED: Final = {"nil": "nil", "i1": "int", "i2": "int", "i8": "i8", "float": "double"}


class XMLRPC:
    """The dialect over a dispatcher."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def answer(self, body: bytes, peer: Peer) -> bytes:
        """The answer's body. Never raises what is the caller's fault."""
        peer.encode = encode_xml_result
        peer.named = self._named
        limits = self._dispatcher.limits
        extended = False
        try:
            method, given, extended = parse_call(body, limits.depth, limits.elements)
            result = await self._dispatcher.call(method, self._named(method, given), peer)
            answer = xml_answer(self._dispatcher.written(result, method, peer))
        except CloudError as error:
            peer.failed = error
            answer = encode_xml_fault(error)
        return _in_kind(answer) if extended else answer

    def _named(self, method: str, given: Params) -> Params:
        """The parameters by name, where a trailing struct names some."""
        view = self._dispatcher.find(method)
        if view is None or not isinstance(given, list) or not given or not isinstance(given[-1], dict):
            return given
        positional = [p for p in view.parameters if p.kind == "either"]
        place = len(given) - 1
        if place > len(positional) or (place < len(positional) and takes_struct(positional[place].annotation)):
            return given
        params = {p.name: value for p, value in zip(positional, given[:-1], strict=False)}
        for name, value in given[-1].items():
            if name in params:
                raise InvalidParameter(shown(name), "it is given by position and by name")
            params[name] = value
        return params


def _in_kind(answer: bytes) -> bytes:
    """An answer in the words of Apache's extensions. What stands in texts is escaped, so these are tags."""
    for plain, extended in (
        (b"<methodResponse>", f'<methodResponse xmlns:ex="{_EXTENSIONS}">'.encode()),
        (b"<nil/>", b"<ex:nil/>"),
        (b"<i8>", b"<ex:i8>"),
        (b"</i8>", b"</ex:i8>"),
    ):
        answer = answer.replace(plain, extended)
    return answer


def parse_call(body: bytes, depth: int, elements: int = 20_000) -> tuple[str, list[Any], bool]:
    """
    The method's name, its parameters, and whether its sender speaks Apache's extensions. Times are ``datetime``,
    base64 is ``bytes``.

    :raises UnparsableRequest: no well-formed XML, or one with a DTD or entities.
    :raises MalformedRequest: well-formed and no XML-RPC call.
    :raises TooLarge: nested too deeply, or too many elements.
    """
    # Every element begins with one of these: counted before expat calls us for each. What else begins so (comments,
    # instructions) has no business here in such numbers either.
    if count_up_to(body, elements + 2, b"<", without=b"</") > elements + 2:
        raise TooLarge("The number of elements", elements)
    target = _Unmarshaller(use_builtin_types=True)
    parser = _Parser(target, depth, elements)
    try:
        parser.feed(body)
        parser.close()
    except DefusedXmlException:
        raise UnparsableRequest("it declares a document type or entities") from None
    except ExpatError as error:
        raise UnparsableRequest(shown(str(error))) from None
    except (KeyError, IndexError):
        raise MalformedRequest("a value is not as XML-RPC writes it") from None
    except (LookupError, UnicodeError):
        raise UnparsableRequest("its encoding is unknown or wrong") from None
    except CloudError:
        raise
    # The standard library's reader takes values as they come and stumbles in many ways over those that are none.
    except Exception:
        raise MalformedRequest("a value is not as XML-RPC writes it") from None
    try:
        params = target.close()
    except Exception:
        raise MalformedRequest("it is not complete") from None
    method = target.getmethodname()
    if not isinstance(method, str) or not parser.is_call:
        raise MalformedRequest("it is no methodCall")
    return method, list(params), parser.prefix is not None


class _Unmarshaller(xmlrpc.client.Unmarshaller):
    """The standard library's, without its extensions: they would be read and then mean nothing."""

    dispatch = {
        name: reader
        for name, reader in xmlrpc.client.Unmarshaller.dispatch.items()
        if ":" not in name and name not in ("bigdecimal", "float", "i1", "i2", "biginteger")
    }


_UNMARKED: Final = frozenset({"methodCall", "param", "member", "data"})


class _Parser(DefusedExpatParser):
    """Refuses document types and entities, deep nesting, and elements that XML-RPC does not have."""

    def __init__(self, target: _Unmarshaller, depth: int, elements: int) -> None:
        super().__init__(target, forbid_dtd=True)
        self._parser.buffer_text = True  # else there is a call for each line and each entity in a text
        self._elements = elements
        self._target_start = target.start
        self._target_end = target.end
        self._limit = depth
        self._levels = self._open = self._count = 0
        self.is_call = False
        self.prefix: str | None = None  # of Apache's extensions
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def _start(self, tag: str, attributes: Any) -> None:
        self._count += 1
        self._open += 1
        self._levels += tag in _LEVELS
        if self._count == 1:
            self.is_call = tag == "methodCall"
            declared = (name for name, value in attributes.items() if value == _EXTENSIONS)
            self.prefix = next((name[6:] for name in declared if name.startswith("xmlns:")), None)
        tag = self._plain(tag)
        if self._levels > self._limit or self._open > self._limit * _ELEMENTS_PER_LEVEL + 8:
            raise TooLarge("The nesting", self._limit)
        if self._count > self._elements:
            raise TooLarge("The number of elements", self._elements)
        if tag not in _UNMARKED and tag not in _Unmarshaller.dispatch:
            raise MalformedRequest(f"the element {shown(tag)} is unknown")
        self._target_start(tag, attributes)

    def _plain(self, tag: str) -> str:
        """An extension's element by its plain name."""
        if self.prefix is None or not tag.startswith(f"{self.prefix}:"):
            return tag
        return _EXTENDED.get(tag[len(self.prefix) + 1 :], tag)

    def _end(self, tag: str) -> None:
        self._open -= 1
        tag = self._plain(tag)
        self._levels -= tag in _LEVELS
        self._target_end(tag)
