"""Buckets by boto3 and by bare requests: objects, ranges and parts, what is refused, and what is collected."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import cm.drivers.memory.parts as memory_parts
import cm.drivers.memory.stream as memory_stream
import cm.drivers.memory.volume as memory_volume
from cm.drivers.images.receive import Intake
from cm.operations import storing
from cm.rpc.errors import InUse
from cm.rules.bucket import HEAD
from cm.store.leak import leaks
from support.cloud import run
from support.ec2_site import Site, ann, bob, code, made_of, site
from support.fuzz import fuzz, target_of
from support.wait import until

__all__ = ["ann", "bob", "made_of", "site"]  # fixtures

MIB = 2**20
NAMES = ("plain", "a/b/c", "../../etc/passwd", "..", "/lead", "ą ł+&=%2F?#", "a\tb", "k" * 1024, "日本語/x", "'\";--")


@pytest.fixture(scope="module", autouse=True)
def large() -> Iterator[None]:
    """Nodes in memory keep as much of a volume as these tests write."""
    before = memory_volume.CONTENT_MAX
    memory_volume.CONTENT_MAX = memory_stream.CONTENT_MAX = 32 * MIB  # type: ignore[misc]  # final for all but this test
    yield
    memory_volume.CONTENT_MAX = memory_stream.CONTENT_MAX = before  # type: ignore[misc]  # final for all but this test


@pytest.fixture(scope="module")
def s3(site: Site) -> Any:
    return site.client(site.key(), "s3", s3={"addressing_style": "path"})


@pytest.fixture(scope="module")
def bobs(site: Site) -> Any:
    return site.client(site.key("bob"), "s3", s3={"addressing_style": "path"})


def books(site: Site) -> list[dict[str, str]]:
    """What is claimed and nobody's, once operations are over."""
    cloud = site.cloud
    until(lambda: not cloud.sql("SELECT count(*) FROM operation WHERE kind = 'volume_delete' AND finished_at IS NULL"))
    found: list[dict[str, str]] = run(lambda: cloud.manager.services.database.read(leaks))
    return found


def used(site: Site) -> int:
    return int(site.cloud.sql("SELECT used_storage_mib FROM account WHERE login = 'ann'"))


def test_life(site: Site, s3: Any, bobs: Any) -> None:
    """A bucket and what is in it: put, told, read in ranges, replaced, listed, deleted; nobody else sees any of it."""
    before = used(site)
    s3.create_bucket(Bucket="life")
    assert code(s3.create_bucket, Bucket="life") == "BucketAlreadyOwnedByYou 409"
    bobs.create_bucket(Bucket="life")  # a name is one's own
    assert code(s3.create_bucket, Bucket="192.0.2.1") == "InvalidBucketName 400"
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["life"]
    assert s3.get_bucket_location(Bucket="life")["LocationConstraint"] == "alpha"
    assert s3.head_bucket(Bucket="life")["ResponseMetadata"]["HTTPStatusCode"] == 200
    data = os.urandom(300_000)
    etag = s3.put_object(Bucket="life", Key="a", Body=data, ContentType="text/x", Metadata={"who": "me"})["ETag"]
    assert etag == f'"{hashlib.md5(data).hexdigest()}"' and used(site) == before + 1
    head = s3.head_object(Bucket="life", Key="a")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"], head["ETag"]) == (
        300_000, "text/x", {"who": "me"}, etag,
    )  # fmt: skip
    assert s3.get_object(Bucket="life", Key="a")["Body"].read() == data
    part = s3.get_object(Bucket="life", Key="a", Range="bytes=100-299")
    assert part["Body"].read() == data[100:300] and part["ContentRange"] == "bytes 100-299/300000"
    assert s3.get_object(Bucket="life", Key="a", Range="bytes=-7")["Body"].read() == data[-7:]
    assert code(s3.get_object, Bucket="life", Key="a", Range="bytes=300000-") == "InvalidRange 416"
    assert code(s3.get_object, Bucket="life", Key="a", IfMatch='"x"') == "PreconditionFailed 412"
    assert code(s3.get_object, Bucket="life", Key="b") == "NoSuchKey 404"
    assert code(s3.head_object, Bucket="life", Key="b") == "404 404"
    for client, bucket in ((bobs, "life"), (s3, "others")):
        wrong = "NoSuchKey 404" if bucket == "life" else "NoSuchBucket 404"
        assert code(client.get_object, Bucket=bucket, Key="a") == wrong
    assert bobs.list_objects_v2(Bucket="life")["KeyCount"] == 0
    s3.put_object(Bucket="life", Key="a", Body=b"")
    assert s3.get_object(Bucket="life", Key="a")["Body"].read() == b"" and used(site) == before
    assert code(s3.delete_bucket, Bucket="life") == "BucketNotEmpty 409"
    s3.delete_object(Bucket="life", Key="a")
    s3.delete_object(Bucket="life", Key="a")  # which is gone already
    s3.delete_bucket(Bucket="life")
    bobs.delete_bucket(Bucket="life")
    assert s3.list_buckets()["Buckets"] == [] and books(site) == []


