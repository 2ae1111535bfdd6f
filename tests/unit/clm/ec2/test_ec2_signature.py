"""Signatures, against botocore's own signers; and whatever could be altered, or said in two ways."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.auth import SigV2Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from clm.ec2.errors import EC2Error
from clm.ec2.signature import FAILED, SKEW_S, Asked, Claim, claim_of

KEY, SECRET = "WAKIAAAABBBBCCCCDDDD", "s" * 40
HOST = "cloud.example:8773"
PARAMS = {
    "Action": "DescribeInstances",
    "Version": "2016-11-15",
    "Filter.1.Name": "tag:a b/ü",
    "Filter.1.Value.1": "*+",
}
CREDENTIALS = Credentials(KEY, SECRET)


def now() -> float:
    return datetime.now(UTC).timestamp()


def asked_of(request: Any, body: bytes) -> Asked:
    prepared = request.prepare()
    path = "/" + prepared.url.split("://", 1)[1].partition("/")[2]
    headers = [(name.lower().encode(), _bytes(value)) for name, value in prepared.headers.items()]
    return Asked(prepared.method.encode(), path.encode(), [(b"host", HOST.encode()), *headers], body)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def header_4(region: str = "main", credentials: Credentials = CREDENTIALS) -> Asked:
    body = urlencode(PARAMS).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = AWSRequest("POST", f"https://{HOST}/", data=body, headers=form)
    SigV4Auth(credentials, "ec2", region).add_auth(request)
    return asked_of(request, body)


def presigned_4(expires: int = 3600, credentials: Credentials = CREDENTIALS) -> Asked:
    request = AWSRequest("GET", f"https://{HOST}/?{urlencode(PARAMS, quote_via=quote)}")
    SigV4QueryAuth(credentials, "ec2", "main", expires=expires).add_auth(request)
    return asked_of(request, b"")


def post_2() -> Asked:
    request = AWSRequest("POST", f"https://{HOST}/", data=dict(PARAMS))
    SigV2Auth(CREDENTIALS).add_auth(request)
    body = urlencode(request.data).encode()
    return Asked(b"POST", b"/", [(b"host", HOST.encode())], body)


def get_2(host: str = HOST, **more: str) -> Asked:
    """As libcloud does: everything in the query, a blank as + in the URL and as %20 in what is signed."""
    params = {**PARAMS, "AWSAccessKeyId": KEY, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", **more}
    if "Expires" not in more and "Timestamp" not in more:
        params["Timestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = "&".join(f"{quote(k, safe='-_.~')}={quote(params[k], safe='-_.~')}" for k in sorted(params))
    made = hmac.new(SECRET.encode(), f"GET\n{host}\n/\n{text}".encode(), hashlib.sha256).digest()
    query = urlencode({**params, "Signature": base64.b64encode(made).decode()})
    return Asked(b"GET", f"/?{query}".encode(), [(b"host", HOST.encode())])


SIGNED: dict[str, Callable[[], Asked]] = {
    "4 in the header": header_4,
    "4 in the query": presigned_4,
    "2 by POST": post_2,
    "2 by GET": get_2,
}


def refusal(asked: Asked, secret: str = SECRET, at: float = 0.0) -> str:
    """The code that a request is refused with; "" when it is good."""
    try:
        claim = claim_of(asked, now() + at)
        claim.check(secret if claim.access_key == KEY else "another's")
    except EC2Error as error:
        return error.code
    return ""


def header(asked: Asked, name: bytes, value: bytes | None) -> Asked:
    kept = [each for each in asked.headers if each[0] != name]
    return replace(asked, headers=[*kept, *([(name, value)] if value is not None else [])])


@pytest.mark.parametrize("how", SIGNED)
def test_good(how: str) -> None:
    """What botocore and libcloud sign is good, with its own secret and within the window alone."""
    claim = claim_of(SIGNED[how](), now())
    claim.check(SECRET)
    assert claim.access_key == KEY and claim.region in ("main", "")
    assert refusal(SIGNED[how](), "t" * 40) == "AuthFailure"
    late = 3600 if how == "4 in the query" else SKEW_S
    for seconds, code in ((-SKEW_S - 10, "RequestExpired"), (late + 10, "RequestExpired"), (late - 10, "")):
        assert refusal(SIGNED[how](), at=seconds) == code


ALTERED: dict[str, Callable[[Asked], Asked]] = {
    "method": lambda asked: replace(asked, method=b"PUT"),
    "path": lambda asked: replace(asked, uri=b"/x" + asked.uri[1:]),
    "host": lambda asked: header(asked, b"host", b"other.example:8773"),
    "a parameter": lambda asked: replace(
        asked,
        uri=asked.uri.replace(b"DescribeInstances", b"TerminateInstances"),
        body=asked.body.replace(b"DescribeInstances", b"TerminateInstances"),
    ),
    "one more parameter": lambda asked: (
        replace(asked, body=asked.body + b"&DryRun=true")
        if asked.body
        else replace(asked, uri=asked.uri + b"&DryRun=1")
    ),
    "the version": lambda asked: replace(
        asked,
        uri=asked.uri.replace(b"2016-11-15", b"2016-11-16"),
        body=asked.body.replace(b"2016-11-15", b"2016-11-16"),
    ),
}


@pytest.mark.parametrize("what", ALTERED)
@pytest.mark.parametrize("how", SIGNED)
def test_altered(how: str, what: str) -> None:
    """Whatever is changed after it was signed is found, and all are refused alike."""
    changed = ALTERED[what](SIGNED[how]())
    # A POST that becomes something else has no form, and with it nobody who signed one.
    expected = "MissingAuthenticationToken" if (how, what) == ("2 by POST", "method") else "AuthFailure"
    assert refusal(changed) == expected


def authorization(old: bytes, new: bytes) -> Callable[[], Asked]:
    def made() -> Asked:
        asked = header_4()
        value = asked.header(b"authorization")
        assert value is not None and old in value
        return header(asked, b"authorization", value.replace(old, new))

    return made


def in_query(old: bytes, new: bytes) -> Callable[[], Asked]:
    def made() -> Asked:
        asked = presigned_4()
        assert old in asked.uri
        return replace(asked, uri=asked.uri.replace(old, new))

    return made


def with_2(**more: str) -> Callable[[], Asked]:
    return lambda: get_2(**more)


def earlier() -> bytes:
    """A date of the same day, within the window, that is not the one which was signed."""
    at = datetime.now(UTC)
    return (
        (at - timedelta(minutes=2) if at.hour or at.minute > 2 else at + timedelta(minutes=2))
        .strftime("%Y%m%dT%H%M%SZ")
        .encode()
    )


def ahead(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


WRONG: dict[str, tuple[Callable[[], Asked], str]] = {
    "nothing": (lambda: Asked(b"GET", b"/?Action=DescribeRegions", [(b"host", b"x")]), "MissingAuthenticationToken"),
    "basic": (lambda: header(header_4(), b"authorization", b"Basic YTpi"), "IncompleteSignature"),
    "no host signed": (authorization(b"type;host;x-amz", b"type;x-amz"), "SignatureDoesNotMatch"),
    "unsorted": (authorization(b"content-type;host", b"host;content-type"), "IncompleteSignature"),
    "twice": (authorization(b"content-type;host", b"content-type;host;host"), "IncompleteSignature"),
    "absent header": (authorization(b"content-type;host", b"a;content-type;host"), "SignatureDoesNotMatch"),
    "other service": (authorization(b"/ec2/", b"/s3/"), "SignatureDoesNotMatch"),
    "other region": (authorization(b"/main/", b"/other/"), "AuthFailure"),
    "other key": (authorization(b"WAKIA", b"WAKIB"), "AuthFailure"),
    "other date": (authorization(KEY.encode() + b"/2", KEY.encode() + b"/1"), "SignatureDoesNotMatch"),
    "scope": (authorization(b"/aws4_request", b"/aws3_request"), "IncompleteSignature"),
    "no date": (lambda: header(header_4(), b"x-amz-date", None), "IncompleteSignature"),
    "bad date": (lambda: header(header_4(), b"x-amz-date", b"20261399T000000Z"), "IncompleteSignature"),
    "token": (lambda: header(header_4(), b"x-amz-security-token", b"x"), "SignatureDoesNotMatch"),
    "unsigned x-amz": (lambda: header(header_4(), b"x-amz-target", b"x"), "SignatureDoesNotMatch"),
    "payload hash": (lambda: header(header_4(), b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"), "SignatureDoesNotMatch"),
    "date altered": (lambda: header(header_4(), b"x-amz-date", earlier()), "AuthFailure"),
    "two ways": (
        lambda: replace(header_4(), uri=presigned_4().uri),
        "IncompleteSignature",
    ),
    "two versions": (lambda: replace(get_2(), uri=get_2().uri + b"&X-Amz-Signature=x"), "IncompleteSignature"),
    "long": (in_query(b"X-Amz-Expires=3600", b"X-Amz-Expires=604801"), "IncompleteSignature"),
    "for ever": (in_query(b"X-Amz-Expires=3600", b"X-Amz-Expires=0"), "IncompleteSignature"),
    "prolonged": (in_query(b"X-Amz-Expires=3600", b"X-Amz-Expires=7200"), "AuthFailure"),
    "no algorithm": (in_query(b"X-Amz-Algorithm=AWS4-HMAC-SHA256&", b""), "IncompleteSignature"),
    "given twice": (in_query(b"?", b"?X-Amz-Date=20260101T000000Z&"), "IncompleteSignature"),
    "body of a signed URL": (lambda: replace(presigned_4(), body=b"x=y"), "AuthFailure"),
    "both times": (with_2(Timestamp=ahead(0), Expires=ahead(60)), "IncompleteSignature"),
    "past": (with_2(Expires=ahead(-5)), "RequestExpired"),
    "for too long": (with_2(Expires=ahead(700_000)), "RequestExpired"),
    "no time": (with_2(Timestamp="yesterday"), "IncompleteSignature"),
    "edge of time": (with_2(Timestamp="0001-01-01T00:00:00+23:00"), "RequestExpired"),
    "SHA-1": (with_2(SignatureMethod="HmacSHA1"), "IncompleteSignature"),
    "version 1": (with_2(SignatureVersion="1"), "IncompleteSignature"),
    "token of 2": (lambda: replace(get_2(), uri=get_2().uri + b"&SecurityToken=x"), "AuthFailure"),
    "a name twice": (lambda: replace(get_2(), uri=get_2().uri + b"&Action=RunInstances"), "IncompleteSignature"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong(case: str) -> None:
    """What is missing, contradicts itself or says what is wrong with it."""
    made, code = WRONG[case]
    assert refusal(made()) == code


def test_one_text() -> None:
    """Whatever is wrong with the credentials, the answer is the same to the byte."""
    texts = set()
    for made in (
        lambda: ALTERED["a parameter"](header_4()),
        authorization(b"/main/", b"/other/"),
        lambda: replace(get_2(), uri=get_2().uri + b"&SecurityToken=x"),
    ):
        with pytest.raises(EC2Error) as refused:
            claim_of(made(), now()).check(SECRET)
        texts.add((refused.value.code, refused.value.message, refused.value.status))
    assert texts == {("AuthFailure", FAILED, 401)}


def test_tokens() -> None:
    """The token of a temporary key is told, whichever way it was signed with."""
    assert claim_of(with_2(SecurityToken="x")(), now()).token == "x"
    assert [claim_of(made(), now()).token for made in (header_4, presigned_4, get_2)] == ["", "", ""]
    temporary = Credentials(KEY, SECRET, "t/+=")
    for asked in (header_4(credentials=temporary), presigned_4(credentials=temporary)):
        claim = claim_of(asked, now())
        claim.check(SECRET)
        assert claim.token == "t/+="
        assert refusal(header(asked, b"x-amz-security-token", b"u")) != ""


def test_hosts() -> None:
    """Version 2 is signed with the host as it came, in lower case, or without its port."""
    for host in (HOST, HOST.rpartition(":")[0]):
        assert refusal(get_2(host)) == ""
    upper = header(get_2(HOST), b"host", HOST.upper().encode())
    assert refusal(upper) == ""
    assert refusal(get_2("other.example")) == "AuthFailure"


def test_denied() -> None:
    """A site may do without version 2; 4 goes on."""
    with pytest.raises(EC2Error) as refused:
        claim_of(get_2(), now(), version_2=False)
    assert refused.value.code == "IncompleteSignature"
    assert isinstance(claim_of(header_4(), now(), version_2=False), Claim)


def test_any_region() -> None:
    """The region is whatever was signed: libcloud knows AWS's alone."""
    assert claim_of(header_4("us-east-1"), now()).region == "us-east-1"
