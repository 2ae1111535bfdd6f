"""
Use cases of buckets: files that people keep by keys of their own, in a cluster's storages and of their quota. Whose a
bucket is may do everything with it; nobody else may see it.

An object's bytes come to this machine first (``operations/storing.py``), and are an object once they are a volume's.
What is on its way has claimed all that it needs, and is collected when its time is over.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from cm.results.bucket import Bucket, Multipart, ObjectPage, Part, StoredObject
from cm.rpc.caller import Call
from cm.rpc.errors import (
    BucketNotEmpty,
    InvalidParameter,
    NameTaken,
    NoStagingRoom,
    NotAuthenticated,
    ObjectNotFound,
    PartsRefused,
    QuotaReached,
    TooLarge,
    UploadElsewhere,
    UploadGone,
)
from cm.rpc.vocabulary import CauseKind
from cm.rules import bucket as rules
from cm.rules.bucket import HEAD, PART_BYTES_MAX, PARTS_MAX, check_bucket, check_headers, check_key
from cm.rules.cause import Cause
from cm.rules.names import object_volume
from cm.rules.storage import capabilities
from cm.runtime.execute import write_audit
from cm.runtime.files import free_bytes
from cm.runtime.taken import refused_by
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.disk_bytes import open_volume_delete
from cm.services.storage import chosen_storage, refuse_new
from cm.services.upload import RESERVE_BYTES, existing
from cm.store import bucket as store
from cm.store.bucket import MultipartRow, ObjectRow, PartRow
from cm.store.claim import claim_quota, claim_storage, mib, release_quota
from cm.store.storage import get_storage
from cm.store.upload import count_uploads

BUCKETS_MAX: Final = 100  # of an account
OBJECTS_MAX: Final = 1000  # of an account: each is a file of its own on a storage, which lists all of them
MULTIPARTS_MAX: Final = 50  # of an account, that are open


# ------------------------------------------------------------------ buckets


def create(caller: ClusterCall, name: str) -> Bucket:
    """
    :raises InvalidParameter: no bucket may be called so.
    :raises NameTaken: the caller has one of the name.
    :raises QuotaReached: they have as many as they may.
    """
    session, account_id = caller.session, caller.account_id
    _require(account_id)
    check_bucket(name)
    store.hold_account(session, account_id)
    used = store.count_buckets(session, account_id)
    if used >= BUCKETS_MAX:
        raise QuotaReached("buckets", BUCKETS_MAX, used, 1)
    with refused_by(session, {"uq_bucket_account_id_name": NameTaken("bucket", name)}):
        bucket_id = store.insert_bucket(session, account_id, name)
    caller.note("create bucket", name=name)
    return store.get_bucket(session, bucket_id, account_id)


def delete(caller: ClusterCall, bucket_id: int) -> None:
    """
    One that is empty.

    :raises ObjectNotFound: it is not the caller's.
    :raises BucketNotEmpty: something is in it, or on its way.
    """
    found = store.get_bucket(caller.session, bucket_id, caller.account_id, lock=True)
    if not store.delete_bucket(caller.session, bucket_id):
        raise BucketNotEmpty(bucket_id)
    caller.note("delete bucket", name=found["name"])


def list_page(
    caller: ClusterCall, bucket_id: int, prefix: str, delimiter: str, after: str, limit: int
) -> ObjectPage:
    """
    :raises ObjectNotFound: the bucket is not the caller's.
    """
    if "\0" in prefix + delimiter + after:
        raise InvalidParameter("prefix", "it holds the character U+0000")
    store.get_bucket(caller.session, bucket_id, caller.account_id)
    # An account has no more of them; what lies behind a delimiter is told once, however much it is.
    found = store.list_objects(caller.session, bucket_id, prefix, after, OBJECTS_MAX)
    return _page(found, prefix, delimiter, after, limit)


def _page(found: Sequence[StoredObject], prefix: str, delimiter: str, after: str, limit: int) -> ObjectPage:
    """
    :param found: in order, behind ``after`` and beginning with the prefix.
    :param after: where a page ended: a key, or a prefix all of which was told.
    :param limit: of objects and prefixes together.
    """
    objects: list[StoredObject] = []
    prefixes: list[str] = []
    last = ""
    for each in found:
        key = each["key"]
        common = ""
        if delimiter and (at := key.find(delimiter, len(prefix))) >= 0:
            common = key[: at + len(delimiter)]
        if common and (common == after or (prefixes and prefixes[-1] == common)):
            continue
        if len(objects) + len(prefixes) >= limit:
            return {"objects": objects, "prefixes": prefixes, "after": last or None}
        if common:
            prefixes.append(common)
        else:
            objects.append(each)
        last = common or key
    return {"objects": objects, "prefixes": prefixes, "after": None}


def remove(caller: ClusterCall, bucket_id: int, keys: Sequence[str]) -> None:
    """
    Delete objects; what is not there is deleted already. Who reads one may not come to its end.

    :raises ObjectNotFound: the bucket is not the caller's.
    """
    session = caller.session
    store.get_bucket(session, bucket_id, caller.account_id)
    store.hold_account(session, caller.account_id)
    gone = []
    for key in sorted(set(map(check_key, keys))):
        row = store.find_object(session, bucket_id, key, lock=True)
        if row is not None:
            _drop(session, row, caller.cause)
            gone.append(key)
    caller.note("delete objects", bucket_id=bucket_id, keys=gone[:20], count=len(gone))


def _drop(session: Session, row: ObjectRow, cause: Cause) -> None:
    """It is there no more, nor counts for its owner; its room goes back when its volume is gone."""
    store.delete_object(session, row.id)
    if row.quota_mib:
        release_quota(session, row.account_id, storage_mib=row.quota_mib)
    open_volume_delete(session, row.volume_id, cause)


def _require(account_id: int) -> None:
    if not account_id:
        raise NotAuthenticated()  # what is kept has an owner


# ------------------------------------------------------------------ objects that come


@dataclass(frozen=True)
class Coming:
    """An object on its way, and its volume that is to be. ``whole_bytes``: of that."""

    id: int
    uuid: str
    storage_id: int
    volume: str
    size_bytes: int
    whole_bytes: int


def begin_object(
    session: Session, call: Call, policy: ClusterPolicy, bucket_id: int, key: str, size_bytes: int,
    headers: Mapping[str, str],
) -> Coming:  # fmt: skip
    """
    An object that is to come in one piece: room is claimed for all of it.

    :raises ObjectNotFound: the bucket is not the caller's.
    :raises TooLarge: QuotaReached: StorageFull: NoStagingRoom: it does not fit.
    """
    caller = _caller(session, call, policy)
    store.get_bucket(session, bucket_id, caller.account_id)
    check_key(key)
    check_headers(headers)
    _check_size(policy, size_bytes, PART_BYTES_MAX)
    _refuse_staging(session, policy, size_bytes)
    _count_object(session, caller.account_id)
    return _make(caller, bucket_id, key, size_bytes, headers, quota_mib=mib(size_bytes))


def _caller(session: Session, call: Call, policy: ClusterPolicy) -> ClusterCall:
    _require(call.identity.account_id)
    return ClusterCall(call.identity, call.call_id, session, remote=call.remote, policy=policy)


def _check_size(policy: ClusterPolicy, size_bytes: int, most: int) -> None:
    if size_bytes < 0:
        raise InvalidParameter("size_bytes", "it is less than nothing")
    most = min(most, policy.import_max_bytes)
    if size_bytes > most:
        raise TooLarge("The object", most)


def _refuse_staging(session: Session, policy: ClusterPolicy, size_bytes: int) -> None:
    taken = count_uploads(session, 0, policy.staging_id).to_come_bytes + store.to_come(session, policy.staging_id)
    room = free_bytes(existing(policy.staging_dir), RESERVE_BYTES) - taken
    if size_bytes > room:
        raise NoStagingRoom(max(room, 0), size_bytes)


def _count_object(session: Session, account_id: int) -> None:
    store.hold_account(session, account_id)
    used = store.count_objects(session, account_id)
    if used >= OBJECTS_MAX:
        raise QuotaReached("objects", OBJECTS_MAX, used, 1)


def _make(
    caller: ClusterCall, bucket_id: int, key: str, size_bytes: int, headers: Mapping[str, str], *, quota_mib: int,
    multipart: str | None = None, etag: str = "",
) -> Coming:  # fmt: skip
    session, policy = caller.session, caller.policy
    storage_id = chosen_storage(caller, len(HEAD) + size_bytes)
    row = get_storage(session, storage_id)
    whole = capabilities(row["kind"]).whole(len(HEAD) + size_bytes)
    if quota_mib:
        claim_quota(session, caller.account_id, storage_mib=quota_mib)
    refuse_new(row)
    claim_storage(session, storage_id, whole)
    name = str(uuid.uuid4())
    volume_id = store.insert_volume(session, storage_id, object_volume(name), whole)
    values = {
        "uuid": name, "bucket_id": bucket_id, "account_id": caller.account_id, "key": key, "volume_id": volume_id,
        "size_bytes": size_bytes, "quota_mib": quota_mib, "etag": etag, "headers": json.dumps(dict(headers)),
        "place": policy.staging_id, "multipart": multipart,
    }  # fmt: skip
    object_id = store.insert_object(session, values, policy.upload_s)
    return Coming(object_id, name, storage_id, object_volume(name), size_bytes, whole)


def find_coming(session: Session, call: Call, policy: ClusterPolicy, object_id: int) -> Coming:
    """
    One that ``begin_object`` began.

    :raises UploadGone: it is not the caller's, or not on its way.
    :raises UploadElsewhere: it is another machine's.
    """
    row = store.get_coming(session, object_id)
    if row is None or row.account_id != call.identity.account_id or row.multipart is not None:
        raise UploadGone()
    if row.place != policy.staging_id:
        raise UploadElsewhere()
    return Coming(row.id, row.uuid, row.storage_id, row.volume, row.size_bytes, row.whole_bytes)


def finish_object(session: Session, call: Call, coming: Coming, etag: str) -> StoredObject:
    """
    All of it is on its storage: it is what is under its key from now on.

    :raises UploadGone: it was given up meanwhile.
    """
    row = store.get_coming(session, coming.id)
    if row is None:
        raise UploadGone()
    return _finish(session, call, row, etag, row.quota_mib)


def _finish(session: Session, call: Call, row: ObjectRow, etag: str, quota_mib: int) -> StoredObject:
    store.hold_account(session, row.account_id)  # of two that come under one key at once, one waits for the other
    before = store.find_object(session, row.bucket_id, row.key, lock=True)
    if before is not None:
        _drop(session, before, _cause(call))
    store.finish_object(session, row.id, etag, quota_mib)
    told = {"bucket_id": row.bucket_id, "key": row.key, "size_bytes": row.size_bytes}
    write_audit(session, "object.put", call, told)
    return store.show_object(session, row.id)


def _cause(call: Call) -> Cause:
    return Cause(CauseKind.CALL, call.call_id)


def give_up_object(session: Session, object_id: int, cause: Cause) -> None:
    """What did not come leaves nothing."""
    row = store.get_coming(session, object_id)
    if row is not None:
        _drop(session, row, cause)


def find_readable(session: Session, account_id: int, bucket_id: int, key: str) -> tuple[ObjectRow, StoredObject]:
    """
    :raises ObjectNotFound: the bucket is not the caller's, or nothing is in it under that key.
    """
    store.get_bucket(session, bucket_id, account_id)
    row = store.find_object(session, bucket_id, check_key(key))
    if row is None:
        raise ObjectNotFound("object", key[:100])
    return row, store.show_object(session, row.id)


# ------------------------------------------------------------------ parts


def begin_multipart(caller: ClusterCall, bucket_id: int, key: str, headers: Mapping[str, str]) -> Multipart:
    """
    An object that is to come in parts, at this machine.

    :raises ObjectNotFound: the bucket is not the caller's.
    :raises QuotaReached: they have as many open as they may.
    """
    session, account_id, policy = caller.session, caller.account_id, caller.policy
    store.get_bucket(session, bucket_id, account_id)
    check_key(key)
    check_headers(headers)
    store.hold_account(session, account_id)
    used = store.count_multiparts(session, account_id)
    if used >= MULTIPARTS_MAX:
        raise QuotaReached("uploads in parts", MULTIPARTS_MAX, used, 1)
    values = {
        "bucket_id": bucket_id, "account_id": account_id, "key": key, "headers": json.dumps(dict(headers)),
        "place": policy.staging_id,
    }  # fmt: skip
    multipart_id = store.insert_multipart(session, values, policy.upload_s)
    caller.note("begin multipart", bucket_id=bucket_id, key=key)
    return store.show_multipart(session, multipart_id)


def show_parts(caller: ClusterCall, multipart_id: int) -> list[Part]:
    """:raises ObjectNotFound: it is not the caller's."""
    store.get_multipart(caller.session, multipart_id, caller.account_id)
    return store.show_parts(caller.session, multipart_id)