def test_keys(s3: Any) -> None:
    """A key is any text, and never a path of ours; lists are in the order of bytes, in pages and by folders."""
    s3.create_bucket(Bucket="keys")
    for name in NAMES:
        s3.put_object(Bucket="keys", Key=name, Body=name.encode())
    for name in NAMES:
        assert s3.get_object(Bucket="keys", Key=name)["Body"].read() == name.encode()
    there = [each["Key"] for each in s3.list_objects_v2(Bucket="keys")["Contents"]]
    assert there == sorted(NAMES, key=str.encode)
    assert [each["Key"] for each in s3.list_objects(Bucket="keys")["Contents"]] == there
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="keys", PaginationConfig={"PageSize": 3})
    assert [each["Key"] for page in pages for each in page["Contents"]] == there
    found = s3.get_paginator("list_objects").paginate(Bucket="keys", Delimiter="/", PaginationConfig={"PageSize": 2})
    folders = [each["Prefix"] for page in found for each in page.get("CommonPrefixes", [])]
    assert folders == sorted({name.partition("/")[0] + "/" for name in NAMES if "/" in name}, key=str.encode)
    below = s3.list_objects_v2(Bucket="keys", Prefix="a/", Delimiter="/")
    assert [each["Prefix"] for each in below["CommonPrefixes"]] == ["a/b/"] and "Contents" not in below
    assert code(s3.put_object, Bucket="keys", Key="k" * 1025, Body=b"") == "KeyTooLongError 400"
    # What could not be deleted by its name is not made.
    for never in ("a\0b", "a\x01b", "\ufffe"):
        assert code(s3.put_object, Bucket="keys", Key=never, Body=b"") == "InvalidArgument 400"
    gone = s3.delete_objects(Bucket="keys", Delete={"Objects": [{"Key": name} for name in (*NAMES, "none")]})
    assert len(gone["Deleted"]) == len(NAMES) + 1 and s3.list_objects_v2(Bucket="keys")["KeyCount"] == 0
    s3.delete_bucket(Bucket="keys")


