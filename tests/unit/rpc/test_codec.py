"""Values and errors to the wire and back."""

from __future__ import annotations

import uuid
import xmlrpc.client
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc import errors
from cm.rpc.codec import (
    RawJSON,
    decode_error,
    decode_fault,
    encode_error,
    encode_json,
    encode_xml_answer,
    encode_xml_fault,
    fault_of,
    plain,
)
from cm.rpc.types import Secret
from cm.rpc.vocabulary import VMState

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip
TIMES = st.datetimes(timezones=st.just(UTC) | st.just(None) | st.just(timezone(timedelta(hours=5, minutes=45))))


@dataclass
class Thing:
    when: datetime
    many: tuple[datetime, ...] = ()


def as_xml(value: Any) -> Any:
    return xmlrpc.client.loads(encode_xml_answer(value))[0][0]


class TestValues:
    @given(VALUES)
    def test_json_round_trip(self, value: Any) -> None:
        assert msgspec.json.decode(encode_json(value)) == value

    @given(VALUES)
    def test_xml_round_trip(self, value: Any) -> None:
        """What XML can carry comes back the same; illegal characters become U+FFFD."""
        from cm.rpc.parameters import ILLEGAL

        def expected(item: Any) -> Any:
            if isinstance(item, str):
                return ILLEGAL.sub("\ufffd", item)
            if isinstance(item, list):
                return [expected(one) for one in item]
            return {expected(k): expected(v) for k, v in item.items()} if isinstance(item, dict) else item

        assert as_xml(value) == expected(value)

    @given(TIMES)
    def test_times(self, time: datetime) -> None:
        """Every time goes as UTC with a Z, wherever it stands, and means what it meant."""
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        try:
            aware.astimezone(UTC)
        except OverflowError:
            return
        for value in (time, [time], {"a": {"b": time}}, Thing(aware, (time,))):
            text = encode_json(value).decode()
            assert 'Z"' in text and "+" not in text
        assert datetime.fromisoformat(plain(time)) == aware

    @given(st.text())
    def test_lookalikes(self, text: str) -> None:
        """A text that looks like a time stays as it is."""
        for value in (text, "2026-01-01T00:00:00", f'{text}"2026-01-01T00:00:00+02:00"'):
            assert plain(["x", value]) == ["x", value]

    def test_types(self) -> None:
        ident = uuid.uuid4()
        value = {
            "state": VMState.RUNNING,
            "address": ip_address("10.0.0.1"),
            "network": ip_network("10.0.0.0/8"),
            "uuid": ident,
            "secret": Secret("hunter2"),
            "raw": RawJSON('{"a": [1]}'),
            "bytes": b"\x00\xff",
            "set": {1},
            "nan": float("nan"),
            "lone": "a\udcff",
        }
        assert plain(value) == {
            "state": "running",
            "address": "10.0.0.1",
            "network": "10.0.0.0/8",
            "uuid": str(ident),
            "secret": "<secret>",
            "raw": {"a": [1]},
            "bytes": "AP8=",
            "set": [1],
            "nan": None,
            "lone": "a\ufffd\ufffd\ufffd",
        }

    def test_raw_is_spliced(self) -> None:
        """Ready JSON travels byte for byte."""
        assert encode_json(RawJSON('{ "a" :1 }')) == b'{ "a" :1 }'
        assert b'{ "a" :1 }' in encode_json({"items": RawJSON('{ "a" :1 }')})

    def test_integers_in_xml(self) -> None:
        """32 bits are <int>, 64 are <i8>, more is text."""
        assert b"<int>2147483647</int>" in encode_xml_answer(2**31 - 1)
        assert b"<i8>2147483648</i8>" in encode_xml_answer(2**31)
        assert b"<nil/>" in encode_xml_answer(None)
        assert b"e" not in encode_xml_answer(1e300).partition(b"<double>")[2].partition(b"</double>")[0]

    def test_unsendable(self) -> None:
        with pytest.raises(TypeError):
            encode_json({"x": object()})


def every_error() -> list[errors.CloudError]:
    samples: dict[str, Any] = {"int": 3, "str": "some <text> & more", "float": 1.5, "int | str": 3}
    samples["list[dict[str, Any]]"] = [{"storage": "fast & small", "reason": "insufficient"}]
    made = []
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, errors.CloudError) and "code" in vars(cls):
            own = {name: field.type for name, field in getattr(cls, "__dataclass_fields__", {}).items()}
            made.append(cls(**{name: samples[kind] for name, kind in own.items()}))
    return made


class TestErrors:
    @pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
    def test_round_trip(self, error: errors.CloudError) -> None:
        """An error comes back of its class, with its fields, message, number and retry."""
        back = decode_error(msgspec.json.decode(encode_json(encode_error(error))))
        assert type(back) is type(error)
        assert (str(back), back.details(), back.number, back.retry) == (
            str(error),
            error.details(),
            error.number,
            error.retry,
        )

    @pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
    def test_fault_round_trip(self, error: errors.CloudError) -> None:
        """Over XML-RPC, class, number and message come back."""
        with pytest.raises(xmlrpc.client.Fault) as caught:
            xmlrpc.client.loads(encode_xml_fault(error))
        back = decode_fault(caught.value.faultCode, caught.value.faultString)
        assert isinstance(back, type(error)) and str(back) == str(error) and back.code == error.code
        assert fault_of(error)["faultCode"] == error.number

    def test_unknown_slug(self) -> None:
        """A case of a newer server is one of its family, and says what the server said."""
        back = decode_error({"code": -32009, "message": "New.", "data": {"slug": "new", "fields": {"a": 1}}})
        assert isinstance(back, errors.Conflict) and back.code == "new"
        assert str(back) == "New." and back.details() == {"a": 1}

    @given(st.dictionaries(st.sampled_from(["code", "message", "data"]), VALUES | st.dictionaries(
        st.sampled_from(["slug", "fields", "retry"]), VALUES | st.sampled_from(["vm_busy", "incident"]))))  # fmt: skip
    def test_any_error(self, told: dict[str, Any]) -> None:
        """Whatever a server tells as an error is one."""
        assert isinstance(decode_error(told), errors.CloudError)
