"""The Query protocol, against botocore's own serializer and parser, and what no client of AWS's would send."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.model import Shape as BotoShape
from botocore.parsers import EC2QueryParser
from botocore.serialize import EC2Serializer

import ec2_model
from clm.ec2.errors import EC2Error
from clm.ec2.model import Action, model
from clm.ec2.query import DEPTH_MAX, PARAMETERS_MAX, as_text, read, split_query
from clm.ec2.xml import write_answer, write_error

TEXTS = ("x", "", "a b+c&d=e", "<&>\"'", "zażółć 猫 🐈", "1", "true", "two\nlines", "tab\there", "cr\rlf")
ROUNDS = 3


@cache
def service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")


def operation(name: str) -> OperationModel:
    return service().operation_model(name)


def action(name: str) -> Action:
    found = model().find(name)
    assert found is not None
    return found


def drawn(shape: BotoShape, rng: random.Random, asked: bool, depth: int = 0) -> Any:
    """:param asked: of a request, in which an empty list and an empty structure have no place."""
    if shape.type_name == "structure":
        names = [name for name in shape.members if name in shape.required_members or rng.random() < 0.6**depth]
        made = {name: drawn(shape.members[name], rng, asked, depth + 1) for name in names} if depth < 7 else {}
        return {name: value for name, value in made.items() if not asked or value not in ([], {})}
    if shape.type_name == "list":
        made = [drawn(shape.member, rng, asked, depth + 1) for _ in range(rng.choice((0, 1, 1, 3)))]
        return [each for each in made if not asked or each not in ([], {})]
    if shape.type_name == "boolean":
        return rng.random() < 0.5
    if shape.type_name in ("integer", "long"):
        return rng.randint(int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 2**31 - 1)))
    if shape.type_name in ("double", "float"):
        return rng.randint(0, 1000) / 4
    if shape.type_name == "blob":
        return rng.randbytes(rng.randint(0, 20))
    if shape.type_name == "timestamp":
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=rng.randint(0, 10**6))
    text = rng.choice(TEXTS)
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    return text if least is None and most is None else "x" * (least or 1)


def required(action_: Action, shape: BotoShape, values: dict[str, Any]) -> bool:
    """Whether nothing that has to be there was drawn so that it is not asked at all."""
    if shape.type_name == "structure":
        return all(name in values for name in shape.required_members) and all(
            required(action_, shape.members[name], value) for name, value in values.items()
        )
    return shape.type_name != "list" or all(required(action_, shape.member, each) for each in values)


def test_cut() -> None:
    """The cut is the one that the installed botocore gives; every action of it is in botocore's model."""
    assert ec2_model.TARGET.read_text() == ec2_model.written(ec2_model.cut(ec2_model.read_service()))
    assert set(model().actions) == set(ec2_model.ACTIONS) and len(ec2_model.TARGET.read_bytes()) < 256 * 1024
    assert all(model().is_known(name) for name in service().operation_names)
    assert not model().is_known("RunInstance") and model().find("CreateVpc") is None


@pytest.mark.parametrize("name", model().actions)
def test_round_trip(name: str) -> None:
    """What botocore writes we read, and what we write botocore reads; by every member of every shape in turn."""
    rng = random.Random(name)
    serializer, parser = EC2Serializer(), EC2QueryParser()
    asked = told = 0
    shape, output = operation(name).input_shape, operation(name).output_shape
    while asked < ROUNDS:
        params = drawn(shape, rng, True)
        if not required(action(name), shape, params):
            continue
        body = serializer.serialize_to_request(params, operation(name))["body"]
        pairs = as_text(split_query(urlencode(body).encode()))
        assert read(action(name), pairs) == params
        asked += 1
    while output is not None and told < ROUNDS:
        result = drawn(output, rng, False)
        answer = write_answer(action(name), result, "2016-11-15", "req-1")
        parsed = parser.parse({"body": answer, "status_code": 200, "headers": {}}, output)
        assert parsed.pop("ResponseMetadata")["RequestId"] == "req-1"
        assert parsed == result
        told += 1


def test_full() -> None:
    """A structure with every member there is goes both ways: no member has another's name on the wire."""
    for name in model().actions:
        for shape in (action(name).input, action(name).output):
            if shape is not None:
                for names in ([m.asked for m in shape.members], [m.told for m in shape.members]):
                    assert len(set(names)) == len(names), (name, names)


def reads(name: str, query: str) -> Any:
    return read(action(name), as_text(split_query(query.encode())))


def test_lists() -> None:
    """Lists may begin at 0 and have gaps; indices are numbers, so 10 comes after 9."""
    asked = "&".join(f"ResourceId.{at}=i-{at}" for at in (10, 0, 9, 3)) + "&Tag.0.Key=a&Tag.0.Value=&Tag.7.Key=b"
    assert reads("CreateTags", asked) == {
        "Resources": ["i-0", "i-3", "i-9", "i-10"],
        "Tags": [{"Key": "a", "Value": ""}, {"Key": "b"}],
    }