def test_parts(site: Site, s3: Any, bobs: Any) -> None:
    """An object in parts, sent out of order and one twice; its claims, a repeat of its end, and one given up."""
    before = used(site)
    s3.create_bucket(Bucket="parts")
    first, second = os.urandom(5 * MIB), os.urandom(1000)
    upload = s3.create_multipart_upload(Bucket="parts", Key="big", ContentType="image/x")["UploadId"]
    where = {"Bucket": "parts", "Key": "big", "UploadId": upload}
    tag2 = s3.upload_part(**where, PartNumber=2, Body=second)["ETag"]
    s3.upload_part(**where, PartNumber=1, Body=b"another")
    tag1 = s3.upload_part(**where, PartNumber=1, Body=first)["ETag"]
    assert used(site) == before + 6
    assert [each["PartNumber"] for each in s3.list_parts(**where)["Parts"]] == [1, 2]
    assert [each["UploadId"] for each in s3.list_multipart_uploads(Bucket="parts")["Uploads"]] == [upload]
    assert code(bobs.upload_part, **where, PartNumber=1, Body=b"x") == "NoSuchBucket 404"
    bobs.create_bucket(Bucket="parts")
    assert code(bobs.upload_part, **where, PartNumber=1, Body=b"x") == "NoSuchUpload 404"
    bobs.delete_bucket(Bucket="parts")
    assert code(s3.upload_part, **{**where, "Key": "other"}, PartNumber=1, Body=b"x") == "NoSuchUpload 404"
    one, two = {"PartNumber": 1, "ETag": tag1}, {"PartNumber": 2, "ETag": tag2}

    def complete(*parts: dict[str, Any]) -> str:
        return code(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": list(parts)})

    assert complete(two, one) == "InvalidPartOrder 400" and complete(one, {**two, "ETag": tag1}) == "InvalidPart 400"
    s3.upload_part(**where, PartNumber=3, Body=b"last")
    three = {"PartNumber": 3, "ETag": f'"{hashlib.md5(b"last").hexdigest()}"'}
    assert complete(one, two, three) == "EntityTooSmall 400"
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [one, two]})
    digest = hashlib.md5(hashlib.md5(first).digest() + hashlib.md5(second).digest()).hexdigest()
    assert done["ETag"] == f'"{digest}-2"' and used(site) == before + 6
    again = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [one, two]})
    assert again["ETag"] == done["ETag"] and len(s3.list_objects_v2(Bucket="parts")["Contents"]) == 1
    found = s3.get_object(Bucket="parts", Key="big")
    assert found["Body"].read() == first + second and found["ContentType"] == "image/x"
    straddling = s3.get_object(Bucket="parts", Key="big", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")
    assert straddling["Body"].read() == (first + second)[5 * MIB - 2 : 5 * MIB + 2]
    other = {**where, "UploadId": s3.create_multipart_upload(Bucket="parts", Key="big")["UploadId"]}
    s3.upload_part(**other, PartNumber=1, Body=b"x" * MIB)
    assert used(site) == before + 7
    s3.abort_multipart_upload(**other)
    assert code(s3.abort_multipart_upload, **other) == "NoSuchUpload 404" and used(site) == before + 6
    s3.delete_object(Bucket="parts", Key="big")
    s3.delete_bucket(Bucket="parts")
    assert used(site) == before and books(site) == [] and staged(site) == []


def staged(site: Site) -> list[str]:
    """Files that are still there once they were looked after."""
    run(lambda: storing.care(site.cloud.manager.services))
    return [path.name for path in site.cloud.manager.policy.staging_dir.glob("object-*")]


def signed(
    site: Site, key: dict[str, Any], method: str, path: str, payload: str, headers: dict[str, str]
) -> dict[str, str]:
    """Headers of a request that is signed by botocore, whose body is said to be ``payload``."""
    request = botocore.awsrequest.AWSRequest(
        method, f"http://127.0.0.1:{site.port}{path}", headers={"X-Amz-Content-SHA256": payload, **headers}
    )
    credentials = botocore.credentials.Credentials(key["access_key"], key["secret_key"])

    class Signer(botocore.auth.S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return payload

        def _should_sha256_sign_payload(self, request: Any) -> bool:
            return False

    Signer(credentials, "s3", "alpha").add_auth(request)
    return {**dict(request.headers.items()), "X-Amz-Content-SHA256": payload}


def send(site: Site, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, text.partition("<Code>")[2].partition("</Code>")[0]
    finally:
        connection.close()


def chunked(data: bytes, size: int = 70_000, trailer: str = "") -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return body + b"0\r\n" + (f"{trailer}\r\n".encode() if trailer else b"") + b"\r\n"


@pytest.fixture(scope="module")
def bucket(s3: Any) -> Iterator[str]:
    s3.create_bucket(Bucket="chunks")
    yield "chunks"
    for each in s3.list_objects_v2(Bucket="chunks").get("Contents", []):
        s3.delete_object(Bucket="chunks", Key=each["Key"])
    s3.delete_bucket(Bucket="chunks")


def crc64(data: bytes) -> bytes:
    """By bits, as the polynomial is published."""
    state = 2**64 - 1
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x9A6C9329AC4BC9B5 if state & 1 else 0)
    return (state ^ (2**64 - 1)).to_bytes(8, "big")


CHECKSUMS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc64nvme": crc64,
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_trailers(site: Site, s3: Any, bucket: str, name: str) -> None:
    """Unsigned chunks with a checksum behind them, as the newest SDKs send them: a wrong one leaves nothing."""
    key, data = site.key(), os.urandom(150_000)
    told = {
        "x-amz-trailer": f"x-amz-checksum-{name}", "x-amz-decoded-content-length": str(len(data)),
        "content-encoding": "aws-chunked",
    }  # fmt: skip
    payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def put(path: str, body: bytes) -> tuple[int, str]:
        return send(site, "PUT", path, signed(site, key, "PUT", path, payload, told), body)

    right = base64.b64encode(CHECKSUMS[name](data)).decode()
    wrong = base64.b64encode(CHECKSUMS[name](data + b"x")).decode()
    path = f"/{bucket}/{name}"
    assert put(path, chunked(data, trailer=f"x-amz-checksum-{name}:{wrong}")) == (400, "BadDigest")
    assert put(path, chunked(data)) == (400, "InvalidRequest")
    assert put(path, chunked(data[1:], trailer=f"x-amz-checksum-{name}:{right}")) == (400, "IncompleteBody")
    assert put(path, chunked(data)[:-20]) == (400, "IncompleteBody")
    assert put(path, b"zz\r\n" + data) == (400, "InvalidRequest")
    assert code(s3.head_object, Bucket=bucket, Key=name) == "404 404" and staged(site) == []
    assert put(path, chunked(data, trailer=f"x-amz-checksum-{name}:{right}")) == (200, "")
    found = s3.get_object(Bucket=bucket, Key=name)
    assert found["Body"].read() == data and "ContentEncoding" not in found


def test_signed_chunks(site: Site, s3: Any, bucket: str) -> None:
    """Chunks that are signed one after another, with and without a trailer: an altered one is refused."""
    key, data = site.key(), os.urandom(200_000)
    scope_key = b"AWS4" + key["secret_key"].encode()

    def put(kind: str, alter: int = -1) -> tuple[int, str]:
        import hmac

        path, told = f"/{bucket}/signed", {"x-amz-decoded-content-length": str(len(data))}
        if kind.endswith("TRAILER"):
            told["x-amz-trailer"] = "x-amz-checksum-crc32"
        headers = signed(site, key, "PUT", path, kind, told)
        before = headers["Authorization"].rpartition("=")[2]
        stamp = headers["X-Amz-Date"]
        scope = f"{stamp[:8]}/alpha/s3/aws4_request"
        signing = scope_key
        for part in scope.split("/"):
            signing = hmac.digest(signing, part.encode(), "sha256")

        def sign(*lines: str) -> str:
            return hmac.digest(signing, "\n".join(lines).encode(), "sha256").hex()

        body, empty = b"", hashlib.sha256(b"").hexdigest()
        for number, piece in enumerate([data[:65_536], data[65_536:131_072], data[131_072:], b""]):
            digest = hashlib.sha256(piece).hexdigest()
            before = sign("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, before, empty, digest)
            sent = bytes([piece[0] ^ 1]) + piece[1:] if number == alter and piece else piece
            body += f"{len(piece):x};chunk-signature={before}\r\n".encode() + sent + (b"\r\n" if piece else b"")
        if kind.endswith("TRAILER"):
            line = b"x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(data).to_bytes(4, "big")) + b"\n"
            last = sign("AWS4-HMAC-SHA256-TRAILER", stamp, scope, before, hashlib.sha256(line).hexdigest())
            body += line.replace(b"\n", b"\r\n") + f"x-amz-trailer-signature:{last}\r\n".encode()
        return send(site, "PUT", path, headers, body + b"\r\n")

    for kind in ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"):
        assert put(kind, alter=1) == (403, "SignatureDoesNotMatch")
        assert put(kind) == (200, "")
        assert s3.get_object(Bucket=bucket, Key="signed")["Body"].read() == data


def test_signatures(site: Site, s3: Any, bucket: str) -> None:
    """Signed URLs read and put; what is altered, or signed by a key without the right, is refused."""
    s3.put_object(Bucket=bucket, Key="url", Body=b"by url")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "url"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"by url"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "put"}, ExpiresIn=60)
    path = put.partition(f":{site.port}")[2]
    assert send(site, "PUT", path, {}, b"by put") == (200, "")
    assert s3.get_object(Bucket=bucket, Key="put")["Body"].read() == b"by put"
    assert send(site, "GET", path.replace("/put?", "/url?"), {}) == (403, "SignatureDoesNotMatch")
    reader = site.client(site.key(scope="read"), "s3", s3={"addressing_style": "path"})
    assert reader.get_object(Bucket=bucket, Key="url")["Body"].read() == b"by url"
    assert code(reader.put_object, Bucket=bucket, Key="no", Body=b"x") == "AccessDenied 403"
    assert code(reader.delete_object, Bucket=bucket, Key="url") == "AccessDenied 403"
    nobody = site.client(site.key(), "s3", secret="x" * 40, s3={"addressing_style": "path"})
    assert code(nobody.list_buckets) == "SignatureDoesNotMatch 403"
    data = hashlib.sha256(b"another").hexdigest()
    headers = signed(site, site.key(), "PUT", f"/{bucket}/x", data, {})
    assert send(site, "PUT", f"/{bucket}/x", headers, b"one") == (400, "XAmzContentSHA256Mismatch")
    assert code(s3.head_object, Bucket=bucket, Key="x") == "404 404"


def test_by_host(site: Site, bucket: str) -> None:
    """A bucket may be a host below the endpoint's name, where that is said."""
    key, url = site.key(), "http://s3.example.org"
    site_s3 = _s3_of(site)
    before, site_s3._url = site_s3._url, url
    try:
        path = "/hosted"
        request = botocore.awsrequest.AWSRequest(
            "PUT", f"http://{bucket}.s3.example.org{path}",
            headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, data=b"",
        )  # fmt: skip
        credentials = botocore.credentials.Credentials(key["access_key"], key["secret_key"])
        botocore.auth.S3SigV4Auth(credentials, "s3", "alpha").add_auth(request)
        headers = {**dict(request.headers.items()), "Host": f"{bucket}.s3.example.org"}
        assert send(site, "PUT", path, headers, b"") == (200, "")
    finally:
        site_s3._url = before
    client = site.client(key, "s3", s3={"addressing_style": "path"})
    assert client.head_object(Bucket=bucket, Key="hosted")["ContentLength"] == 0


def _s3_of(site: Site) -> Any:
    ports = site.federation.bench.manager.ports
    return next(port.factory.s3 for port in ports if getattr(port.factory, "s3", None) is not None)


REFUSED = (
    ("GET", "/{b}?acl", "NotImplemented", 501), ("PUT", "/{b}/x?tagging", "NotImplemented", 501),
    ("POST", "/{b}", "MethodNotAllowed", 405), ("PATCH", "/{b}/x", "MethodNotAllowed", 405),
    ("PUT", "/", "MethodNotAllowed", 405), ("GET", "/{b}?max-keys=x", "InvalidArgument", 400),
    ("GET", "/{b}?list-type=2&continuation-token=%25", "InvalidArgument", 400),
    ("GET", "/{b}/x?uploadId=1.2.3", "NoSuchUpload", 404),
    ("PUT", "/{b}/x?uploadId=a&partNumber=1", "NoSuchUpload", 404),
    ("GET", "/{b}/%FF%FE", "InvalidArgument", 400), ("GET", "/{b}/%00", "InvalidArgument", 400),
    ("DELETE", "/no-such-bucket", "NoSuchBucket", 404), ("GET", "/No_Such", "NoSuchBucket", 404),
    ("POST", "/{b}?delete", "MalformedXML", 400), ("POST", "/{b}/x?uploadId=1", "MalformedXML", 400),
)  # fmt: skip
DOCUMENTS = (
    b"", b"<", b"<Delete/>", b'<!DOCTYPE d [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
    b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>", b"\xff" * 100,
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "wanted", "status"), REFUSED)
def test_refused(site: Site, bucket: str, method: str, path: str, wanted: str, status: int) -> None:
    """What is asked wrongly gets S3's own codes, and nothing a 5xx but what is not done here."""
    path = path.format(b=bucket)
    documents = DOCUMENTS if wanted == "MalformedXML" else (b"",)
    for body in documents:
        headers = signed(site, site.key(), method, path, "UNSIGNED-PAYLOAD", {})
        assert send(site, method, path, headers, body) == (status, wanted), body