def abort_multipart(caller: ClusterCall, multipart_id: int) -> None:
    """
    Give it up: its parts go, and what they claim.

    :raises ObjectNotFound: it is not the caller's, or complete.
    """
    row = store.get_multipart(caller.session, multipart_id, caller.account_id, lock="UPDATE")
    _end_multipart(caller.session, row)
    caller.note("abort multipart", key=row.key)


def _end_multipart(session: Session, row: MultipartRow) -> None:
    claimed = sum(part.quota_mib for part in store.parts_of(session, row.id, coming=True))
    store.delete_multipart(session, row.id)
    if claimed:
        release_quota(session, row.account_id, storage_mib=claimed)


def begin_part(
    session: Session, call: Call, policy: ClusterPolicy, multipart_id: int, number: int, size_bytes: int
) -> PartRow:
    """
    :raises ObjectNotFound: the upload is not the caller's, or there no more.
    :raises UploadElsewhere: it is another machine's.
    :raises TooLarge: QuotaReached: NoStagingRoom: it does not fit.
    """
    _require(call.identity.account_id)
    row = store.get_multipart(session, multipart_id, call.identity.account_id, lock="SHARE")
    if row.place != policy.staging_id:
        raise UploadElsewhere()
    if not 1 <= number <= PARTS_MAX:
        raise InvalidParameter("number", f"it is not 1 to {PARTS_MAX}")
    _check_size(policy, size_bytes, PART_BYTES_MAX)
    _refuse_staging(session, policy, size_bytes)
    claim_quota(session, row.account_id, storage_mib=mib(size_bytes))
    return store.insert_part(session, multipart_id, number, size_bytes, mib(size_bytes))