def test_words() -> None:
    """Booleans as clients write them; a blank as + and as %20; the protocol's own parameters are no action's."""
    for word in ("true", "True", "1"):
        assert reads("DescribeRegions", f"AllRegions={word}&Action=x&Version=y&X-Amz-Date=z")["AllRegions"] is True
    assert reads("CreateKeyPair", "KeyName=a+b%20c%2B")["KeyName"] == "a b c+"


@pytest.mark.parametrize(
    ("query", "code", "named"),
    [
        ("KeyNames=a", "UnknownParameter", "KeyNames"),
        ("KeyName.member.1=a", "UnknownParameter", "KeyName.member"),
        ("KeyName.-1=a", "UnknownParameter", "KeyName.-1"),
        ("KeyName.%D9%A1=a", "UnknownParameter", "KeyName."),
        ("KeyName.1=a&KeyName.1=b", "InvalidParameterCombination", "KeyName.1"),
        ("KeyName.1=a&KeyName.01=b", "InvalidParameterCombination", "KeyName.01"),
        ("KeyName.1=a&KeyName=b", "InvalidParameterCombination", "KeyName"),
        ("KeyName=b&KeyName.1=a", "InvalidParameterCombination", "KeyName"),
        ("KeyName=b", "InvalidParameterValue", "KeyName.1"),
        ("KeyName.1.x=b", "InvalidParameterValue", "KeyName.1"),
        ("Filter.1=b", "InvalidParameterValue", "Filter.1"),
        ("DryRun=maybe", "InvalidParameterValue", "maybe"),
        ("DryRun.1=true", "InvalidParameterValue", "DryRun"),
        ("KeyName.1=%FF", "InvalidParameterValue", "UTF-8"),
        ("KeyName.1=a%00b", "InvalidParameterValue", "U+0000"),
        (".".join(["Filter"] * (DEPTH_MAX + 1)) + "=1", "UnknownParameter", "Filter"),
        ("&".join(f"KeyName.{at}=k" for at in range(PARAMETERS_MAX + 1)), "InvalidParameterValue", "5,000"),
        ("KeyName.9999999=a", "UnknownParameter", "KeyName.9999999"),
    ],
)
def test_refused(query: str, code: str, named: str) -> None:
    """What has no meaning gets EC2's code and the parameter's name."""
    with pytest.raises(EC2Error) as refused:
        reads("DescribeKeyPairs", query)
    assert refused.value.code == code and named in refused.value.message and refused.value.status == 400


@pytest.mark.parametrize("value", ["x", "1.5", "", "0x10", "١", "1_0", "2147483648", "-2147483649", "9" * 5000])
def test_numbers(value: str) -> None:
    """An integer is one of 32 bits, in ASCII digits."""
    with pytest.raises(EC2Error) as refused:
        reads("RunInstances", urlencode({"MinCount": value, "MaxCount": "1"}))
    assert refused.value.code == "InvalidParameterValue" and len(refused.value.message) < 300


def test_more_refused() -> None:
    """What is missing is named as the client would write it, times and base64 are looked at."""
    for name, query, code, named in (
        ("RunInstances", "MinCount=1", "MissingParameter", "MaxCount"),
        ("CreateTags", "ResourceId.1=a", "MissingParameter", "Tag"),
        ("DescribeImages", "MaxResults=one", "InvalidParameterValue", "MaxResults"),
        ("ImportKeyPair", "KeyName=a&PublicKeyMaterial=%21", "InvalidParameterValue", "base64"),
    ):
        with pytest.raises(EC2Error) as refused:
            reads(name, query)
        assert (refused.value.code, named in refused.value.message) == (code, True)


def test_hostile_answers() -> None:
    """Whatever text comes back, the answer is XML of one reading; the namespace has its slash and the version asked."""
    result = {"KeyName": "a<b>&\"'\x00\x0b\ufffe]]>\r\n", "KeyMaterial": None}
    answer = write_answer(action("CreateKeyPair"), result, "2012-06-01", "id")
    parsed = EC2QueryParser().parse(
        {"body": answer, "status_code": 200, "headers": {}}, operation("CreateKeyPair").output_shape
    )
    assert parsed["KeyName"] == "a<b>&\"'\ufffd\ufffd\ufffd]]>\r\n" and "KeyMaterial" not in parsed
    assert b'xmlns="http://ec2.amazonaws.com/doc/2012-06-01/"' in answer
    with pytest.raises(KeyError):
        write_answer(action("CreateKeyPair"), {"keyName": "x"}, "2012-06-01", "id")


def test_errors() -> None:
    """An error has no namespace, and two children: botocore and libcloud read it."""
    told = write_error(EC2Error("DryRunOperation", "It <would>"), "req-2")
    parsed = EC2QueryParser().parse({"body": told, "status_code": 412, "headers": {}}, None)
    assert parsed["Error"] == {"Code": "DryRunOperation", "Message": "It <would>"}
    assert parsed["ResponseMetadata"]["RequestId"] == "req-2" and b"xmlns" not in told
    assert EC2Error("DryRunOperation", "").status == 412