@pytest.mark.parametrize("key", ["\u017c" * 512, '"' * 1024, "k"])
def test_much_metadata(site: Site, bucket: str, key: str) -> None:
    """As much as may be kept comes back whole, with the longest keys; more is refused in S3's words, as longer keys."""
    made, where = site.key(), f"/{bucket}/{quote(key)}"
    much = {"x-amz-meta-a": "a" * 4000, "x-amz-meta-b": "b" * 40}

    def ask(method: str, path: str, more: dict[str, str]) -> tuple[int, str]:
        return send(site, method, path, signed(site, made, method, path, "UNSIGNED-PAYLOAD", more))

    assert ask("PUT", where, much) == (200, "")
    assert ask("GET", where, {}) == (200, "")
    assert ask("PUT", where, {"x-amz-meta-a": "y" * 9000}) == (400, "MetadataTooLarge")
    assert ask("PUT", f"/{bucket}/{'k' * 1025}", {}) == (400, "KeyTooLongError")
    assert ask("PUT", f"/{bucket}/{'k' * 20_000}", {}) == (400, "KeyTooLongError")


def test_bounds(site: Site, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotas of bytes, objects and buckets; what does not fit is refused before it is sent, and claims nothing."""
    from cm.services import bucket as service

    before = used(site)
    quota = site.cloud.sql("SELECT quota_storage_mib FROM account WHERE login = 'ann'")
    site.cloud.sql("UPDATE account SET quota_storage_mib = :q WHERE login = 'ann'", q=before + 1)
    try:
        assert code(s3.put_object, Bucket=bucket, Key="b", Body=b"x" * (MIB + 1)) == "QuotaExceeded 403"
        upload = s3.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
        where = {"Bucket": bucket, "Key": "b", "UploadId": upload}
        assert code(s3.upload_part, **where, PartNumber=1, Body=b"x" * (MIB + 1)) == "QuotaExceeded 403"
        s3.abort_multipart_upload(**where)
    finally:
        site.cloud.sql("UPDATE account SET quota_storage_mib = :q WHERE login = 'ann'", q=quota)
    monkeypatch.setattr(service, "OBJECTS_MAX", 0)
    assert code(s3.put_object, Bucket=bucket, Key="b", Body=b"x") == "QuotaExceeded 403"
    monkeypatch.setattr(service, "BUCKETS_MAX", 1)
    assert code(s3.create_bucket, Bucket="one-more") == "TooManyBuckets 400"
    assert used(site) == before and staged(site) == []


def test_collected(site: Site, s3: Any, bucket: str) -> None:
    """What a manager that dies leaves on its way is collected when its time is over: rows, claims and files."""
    before, cloud = used(site), site.cloud
    assert staged(site) == []
    coming = begun(site, bucket, "dies", 3 * MIB, upload_s=-1.0)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="dies")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="dies", UploadId=upload, PartNumber=1, Body=b"x")
    cloud.sql("UPDATE multipart SET expires_at = now() - interval '1 s' WHERE key = 'dies'")
    (cloud.manager.policy.staging_dir / f"object-{coming.uuid}").write_bytes(b"some of it")
    assert used(site) == before + 4
    assert len(list(cloud.manager.policy.staging_dir.glob("object-*"))) == 2
    run(lambda: storing.care(cloud.manager.services))
    assert used(site) == before and staged(site) == [] and books(site) == []


def test_lost(site: Site, bucket: str) -> None:
    """An object that its sender's end has left half sent counts no more, long before its time is over."""
    cloud, before = site.cloud, used(site)
    coming = begun(site, bucket, "half", 3 * MIB)
    path = cloud.manager.policy.staging_dir / f"object-{coming.uuid}"
    sender = Intake(path)
    sender.write([b"half of it"])

    def cared() -> int:
        run(lambda: storing.care(cloud.manager.services))
        return used(site) - before

    assert cared() == 3  # it was announced just now
    cloud.sql("UPDATE stored_object SET created_at = now() - interval '1 hour' WHERE state = 'coming'")
    assert cared() == 3 and path.exists()
    sender.close()
    assert cared() == 0 and not path.exists() and books(site) == []


def begun(site: Site, bucket: str, key: str, size: int, **policy: Any) -> Any:
    """An object of ann's that was announced, as a manager that dies then leaves it."""
    from cm.rpc.caller import Call, Identity
    from cm.rpc.vocabulary import Role
    from cm.services import bucket as service

    cloud = site.cloud
    account_id = cloud.sql("SELECT id FROM account WHERE login = 'ann'")
    bucket_id = cloud.sql("SELECT id FROM bucket WHERE name = :n AND account_id = :a", n=bucket, a=account_id)
    call = Call(Identity(account_id, "ann", frozenset({Role.USER})), "dies")
    asked = (call, replace(cloud.manager.policy, **policy), bucket_id, key, size, {})
    return run(lambda: cloud.manager.services.database.transact(service.begin_object, *asked))


def test_given_up_meanwhile(site: Site, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object whose time is over while it goes to its storage is not there, and nor is anything of it."""
    cloud, made = site.cloud, memory_parts.MemoryVolumes.create_empty

    def late(self: Any, pool: str, name: str, *args: Any) -> Any:
        """The volume is deleted before it is there."""
        if name.startswith("object-"):
            cloud.sql("UPDATE stored_object SET expires_at = now() - interval '1 s' WHERE state = 'coming'")
            run(lambda: storing.care(cloud.manager.services))
            assert books(site) == []
        return made(self, pool, name, *args)

    monkeypatch.setattr(memory_parts.MemoryVolumes, "create_empty", late)
    assert code(s3.put_object, Bucket=bucket, Key="late", Body=b"x") == "NoSuchUpload 404"
    monkeypatch.undo()
    kept = {each.name for each in next(iter(cloud.memory.values())).volumes.list_all(f"wawel-{cloud.storage_id}")}
    known = cloud.sql("SELECT array_agg(name) FROM volume WHERE name LIKE 'object-%'") or []
    assert {name for name in kept if name.startswith("object-")} == set(known) and staged(site) == []


def test_drained(site: Site, s3: Any, bucket: str) -> None:
    """A storage that is drained takes no objects, and tells whose lie there; while some do it is not taken out."""
    cloud = site.cloud
    s3.put_object(Bucket=bucket, Key="stays/here", Body=b"x")
    cloud.call("admin.storage.drain", {"storage_id": cloud.storage_id}, account="admin")
    try:
        assert code(s3.put_object, Bucket=bucket, Key="more", Body=b"x") == "QuotaExceeded 403"
        assert s3.get_object(Bucket=bucket, Key="stays/here")["Body"].read() == b"x"
        told = cloud.call("admin.storage.get_content", {"storage_id": cloud.storage_id}, account="admin")
        (held,) = [each for each in told if each["object"] == f"{bucket}/stays/here"]
        assert held["user_id"] == cloud.sql("SELECT id FROM account WHERE login = 'ann'") and held["image_id"] is None
        with pytest.raises(InUse, match="files in buckets"):
            cloud.call("admin.storage.delete", {"storage_id": cloud.storage_id}, account="admin")
    finally:
        cloud.call("admin.storage.undrain", {"storage_id": cloud.storage_id}, account="admin")


def test_head_of_ours(site: Site, s3: Any, bucket: str) -> None:
    """An object's volume begins with bytes of ours: what somebody sent is not taken for a disk by whoever lists it."""
    s3.put_object(Bucket=bucket, Key="disk", Body=b"QFI\xfb" + bytes(508))
    memory = next(iter(site.cloud.memory.values()))
    name = site.cloud.sql(
        "SELECT u.name FROM stored_object o JOIN volume u ON u.id = o.volume_id WHERE o.key = 'disk'"
    )
    pool = f"wawel-{site.cloud.storage_id}"
    read: list[bytes] = []
    memory.streams.download(pool, name, 0, 10_000, read.append)
    assert b"".join(read) == HEAD + b"QFI\xfb" + bytes(508)


def test_import(site: Site, s3: Any, ann: Any, bob: Any, bucket: str) -> None:
    """An image comes from an object, by its URL or its bucket and key; not from another's."""
    data = bytes(510) + b"\x55\xaa" + os.urandom(200_000 - 512)
    s3.put_object(Bucket=bucket, Key="images/debian.raw", Body=data)
    by_key = {"UserBucket": {"S3Bucket": bucket, "S3Key": "images/debian.raw"}, "Format": "RAW"}
    assert code(bob.import_image, DiskContainers=[by_key]) == "InvalidParameterValue 400"
    assert code(ann.import_image, DiskContainers=[{"Url": f"s3://{bucket}/none"}]) == "InvalidParameterValue 400"
    for container in (by_key, {"Url": f"s3://{bucket}/images/debian.raw", "Format": "RAW"}):
        task = ann.import_image(DiskContainers=[container])["ImportTaskId"]

        def told(task: str = task) -> dict[str, Any]:
            found: dict[str, Any] = ann.describe_import_image_tasks(ImportTaskIds=[task])["ImportImageTasks"][0]
            return found

        until(lambda: told()["Status"] != "active")
        assert told()["Status"] == "completed", told()
        (image,) = ann.describe_images(ImageIds=[told()["ImageId"]])["Images"]
        assert image["Name"] == "debian.raw"
        ann.deregister_image(ImageId=told()["ImageId"])
    digest = site.cloud.sql("SELECT sha256 FROM image WHERE name = 'debian.raw' LIMIT 1")
    assert digest == hashlib.sha256(data).hexdigest()


def test_fuzz(site: Site) -> None:
    """Spoilt requests of S3's, as bob and with ann's names: S3's own refusals, which change and tell nothing."""
    told = fuzz(target_of(site.federation, site.port), inputs=250, seed=3, look_each=8.0, s3=1.0)
    assert told.inputs == 250 and told.looked > 3 and len(told.codes) > 12
