"""A request is one budget: calls, bytes and time, however its calls are put together; and bodies that cost to read."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from cm.rpc import introspection, limits
from cm.rpc import xmlrpc as dialect
from cm.rpc.dispatch import Peer
from cm.rpc.errors import TooLarge
from cm.rpc.limits import Limits, check_depth

from .sample import AS_ANNA, Sample, one_round


def request(method: str, params: Any = (), ident: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params, "id": ident}


def multicall(*methods: str) -> dict[str, Any]:
    return request("system.multicall", [[{"methodName": method, "params": []} for method in methods]])


def slug(answer: Any) -> str | None:
    return answer["error"]["data"]["slug"] if "error" in answer else None


def begin(sample: Sample, body: Any, authorization: bytes | None = AS_ANNA) -> list[Any]:
    """Where the answer comes, parsed."""
    answers: list[Any] = []
    peer = Peer("192.0.2.1", authorization)
    Deferred.fromCoroutine(sample.json.answer(msgspec.json.encode(body), peer)).addCallback(
        lambda data: answers.append(msgspec.json.decode(data))
    )
    return answers


class TestCalls:
    def test_bomb(self) -> None:
        """A batch of multicalls is refused as a whole: calls are counted over both, before the first is made."""
        sample = Sample()
        answer = sample.post([multicall(*["rpc.discover"] * 100)] * 100, authorization=None)
        assert slug(answer) == "too_large"
        assert b"rpc.discover" not in sample.metrics.exposition()

    @pytest.mark.parametrize("within", ["params", "names"])
    def test_together(self, within: str) -> None:
        """So many single calls and so many in multicalls may be no more than the limit."""
        several = multicall(*["get_data"] * 50)
        if within == "names":
            several["params"] = {"calls": several["params"][0]}
        assert len(Sample().post([several, *[request("get_data")] * 50])) == 51
        assert slug(Sample().post([several, *[request("get_data")] * 51])) == "too_large"

    def test_changes_nothing(self) -> None:
        sample = Sample()
        assert slug(sample.post([request("user.slow_change")] * 101)) == "too_large"
        assert not sample.waiting

    def test_another_between(self) -> None:
        """The reactor is given back between the calls of a batch, and between those of a multicall."""
        for body in ([request("get_data")] * 3, multicall(*["get_data"] * 3)):
            sample = Sample()
            answers = begin(sample, body)
            served = 0
            while not answers:
                assert "result" in sample.call("user.vm.get_by_id", [1])
                served += 1
                one_round(sample.clock)
            assert served >= 2

    def test_deadline(self) -> None:
        """A request has its time for all its calls: the one that waits ends then, and no other begins."""
        sample = Sample(limits=Limits(call_s=30, request_s=50))
        answers = begin(sample, [request("user.slow")] * 4)
        for _ in range(10):
            sample.clock.advance(5)
        assert [slug(each) for each in answers[0]] == ["deadline_exceeded"] * 4
        assert len(sample.waiting) == 2

    def test_credentials_once(self) -> None:
        """Wrong credentials are tried once for a request, however many calls it holds."""
        sample = Sample()
        tried: list[object] = []
        authenticate = sample.dispatcher._authenticator.authenticate

        async def counted(*args: Any) -> Any:
            tried.append(args)
            return await authenticate(*args)

        sample.dispatcher._authenticator.authenticate = counted  # type: ignore[method-assign]
        answers = sample.post([request("get_data")] * 20, authorization=b"Basic YW5uYTp3cm9uZw==")
        assert {slug(each) for each in answers} == {"not_authenticated"} and len(tried) == 1


class TestBytes:
    LIMIT = 100_000

    def sample(self) -> Sample:
        return Sample(limits=Limits(guest_answer_bytes=self.LIMIT, answer_bytes=self.LIMIT))

    def test_batch(self) -> None:
        """What does not fit is told by a typed error in its place; the answer stays within its bound."""
        sample = self.sample()
        document = len(msgspec.json.encode(sample.call("rpc.discover", authorization=None)))
        answers = sample.post([request("rpc.discover")] * 100, authorization=None)
        fitting = [each for each in answers if "result" in each]
        assert len(fitting) == self.LIMIT // document and fitting == [each for each in answers[: len(fitting)]]
        assert {slug(each) for each in answers[len(fitting) :]} == {"too_large"}

    @pytest.mark.parametrize("xml", [False, True])
    def test_multicall(self, xml: bool) -> None:
        """Likewise in a multicall of either dialect, by the bytes that the dialect writes."""
        sample = self.sample()
        calls = [{"methodName": "rpc.discover", "params": []}] * 100
        if xml:
            body = xmlrpc.client.dumps((calls,), "system.multicall").encode()
            data = sample.post_xml(body, None)
            results = xmlrpc.client.loads(data)[0][0]
        else:
            results = sample.call("system.multicall", [calls], authorization=None)["result"]
            data = msgspec.json.encode(results)
        whole = [each for each in results if isinstance(each, list)]
        assert whole and len(data) < self.LIMIT + 100 * 400
        assert all(each["faultString"].startswith("too_large") for each in results[len(whole) :])

    def test_single(self) -> None:
        sample = self.sample()
        assert slug(sample.call("user.echo", ["x" * self.LIMIT])) == "too_large"
        assert "result" in sample.call("user.echo", ["x" * (self.LIMIT - 10)])

    def test_change_is_told(self) -> None:
        """A change that was made is told whatever room is left; one that comes when there is none is not made."""
        sample = self.sample()
        large = request("user.echo", ["x" * (self.LIMIT - 100)])
        change = request("user.vm.create", ["a" * 50])
        answers = sample.post([large, request("user.echo", ["x" * 99]), change, request("user.vm.create", ["b"])])
        assert [slug(each) for each in answers] == [None, "too_large", "too_large", "too_large"]
        answers = sample.post([large, change, request("user.vm.create", ["b"])])
        assert [slug(each) for each in answers] == [None, None, "too_large"]


def test_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server tells of itself is made once, in each dialect, for all who ask."""
    made: list[str] = []
    for name in ("openrpc", "signatures"):
        inner = getattr(introspection, name)

        def counted(*args: Any, name: str = name, inner: Any = inner) -> Any:
            made.append(name)
            return inner(*args)

        monkeypatch.setattr(introspection, name, counted)
    sample = Sample()
    results = set()
    for _ in range(3):
        for method, params in (("rpc.discover", []), ("system.methodSignature", ["user.vm.create"])):
            peer = Peer("192.0.2.1")
            waiting = Deferred.fromCoroutine(sample.dispatcher.call(method, params, peer))
            waiting.addCallback(lambda result: results.add((id(result), id(result.xml))))
            sample.post_xml(xmlrpc.client.dumps(tuple(params), method).encode(), None)
    assert made == ["openrpc", "signatures"] and len(results) == 2


