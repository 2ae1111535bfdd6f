"""XML-RPC over the same registry: values, faults, bad input; in memory."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cm.rpc.codec import decode_fault
from cm.rpc.errors import Conflict

from .sample import AS_ROOT, Sample


def call(sample: Sample, method: str, *params: Any, **options: Any) -> Any:
    body = xmlrpc.client.dumps(params, method, allow_none=True)
    return xmlrpc.client.loads(sample.post_xml(body.encode(), **options))[0][0]


def fault(body: bytes) -> xmlrpc.client.Fault:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(Sample().post_xml(body))
    return caught.value


def value(text: str) -> bytes:
    return (
        "<?xml version='1.0'?><methodCall><methodName>user.echo</methodName><params><param><value>"
        f"{text}</value></param></params></methodCall>"
    ).encode()


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;">]><methodCall><methodName>&lol2;</methodName></methodCall>"""
EXTERNAL = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<methodCall><methodName>user.echo</methodName><params><param><value>&e;</value></param></params></methodCall>"""


class TestCalls:
    def test_values(self) -> None:
        """The same views answer the same, in this dialect's types."""
        sample = Sample()
        assert call(sample, "user.vm.get_by_id", 5) == {
            "id": 5, "state": "running", "owner": 7, "bytes": 2**40, "lease": None
        }  # fmt: skip
        assert call(sample, "user.vm.get_list") == [{"id": 1}, {"id": 2}]
        assert call(sample, "user.nothing") is None
        assert call(sample, "guest.time", authorization=None) == "2026-01-02T03:04:05Z"
        assert call(sample, "admin.node.lock", 1, authorization=AS_ROOT) is True

    @pytest.mark.parametrize("item", ["<&>'\"]]>", "a\nb\tc", "żółw 🐢", 2**31 - 1, 1.5, True, [1, ["a"]], ""])
    def test_echo(self, item: Any) -> None:
        assert call(Sample(), "user.echo", item) == item

    def test_nil_and_i8(self) -> None:
        for text, expected in (
            ("<nil/>", None),
            ("<i8>1099511627776</i8>", 2**40),
            ("<i4>1</i4>", 1),
            ("plain", "plain"),
            ("a&#13;b", "a\rb"),
        ):
            assert xmlrpc.client.loads(Sample().post_xml(value(text)))[0][0] == expected

    def test_named(self) -> None:
        """A last struct gives the remaining parameters and the controls by name, where none is due in its place."""
        sample = Sample()
        made = call(sample, "user.vm.create", "a", {"dry_run": True, "description": "b"})
        assert made["plan"] == [{"step": "claim", "name": "a"}]
        assert call(sample, "user.vm.create", {"name": "a"})["name"] == "a"
        assert call(sample, "user.vm.create", "a", "", {"cpus": 2, "memory_mib": 1})["cpus"] == 2
        assert (
            call(sample, "user.vm.create", "a", "", {"cpus": 2, "memory_mib": 1}, {"if_version": 4})["if_version"] == 4
        )
        with pytest.raises(xmlrpc.client.Fault, match="by position and by name"):
            call(sample, "user.vm.create", "a", {"name": "b"})

    def test_no_numbers_in_text(self) -> None:
        with pytest.raises(xmlrpc.client.Fault, match="vm_id: expected `int`, got `str`"):
            call(Sample(), "user.vm.get_by_id", "5")

    def test_faults(self) -> None:
        """A fault has the error's number and slug, and leads back to its class."""
        with pytest.raises(xmlrpc.client.Fault) as caught:
            call(Sample(), "user.vm.destroy", [13])
        assert caught.value.faultCode == -32009
        assert caught.value.faultString == "vm_busy: VM 13 is busy: operation 4 (vm_start) is under way."
        assert isinstance(decode_fault(caught.value.faultCode, caught.value.faultString), Conflict)
        with pytest.raises(xmlrpc.client.Fault, match="^<Fault -32603: 'incident: ") as caught:
            call(Sample(), "user.broken")
        assert "hunter2" not in caught.value.faultString

    def test_multicall(self) -> None:
        """Each result comes alone in a list, each error as a fault struct; calls of a multicall do not nest."""
        results = call(
            Sample(),
            "system.multicall",
            [
                {"methodName": "sum", "params": [1, 2, 3]},
                {"methodName": "nope", "params": []},
                {"methodName": "user.nothing"},
                {"methodName": "system.multicall", "params": [[]]},
                {"methodName": "user.unsendable"},
                {"no": 1},
                5,
            ],
        )
        assert results[0] == [6] and results[2] == [None]
        codes = [one["faultCode"] for one in results if isinstance(one, dict)]
        assert codes == [-32601, -32600, -32603, -32602, -32602]
        with pytest.raises(xmlrpc.client.Fault, match="too_large"):
            call(Sample(), "system.multicall", [{"methodName": "get_data", "params": []}] * 101)

    def test_multicall_named(self) -> None:
        """A trailing struct gives names in a multicall too, and where it does not fit, to that call alone."""
        results = call(
            Sample(),
            "system.multicall",
            [
                {"methodName": "user.vm.create", "params": ["a", {"dry_run": True}]},
                {"methodName": "user.vm.create", "params": ["a", {"name": "b"}]},
                {"methodName": "user.vm.create", "params": ["a", "", {"cpus": 2, "memory_mib": 1}]},
            ],
        )
        assert results[0][0]["plan"] == [{"step": "claim", "name": "a"}]
        assert "by position and by name" in results[1]["faultString"]
        assert results[2][0]["cpus"] == 2

    def test_multicall_fields(self) -> None:
        """What a program needs of an error stands beside its number and text, and clients still read it."""
        asked = [{"methodName": "user.vm.destroy", "params": [[13]]}, {"methodName": "user.broken", "params": []}]
        busy, broken = call(Sample(), "system.multicall", asked)
        assert (busy["faultSlug"], busy["faultRetry"]) == ("vm_busy", False)
        assert busy["faultFields"] == {"vm_id": 13, "operation_id": 4, "kind": "vm_start"}
        assert broken["faultSlug"] == "incident"
        with pytest.raises(xmlrpc.client.Fault, match="vm_busy"):
            list(xmlrpc.client.MultiCallIterator([busy]))

    def test_apache_extensions(self) -> None:
        """Values in Apache's name space are read, and the answer is in it, since its clients read no others."""
        uri = "http://ws.apache.org/xmlrpc/namespaces/extensions"
        values = [
            ("nil", "", b"<ex:nil/>"),
            ("i8", "1099511627776", b"<ex:i8>1099511627776</ex:i8>"),
            ("i1", "5", b"<int>5</int>"),
            ("i2", "-5", b"<int>-5</int>"),
            ("float", "1.5", b"<double>1.5</double>"),
        ]
        for prefix in ("ex", "e"):
            for name, text, expected in values:
                body = value(f"<{prefix}:{name}>{text}</{prefix}:{name}>")
                body = body.replace(b"<methodCall>", f"<methodCall xmlns:{prefix}='{uri}'>".encode())
                answer = Sample().post_xml(body)
                assert b"<value>" + expected + b"</value>" in answer
                assert f'xmlns:ex="{uri}"'.encode() in answer
        assert fault(value("<ex:nil/>")).faultCode == -32600
        body = value("<ex:serializable>aGk=</ex:serializable>")
        assert fault(body.replace(b"<methodCall>", f"<methodCall xmlns:ex='{uri}'>".encode())).faultCode == -32600
        echoed = Sample().post_xml(
            value("<string>&lt;nil/&gt;</string>").replace(b"<methodCall>", f"<methodCall xmlns:ex='{uri}'>".encode())
        )
        assert b"<string>&lt;nil/&gt;</string>" in echoed


