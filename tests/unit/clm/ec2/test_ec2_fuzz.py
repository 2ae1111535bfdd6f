"""What the fuzz of EC2's port holds of answers: each that may not be is found."""

from __future__ import annotations

import random

import pytest

from support import ec2_fuzz, s3_fuzz
from support.connection import Answered
from support.inputs import Broken, Input


def made(seed: int = 1) -> tuple[Input, Input]:
    """One of EC2's, and one of S3's that is answered with a body."""
    ec2 = ec2_fuzz.Maker(random.Random(seed), "127.0.0.1:1", "key", "secret", ["i-1"], ["i-2"])
    s3 = s3_fuzz.Maker(random.Random(seed), "127.0.0.1:1", "key", "secret", ["1.2.3"])
    return ec2.make(), next(sent for sent in (s3.make() for _ in range(1000)) if sent.method == "PUT")


def ec2s(code: str, status: int = 400) -> Answered:
    told = f"<Response><Errors><Error><Code>{code}</Code><Message/></Error></Errors><RequestID/></Response>"
    return Answered(status, {}, told.encode())


def s3s(code: str, status: int = 400, more: str = "") -> Answered:
    body = f"<Error><Code>{code}</Code><Message>{more}</Message></Error>".encode()
    return Answered(status, {b"content-type": b"application/xml"}, body)


def test_good() -> None:
    """Refusals in a protocol's own words, and a told overload, are as they should be."""
    ec2, s3 = made()
    assert ec2.judge(ec2s("InvalidParameterValue")) == "InvalidParameterValue"
    assert ec2.judge(ec2s("Unavailable", 503)) == "Unavailable"
    assert ec2.judge(Answered(200, {}, b"<RunInstancesResponse/>")) == ""
    assert s3.judge(s3s("NoSuchKey", 404)) == "NoSuchKey" and s3.judge(s3s("SlowDown", 503)) == "SlowDown"
    assert s3.judge(s3s("NotImplemented", 501)) == "NotImplemented"
    assert s3.judge(s3s("InvalidPart", 200)) == "InvalidPart"  # behind blanks


@pytest.mark.parametrize(
    "answered",
    [
        ec2s("InternalError", 500), ec2s("Unavailable", 500), ec2s("x"), ec2s("AuthFailure", 401),
        Answered(400, {}, b"no XML"), Answered(400, {}, b"<Error/>"), Answered(500, {}, b"<x/>"),
    ],
)  # fmt: skip
def test_broken(answered: Answered) -> None:
    with pytest.raises(Broken):
        made()[0].judge(answered)


@pytest.mark.parametrize(
    "answered",
    [
        s3s("InternalError", 500), s3s("NoSuchKey", 500), s3s("SlowDown", 500), s3s("x"),
        s3s("NoSuchKey", 404, s3_fuzz.SECRET.decode()), Answered(200, {}, s3_fuzz.SECRET), Answered(500, {}, b""),
        Answered(400, {b"content-type": b"application/xml"}, b"<"),
    ],
)  # fmt: skip
def test_broken_of_s3(answered: Answered) -> None:
    with pytest.raises(Broken):
        made()[1].judge(answered)


def test_same_of_one_seed() -> None:
    """What a seed makes is made again by it, so that what was found can be sent again."""
    assert made(7)[0].shown == made(7)[0].shown != made(8)[0].shown