class Counting:
    """A compiled pattern that counts what is taken from it."""

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern
        self.taken = 0

    def finditer(self, text: bytes) -> Any:
        for found in self.pattern.finditer(text):
            self.taken += 1
            yield found


class TestReading:
    @pytest.mark.parametrize(
        ("body", "most"),
        [
            (b"[" * 1_000_000, 33),
            (b'{"a":' * 200_000, 66),
            (b"[" + b"[]," * 300_000, 40_002),
            (b"[" * 20 + b"0," * 400_000, 20_020),
            (b'["' + b'","' * 300_000, 40_002),
            (b"[[" + b'"a""b"' * 100_000 + b"," * 30_000, 80_001),
        ],
    )
    def test_json(self, monkeypatch: pytest.MonkeyPatch, body: bytes, most: int) -> None:
        """JSON that is too deep or has too many values is read no further than to the first excess."""
        counting = Counting(limits._TOKENS)
        monkeypatch.setattr(limits, "_TOKENS", counting)
        with pytest.raises(TooLarge):
            check_depth(body, 32)
        assert counting.taken <= most

    def test_texts(self) -> None:
        """Brackets and commas in texts do not count."""
        assert Sample().call("user.echo", ['[{,\\"' * 20_000])["result"] == '[{,\\"' * 20_000

    def test_xml_elements(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """XML of too many elements is not even parsed."""

        def unexpected(*_: Any) -> Any:
            raise AssertionError("it is parsed")

        monkeypatch.setattr(dialect, "_Parser", unexpected)
        body = b"<methodCall><methodName>sum</methodName><params>%b</params></methodCall>"
        answer = Sample().post_xml(body % (b"<param><value><int>1</int></value></param>" * 22_000))
        assert b"too_large" in answer

    def test_xml_texts(self) -> None:
        """A text of many lines and entities comes in one piece."""
        pieces: list[str] = []

        class Target(dialect._Unmarshaller):
            def data(self, text: str) -> None:
                pieces.append(text)

        parser = dialect._Parser(Target(), 32, 1000)
        parser.feed(b"<methodCall>" + b"\n&lt;" * 10_000 + b"</methodCall>")
        parser.close()
        assert len(pieces) <= 10 and "".join(pieces) == "\n<" * 10_000