def find_coming_part(
    session: Session, call: Call, policy: ClusterPolicy, multipart_id: int, part_id: int
) -> PartRow:
    """
    One that ``begin_part`` began.

    :raises UploadGone: it is not the caller's, or not on its way.
    :raises UploadElsewhere: it is another machine's.
    """
    try:
        row = store.get_multipart(session, multipart_id, call.identity.account_id, lock="SHARE")
    except ObjectNotFound:
        raise UploadGone() from None
    part = next((each for each in store.parts_of(session, row.id, coming=True) if each.id == part_id), None)
    if part is None or part.etag:
        raise UploadGone()
    if row.place != policy.staging_id:
        raise UploadElsewhere()
    return part


def finish_part(session: Session, call: Call, multipart_id: int, part_id: int, etag: str) -> list[str]:
    """
    It has come: the one of its number.

    :return: uuids of files that it is in place of.
    :raises UploadGone: the upload was given up, or is complete.
    """
    try:
        row = store.get_multipart(session, multipart_id, call.identity.account_id, lock="UPDATE")
    except ObjectNotFound:
        raise UploadGone() from None
    part = store.find_part(session, part_id)
    if part is None:
        raise UploadGone()
    before = [each for each in store.parts_of(session, multipart_id) if each.number == part.number]
    _drop_parts(session, row.account_id, before)
    store.finish_part(session, part_id, etag)
    return [each.uuid for each in before]


