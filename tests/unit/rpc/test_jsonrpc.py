"""JSON-RPC 2.0: the specification's examples, bad input, limits, deadlines; in memory."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from cm.rpc.dispatch import Peer
from cm.rpc.limits import Limits, check_depth

from .sample import AS_ANNA, AS_NODE, AS_ROOT, Sample


def shape(answer: Any) -> Any:
    """An answer without our wording and data, as the specification shows it."""
    if isinstance(answer, list):
        return [shape(one) for one in answer]
    if isinstance(answer, dict) and "error" in answer:
        return {"error": answer["error"]["code"], "id": answer["id"]}
    return answer


def ok(result: Any, ident: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": result, "id": ident}


INVALID = {"error": -32600, "id": None}
EXAMPLES = [
    (b'{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', ok(19, 1)),
    (b'{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', ok(-19, 2)),
    (b'{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}', ok(19, 3)),
    (b'{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}', ok(19, 4)),
    (b'{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    (b'{"jsonrpc": "2.0", "method": "foobar"}', None),
    (b'{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', {"error": -32601, "id": "1"}),
    (b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', {"error": -32700, "id": None}),
    (b'{"jsonrpc": "2.0", "method": 1, "params": "bar"}', INVALID),
    (
        b'[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]',
        {"error": -32700, "id": None},
    ),
    (b"[]", INVALID),
    (b"[1]", [INVALID]),
    (b"[1,2,3]", [INVALID] * 3),
    (
        b'[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},'
        b'{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},'
        b'{"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},'
        b'{"foo": "boo"},'
        b'{"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},'
        b'{"jsonrpc": "2.0", "method": "get_data", "id": "9"}]',
        [ok(7, "1"), ok(19, "2"), INVALID, {"error": -32601, "id": "5"}, ok(["hello", 5], "9")],
    ),
    (
        b'[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},'
        b'{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
        None,
    ),
]


class TestSpecification:
    @pytest.mark.parametrize(("body", "answer"), EXAMPLES)
    def test_examples(self, body: bytes, answer: Any) -> None:
        """The examples of section 7, each."""
        assert shape(Sample().post(body)) == answer

    @pytest.mark.parametrize("ident", [0, -1, 2**70, 1.5, "", "a\n", "\u2028", None])
    def test_ids(self, ident: Any) -> None:
        """Ids are texts, numbers or null, and come back as they were."""
        answer = Sample().post({"jsonrpc": "2.0", "method": "get_data", "id": ident})
        assert answer == ok(["hello", 5], ident)

    @pytest.mark.parametrize("ident", [True, [1], {"a": 1}])
    def test_bad_ids(self, ident: Any) -> None:
        assert shape(Sample().post({"jsonrpc": "2.0", "method": "get_data", "id": ident})) == INVALID

    @pytest.mark.parametrize("version", [None, "1.0", 2.0, "2.00"])
    def test_versions(self, version: Any) -> None:
        answer = Sample().post({"jsonrpc": version, "method": "get_data", "id": 1})
        assert shape(answer) == {"error": -32600, "id": 1}

    def test_null_result(self) -> None:
        """A view that gives nothing is answered with null, not with nothing."""
        assert Sample().call("user.nothing") == ok(None, 1)

    def test_params_of_wrong_kind(self) -> None:
        assert shape(Sample().call("get_data", "x")) == {"error": -32600, "id": 1}
        assert shape(Sample().call("get_data", [1])) == {"error": -32602, "id": 1}


class TestBadInput:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b" ", b"\x00", b"\xff\xfe", b"{", b'{"a"', b"nul", b"NaN", b'{"x": Infinity}', b"'a'", b'"\\ud800"',
            b'{"jsonrpc":"2.0","method":"sum","params":[1,2,NaN],"id":1}', b"1e999", b"9" * 5000,
            b'{"jsonrpc":"2.0","method":"\xff","id":1}', b'{"jsonrpc":"2.0","method":"a\x01","id":1}', b"[1] x",
        ],
    )  # fmt: skip
    def test_unparsable(self, body: bytes) -> None:
        assert shape(Sample().post(body)) == {"error": -32700, "id": None}

    @pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"[" * 33 + b"]" * 33])
    def test_depth(self, body: bytes) -> None:
        """Deep nesting is refused before it is parsed."""
        assert Sample().post(body)["error"]["data"]["slug"] == "too_large"

    def test_brackets_in_strings(self) -> None:
        """Only brackets outside strings nest, however the strings are escaped."""
        text = '[[[["\\' * 100
        assert Sample().call("user.echo", [text])["result"] == text
        check_depth(b'"' + b"[" * 100 + b'\\"' + b"[" * 100 + b'"', 32)
        check_depth(b"[1]," * 100, 32)
        check_depth(b'"\\' * 200_000 + b"[" * 33, 32)

    def test_huge(self) -> None:
        """Long names, wide lists and big integers are refused in words of bounded length."""
        sample = Sample()
        assert sample.call("x" * 10_240)["error"]["message"].count("x") <= 100
        assert shape(sample.call("user.vm.get_by_id", [2**64]))["error"] == -32602
        assert shape(sample.call("user.vm.destroy", [list(range(1, 5000))]))["error"] == -32602

    def test_duplicate_keys(self) -> None:
        """Of equal keys the last counts, as in all that reads JSON here."""
        body = b'{"jsonrpc":"2.0","method":"x","method":"sum","params":{"a":9,"a":1,"b":1,"c":1},"id":1}'
        assert Sample().post(body) == ok(3, 1)

    def test_xml_characters(self) -> None:
        """Metacharacters pass; what XML could not carry does not."""
        sample = Sample()
        assert sample.call("user.echo", ["<&>\"']]>"])["result"] == "<&>\"']]>"
        assert (
            shape(sample.post(b'{"jsonrpc":"2.0","method":"user.echo","params":["\\u0000"],"id":1}'))["error"] == -32602
        )

    @settings(max_examples=300, deadline=None)
    @given(
        st.binary(max_size=200)
        | st.text(alphabet='[]{}":,\\0123456789.eE-+ntrufalsx \n').map(str.encode)
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["2.0", "sum", "user.echo"]),
            lambda inner: st.lists(inner) | st.dictionaries(
                st.sampled_from(["jsonrpc", "method", "params", "id"]) | st.text(), inner
            ),
        ).map(msgspec.json.encode)
        | st.fixed_dictionaries(
            {"jsonrpc": st.just("2.0"), "method": st.sampled_from(["sum", "user.echo", "user.vm.create"])},
            optional={"params": st.lists(st.text() | st.integers()) | st.dictionaries(st.text(), st.text()),
                      "id": st.integers() | st.text()},
        ).map(msgspec.json.encode)
    )  # fmt: skip
    def test_anything(self, body: bytes) -> None:
        """Any bytes give a well-formed answer or, for notifications, none; never an incident."""
        answer = Sample().post(body)
        for one in answer if isinstance(answer, list) else [answer]:
            if one is not None:
                assert set(one) in ({"jsonrpc", "result", "id"}, {"jsonrpc", "error", "id"})
                assert "error" not in one or one["error"]["data"]["slug"] != "incident"


class TestRoles:
    @pytest.mark.parametrize(
        ("who", "method", "params", "slug"),
        [
            (None, "guest.time", [], None),
            (AS_ANNA, "guest.time", [], None),
            (None, "user.vm.get_by_id", [1], "not_authenticated"),
            (None, "admin.node.lock", [1], "not_authenticated"),
            (AS_ANNA, "admin.node.lock", [1], "role_needed"),
            (AS_ROOT, "admin.node.lock", [1], None),
            (AS_ROOT, "user.vm.get_by_id", [1], None),
            (AS_ROOT, "node.hook.report", [1], "role_needed"),
            (AS_NODE, "node.hook.report", [1], None),
            (AS_NODE, "user.vm.get_by_id", [1], "role_needed"),
            (b"Basic YW5uYTp3cm9uZw==", "guest.time", [], "not_authenticated"),
            (b"Basic !!!", "user.vm.get_by_id", [1], "not_authenticated"),
            (b"Digest x", "user.vm.get_by_id", [1], "not_authenticated"),
            (b"Bearer nope", "user.vm.get_by_id", [1], "not_authenticated"),
            (b"Bearer \xff", "user.vm.get_by_id", [1], "not_authenticated"),
        ],
    )
    def test_roles(self, who: bytes | None, method: str, params: list[Any], slug: str | None) -> None:
        """A role opens its own views and those of the roles it implies, and no others."""
        answer = Sample().call(method, params, authorization=who)
        assert answer.get("error", {}).get("data", {}).get("slug") == slug


class TestErrors:
    def test_case(self) -> None:
        """A case travels with its number, slug, fields and whether a retry helps."""
        assert Sample().call("user.vm.destroy", [[13]])["error"] == {
            "code": -32009,
            "message": "VM 13 is busy: operation 4 (vm_start) is under way.",
            "data": {"slug": "vm_busy", "fields": {"vm_id": 13, "operation_id": 4, "kind": "vm_start"}, "retry": False},
        }

    @pytest.mark.parametrize("method", ["user.broken", "user.unsendable"])
    def test_incident(self, method: str) -> None:
        """What is ours is told as an incident, named like the call; its text stays in the log."""
        sample = Sample()
        peer = Peer("192.0.2.1", AS_ANNA)
        answers: list[bytes] = []
        body = msgspec.json.encode({"jsonrpc": "2.0", "method": method, "id": 1})
        Deferred.fromCoroutine(sample.json.answer(body, peer)).addCallback(answers.append)
        told = msgspec.json.decode(answers[0])["error"]
        assert told["code"] == -32603 and told["data"]["incident"] == peer.call_id
        assert b"hunter2" not in answers[0] and b"Traceback" not in answers[0]


class TestControls:
    def test_request_id_of_header(self) -> None:
        """The header's id serves changing views; a parameter outweighs it; a batch's calls each get their own."""
        sample = Sample()
        assert sample.call("user.vm.create", ["a"], request_id="r")["result"]["request_id"] == "r"
        own = sample.call("user.vm.create", {"name": "a", "request_id": "own"}, request_id="r")
        assert own["result"]["request_id"] == "own"
        call = {"jsonrpc": "2.0", "method": "user.vm.create", "params": ["a"], "id": 1}
        assert [one["result"]["request_id"] for one in sample.post([call, call], request_id="r")] == ["r:0", "r:1"]
        assert "result" in sample.call("user.vm.get_by_id", [1], request_id="r")

    def test_dry_run(self) -> None:
        plan = Sample().call("user.vm.create", {"name": "a", "dry_run": True})["result"]["plan"]
        assert plan == [{"step": "claim", "name": "a"}]


class TestTime:
    def start(self, sample: Sample, method: str) -> tuple[Deferred[bytes], list[Any]]:
        body = msgspec.json.encode({"jsonrpc": "2.0", "method": method, "id": 1})
        serving: Deferred[bytes] = Deferred.fromCoroutine(sample.json.answer(body, Peer("192.0.2.1", AS_ANNA)))
        answers: list[Any] = []
        serving.addBoth(
            lambda answer: answers.append(msgspec.json.decode(answer) if isinstance(answer, bytes) else "gone")
        )
        return serving, answers

    def test_answer_later(self) -> None:
        sample = Sample()
        _, answers = self.start(sample, "user.slow")
        sample.waiting[0].callback("yes")
        assert answers == [ok("yes", 1)]
        assert sample.dispatcher.under_way == 0 and not sample.clock.getDelayedCalls()

    @pytest.mark.parametrize(("method", "ended"), [("user.slow", ["CancelledError"]), ("user.slow_change", [])])
    def test_deadline(self, method: str, ended: list[str]) -> None:
        """After 30 s the caller is told; a read ends, a change goes on."""
        sample = Sample()
        _, answers = self.start(sample, method)
        sample.clock.advance(29.9)
        assert answers == []
        sample.clock.advance(0.2)
        assert answers[0]["error"]["data"]["slug"] == "deadline_exceeded" and answers[0]["error"]["data"]["retry"]
        assert sample.ended == ended
        if not ended:
            assert sample.dispatcher.under_way == 1
            sample.waiting[0].callback("done")
            assert sample.ended == ["done"]
        assert sample.dispatcher.under_way == 0

    @pytest.mark.parametrize(("method", "ended"), [("user.slow", ["CancelledError"]), ("user.slow_change", ["done"])])
    def test_hang_up(self, method: str, ended: list[str]) -> None:
        """When the client hangs up a read ends and a change goes on to its end."""
        sample = Sample()
        serving, answers = self.start(sample, method)
        serving.cancel()
        assert answers == ["gone"]
        if method == "user.slow_change":
            sample.waiting[0].callback("done")
        assert sample.ended == ended and sample.dispatcher.under_way == 0
        assert not sample.clock.getDelayedCalls()

    def test_change_fails_late(self) -> None:
        """A change that fails after its caller left is not lost on the way."""
        sample = Sample()
        serving, _ = self.start(sample, "user.slow_change")
        serving.cancel()
        sample.waiting[0].errback(RuntimeError("late"))
        assert sample.ended == ["RuntimeError"] and sample.dispatcher.under_way == 0

    def test_stop(self) -> None:
        """While it stops, calls that were begun are answered, waiting ones are told to come again, and none begins."""
        sample = Sample()
        _, working = self.start(sample, "user.slow")
        _, changing = self.start(sample, "user.slow_change")
        _, waiting = self.start(sample, "user.slow_wait")
        stopped: list[None] = []
        Deferred.fromCoroutine(sample.dispatcher.stop()).addCallback(stopped.append)
        assert waiting[0]["error"]["data"] == {"slug": "stopping", "fields": {}, "retry": True}
        assert sample.call("user.echo")["error"]["data"]["slug"] == "stopping"
        assert (working, changing, stopped, sample.ended) == ([], [], [], ["CancelledError"])
        sample.waiting[0].callback("read")
        sample.waiting[1].callback("changed")
        assert (working, changing, stopped) == ([ok("read", 1)], [ok("changed", 1)], [None])
        assert not sample.clock.getDelayedCalls()

    def test_stop_has_a_deadline(self) -> None:
        """A call that does not end holds a stop up for the grace alone."""
        sample = Sample()
        self.start(sample, "user.slow_change")
        stopped: list[None] = []
        Deferred.fromCoroutine(sample.dispatcher.stop(5.0)).addCallback(stopped.append)
        sample.clock.advance(4.9)
        assert stopped == []
        sample.clock.advance(0.2)
        assert stopped == [None]
        sample.waiting[0].callback("late")

    def test_overloaded(self) -> None:
        """Beyond the number of calls under way more are refused, and served again later."""
        sample = Sample(limits=Limits(under_way=2, under_way_kept=0))
        self.start(sample, "user.slow")
        self.start(sample, "user.slow")
        assert sample.call("user.echo")["error"]["data"] == {"slug": "overloaded", "fields": {}, "retry": True}
        sample.waiting[0].callback("")
        assert "result" in sample.call("user.echo")

    def test_batch_limit(self) -> None:
        call = {"jsonrpc": "2.0", "method": "get_data", "id": 1}
        assert len(Sample().post([call] * 100)) == 100
        assert Sample().post([call] * 101)["error"]["data"]["slug"] == "too_large"

    def test_batch_hang_up(self) -> None:
        """Of a batch whose client hung up, what has not begun does not begin."""
        sample = Sample()
        calls = [{"jsonrpc": "2.0", "method": "user.slow_change", "id": n} for n in range(3)]
        serving = Deferred.fromCoroutine(sample.json.answer(msgspec.json.encode(calls), Peer("192.0.2.1", AS_ANNA)))
        serving.addErrback(lambda _: None)
        serving.cancel()
        sample.waiting[0].callback("done")
        assert sample.ended == ["done"] and len(sample.waiting) == 1


class TestIntrospection:
    def test_list_methods(self) -> None:
        names = Sample().call("system.listMethods", authorization=None)["result"]
        assert {"user.vm.create", "system.listMethods", "rpc.discover"} <= set(names)

    def test_signature_and_help(self) -> None:
        sample = Sample()
        assert sample.call("system.methodSignature", ["user.vm.get_by_id"])["result"] == [["struct", "int"]]
        assert sample.call("system.methodSignature", ["user.vm.create"])["result"][-1] == ["struct", "string"]
        assert sample.call("system.methodSignature", ["guest.time"])["result"] == [["string"]]
        assert sample.call("system.methodHelp", ["user.vm.create"])["result"].startswith("Create a VM.\n\nThen")
        assert shape(sample.call("system.methodHelp", ["nope"]))["error"] == -32601

    def test_discover(self) -> None:
        """The OpenRPC document names every method, and its references resolve."""
        document = Sample().call("rpc.discover", authorization=None)["result"]
        methods = {method["name"]: method for method in document["methods"]}
        assert document["openrpc"].startswith("1.") and "user.vm.create" in methods
        params = {p["name"]: p for p in methods["user.vm.create"]["params"]}
        assert list(params) == ["name", "description", "size", "key", "dry_run", "request_id", "if_version"]
        assert params["name"]["required"] and params["name"]["schema"]["maxLength"] == 100
        assert params["description"]["schema"]["default"] == ""
        assert all(p["name"] != "caller" for method in methods.values() for p in method["params"])
        for reference in references(document):
            found = document
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]

    def test_metrics(self) -> None:
        """Calls are counted by method and outcome; unknown methods together."""
        sample = Sample()
        sample.call("nope-1")
        sample.call("nope-2")
        sample.call("user.vm.destroy", [[13]])
        text = sample.metrics.exposition().decode()
        assert 'wawel_calls_total{method="unknown",outcome="unknown_method"} 2.0' in text
        assert 'wawel_calls_total{method="user.vm.destroy",outcome="vm_busy"} 1.0' in text


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []
