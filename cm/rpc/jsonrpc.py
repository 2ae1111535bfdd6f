"""
JSON-RPC 2.0 (https://www.jsonrpc.org/specification): a request's bytes to an answer's bytes.

Calls of a batch are made one after another, in order; its answers stand in the same order.
"""

from __future__ import annotations

from types import NoneType
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cm.rpc.codec import encode_error, encode_json
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import CloudError, MalformedRequest, TooLarge, UnparsableRequest
from cm.rpc.introspection import MULTICALL
from cm.rpc.limits import check_depth
from cm.rpc.parameters import shown

_SPACE: Final = b" \t\r\n"
_NULL: Final = b"null"
_MARK: Final = b"\xef\xbb\xbf"  # UTF-8's byte order mark, which some systems write before any text


class _Request(msgspec.Struct, gc=False):
    """Members that the specification does not know are ignored, as it neither allows nor forbids them."""

    jsonrpc: Literal["2.0"]
    method: str
    params: list[Any] | dict[str, Any] | None | UnsetType = UNSET  # null: some clients' word for none
    id: str | int | float | None | UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Request)


class JSONRPC:
    """The dialect over a dispatcher."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def answer(self, body: bytes, peer: Peer) -> bytes:
        """The answer's body; empty where none is due, for notifications. Never raises what is the caller's fault."""
        limits = self._dispatcher.limits
        body = body.removeprefix(_MARK)
        try:
            check_depth(body, limits.depth, limits.elements)
            if body.lstrip(_SPACE)[:1] == b"[":
                return await self._batch(_parsed(body), peer)
            try:
                request = _decoder.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return _error(*_fault(_parsed(body)))
        except CloudError as error:
            peer.failed = error
            return _error(error, _NULL)
        return await self._single(request, peer, alone=True)

    async def _batch(self, items: list[Any], peer: Peer) -> bytes:
        if not items:
            raise MalformedRequest("the batch is empty")
        # Before the first is made, so that a batch is refused as a whole; the budget would stop it on its way.
        if sum(map(_calls_in, items)) > self._dispatcher.limits.calls:
            raise TooLarge("The number of calls", self._dispatcher.limits.calls)
        request_id = peer.request_id
        answers = []
        for index, item in enumerate(items):
            if index:
                await self._dispatcher.pause(peer)
            # One header names the whole batch; each of its calls needs a name of its own.
            peer.request_id = None if request_id is None else f"{request_id}:{index}"
            try:
                request = msgspec.convert(item, _Request, strict=True)
            except msgspec.ValidationError:
                answers.append(_error(*_fault(item)))
                continue
            answer = await self._single(request, peer)
            if answer:
                answers.append(answer)
        return b"[" + b",".join(answers) + b"]" if answers else b""

    async def _single(self, request: _Request, peer: Peer, alone: bool = False) -> bytes:
        told = request.id is not UNSET
        ident = encode_json(request.id) if told else _NULL
        params = None if request.params is UNSET else request.params
        try:
            result = await self._dispatcher.call(request.method, params, peer)
            if not told:
                return b""
            data = self._dispatcher.written(result, request.method, peer)
        except CloudError as error:
            if alone:
                peer.failed = error
            return _error(error, ident) if told else b""
        # One copy: a list of thousands is megabytes.
        return b"".join((b'{"jsonrpc":"2.0","result":', data, b',"id":', ident, b"}"))


def _calls_in(item: Any) -> int:
    """The calls that an item of a batch makes: a multicall makes those in it."""
    if not isinstance(item, dict) or item.get("method") != MULTICALL:
        return 1
    params = item.get("params")
    if not isinstance(params, (list, dict)):
        return 1
    calls = params.get("calls") if isinstance(params, dict) else next(iter(params), None) if params else None
    return max(1, len(calls)) if isinstance(calls, list) else 1


def answer_error(error: CloudError) -> bytes:
    """The answer to a request that could not even be read."""
    return _error(error, _NULL)


def _error(error: CloudError, ident: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","error":' + encode_json(encode_error(error)) + b',"id":' + ident + b"}"


def _parsed(body: bytes) -> Any:
    """:raises UnparsableRequest: this is no JSON."""
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise UnparsableRequest("it is not UTF-8") from None
    except RecursionError:
        raise UnparsableRequest("it is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise UnparsableRequest(shown(str(error))) from None


def _fault(item: Any) -> tuple[CloudError, bytes]:
    """What is wrong with an item that is JSON and no request; and its id, where it has one."""
    if not isinstance(item, dict):
        return MalformedRequest("it is no object"), _NULL
    given = item.get("id")
    good = given is None or (isinstance(given, (str, int, float)) and not isinstance(given, bool))
    ident = encode_json(given) if good else _NULL
    if not good:
        reason = "its id is neither text nor a number"
    elif item.get("jsonrpc") != "2.0":
        reason = 'its jsonrpc is not "2.0"'
    elif not isinstance(item.get("method"), str):
        reason = "its method is no text"
    elif not isinstance(item.get("params", []), (list, dict, NoneType)):
        reason = "its params are neither an array nor an object"
    else:
        reason = "it does not follow JSON-RPC 2.0"
    return MalformedRequest(reason), ident