def _drop_parts(session: Session, account_id: int, parts: Sequence[PartRow]) -> None:
    store.delete_parts(session, [part.id for part in parts])
    claimed = sum(part.quota_mib for part in parts)
    if claimed:
        release_quota(session, account_id, storage_mib=claimed)


def give_up_part(session: Session, multipart_id: int, part_id: int) -> None:
    """What did not come leaves nothing."""
    try:
        row = store.get_multipart(session, multipart_id, None, lock="UPDATE")
    except ObjectNotFound:
        return
    part = store.find_part(session, part_id)
    if part is not None and not part.etag:
        _drop_parts(session, row.account_id, [part])


@dataclass(frozen=True)
class Assembling:
    """
    :ivar coming: the object that parts become; None: they did already, and ``there`` is it.
    :ivar files: uuids of the parts, in order.
    """

    coming: Coming | None
    there: StoredObject | None
    multipart_uuid: str
    files: Sequence[str]
    etag: str


def begin_completing(
    session: Session, call: Call, policy: ClusterPolicy, multipart_id: int, multipart_uuid: str,
    wanted: Sequence[tuple[int, str]],
) -> Assembling:  # fmt: skip
    """
    Claim for the volume that the parts are to become one in; of the quota they have claimed themselves. A repeat after
    a lost answer is told of the object that is there.

    :raises ObjectNotFound: UploadElsewhere: as ``begin_part``.
    :raises PartsRefused: they make no object.
    :raises TooLarge: QuotaReached: StorageFull: it does not fit.
    """
    caller = _caller(session, call, policy)
    try:
        row = store.get_multipart(session, multipart_id, caller.account_id, lock="UPDATE")
    except ObjectNotFound:
        object_id = store.object_of_upload(session, caller.account_id, multipart_uuid)
        if object_id is None:
            raise
        there = store.show_object(session, object_id)
        return Assembling(None, there, multipart_uuid, (), there["etag"])
    if row.place != policy.staging_id:
        raise UploadElsewhere()
    come = [rules.Part(p.id, p.uuid, p.number, p.size_bytes, p.etag) for p in store.parts_of(session, row.id)]
    try:
        parts = rules.assembled(wanted, come)
    except rules.PartRefused as refused:
        raise PartsRefused(refused.code) from None
    size = sum(part.size_bytes for part in parts)
    _check_size(policy, size, policy.import_max_bytes)
    _count_object(session, caller.account_id)
    etag = rules.etag_of(parts)
    made = _make(caller, row.bucket_id, row.key, size, row.headers, quota_mib=0, multipart=row.uuid, etag=etag)
    return Assembling(made, None, row.uuid, [part.uuid for part in parts], etag)