class TestBadInput:
    @pytest.mark.parametrize("body", [LAUGHS, EXTERNAL, b"<!DOCTYPE x>" + value("1")[21:]])
    def test_document_types(self, body: bytes) -> None:
        """Document types and entities are refused, whatever they declare."""
        assert fault(body).faultCode == -32700
        assert "document type" in fault(body).faultString

    @pytest.mark.parametrize(
        "body",
        [
            b"", b" ", b"\x00", b"<", b"hello", b"{}", value("<int>1</int>")[:-5], value("a\x00"), value("&nbsp;"),
            b"<?xml version='1.0' encoding='klingon'?><methodCall/>", b"\xff\xfe<\x00", value("<int>1</double>"),
            value("\ud83d".encode("utf-8", "surrogatepass").decode("latin-1")).replace(b"\xc3", b"\xff"),
        ],
    )  # fmt: skip
    def test_unparsable(self, body: bytes) -> None:
        assert fault(body).faultCode == -32700

    @pytest.mark.parametrize(
        "body",
        [
            b"<a/>", b"<methodCall/>", b"<methodResponse><params/></methodResponse>", value("<int>x</int>"),
            value("<int></int>"), value("<wrong/>"), value("<boolean>2</boolean>"),
            value("<dateTime.iso8601>x</dateTime.iso8601>"),
            value("<base64>!</base64>").replace(b"base64", b"bigdecimal"),
            value("<struct><member><value>1</value></member></struct>"),
            value("1").replace(b"methodCall", b"methodResponse"), b"<methodCall><params/></methodCall>",
        ],
    )  # fmt: skip
    def test_malformed(self, body: bytes) -> None:
        assert fault(body).faultCode == -32600

    def test_depth(self) -> None:
        """Arrays and structs nest to the limit, and other elements not beyond what these need."""
        deep = "<array><data><value>" * 33 + "</value></data></array>" * 33
        assert "too_large" in fault(value(deep)).faultString
        assert "too_large" in fault(value("<value>" * 10_000)).faultString

    def test_not_finite(self) -> None:
        assert "finite" in fault(value("<double>nan</double>")).faultString

    def test_beyond_64_bits(self) -> None:
        assert fault(value("<int>" + "9" * 4000 + "</int>")).faultCode == -32602

    @settings(max_examples=200, deadline=None)
    @given(
        st.binary(max_size=100)
        | st.lists(
            st.sampled_from(
                "<methodCall> </methodCall> <methodName> </methodName> <params> </params> <param> </param> <value>"
                " </value> <int> </int> <struct> </struct> <member> </member> <name> </name> <array> <data> </data>"
                " </array> <nil/> <string> </string> <base64> </base64> <boolean> <double> <fault> 1 user.echo &#0;"
                " <![CDATA[ ]]> &lt;".split()
            )
        ).map(lambda parts: "".join(parts).encode())
        | st.text(st.characters(codec="utf-8")).map(value)
    )
    def test_anything(self, body: bytes) -> None:
        """Any bytes give a well-formed answer, and never an incident."""
        try:
            xmlrpc.client.loads(Sample().post_xml(body))
        except xmlrpc.client.Fault as error:
            assert error.faultCode in (-32700, -32600, -32601, -32602)