def finish_completing(
    session: Session, call: Call, multipart_id: int, assembling: Assembling
) -> tuple[StoredObject, list[str]]:
    """
    The parts are one object now, and count as that.

    :return: with the uuids of files that nobody needs any more.
    :raises UploadGone: it was given up meanwhile.
    :raises QuotaReached: the quota is less than it was.
    """
    assert assembling.coming is not None
    row = store.get_coming(session, assembling.coming.id)
    if row is None:
        raise UploadGone()
    try:
        upload = store.get_multipart(session, multipart_id, row.account_id, lock="UPDATE")
    except ObjectNotFound:
        # Another request was faster.
        found = store.object_of_upload(session, row.account_id, assembling.multipart_uuid)
        if found is None:
            raise UploadGone() from None
        _drop(session, row, _cause(call))
        return store.show_object(session, found), []
    files = [part.uuid for part in store.parts_of(session, upload.id, coming=True)]
    _end_multipart(session, upload)
    claim_quota(session, row.account_id, storage_mib=mib(row.size_bytes))
    return _finish(session, call, row, assembling.etag, mib(row.size_bytes)), files


def expire(session: Session) -> None:
    """Collect what is on its way and whose time is over."""
    for multipart_id in store.expired_multiparts(session):
        _end_multipart(session, store.get_multipart(session, multipart_id, None))
    for object_id in store.expired_objects(session):
        give_up_object(session, object_id, Cause(CauseKind.LOOK, "expired"))
