"""What clients of S3 are refused with: a code that they match on, its status, and words that stay ours."""

from __future__ import annotations

from typing import Final

from clm.ec2.errors import AWSError, EC2Error
from cm.rpc.errors import (
    BucketNotEmpty,
    ChecksumDiffers,
    CloudError,
    Conflict,
    InvalidParameter,
    InvalidRequest,
    LimitReached,
    NameTaken,
    NoStagingRoom,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    NotSupported,
    ObjectNotFound,
    Overloaded,
    PartsRefused,
    QuotaReached,
    RateLimited,
    Stopping,
    TooLarge,
    TooManyAtOnce,
    Unavailable,
    UploadBusy,
    UploadGone,
)

STATUS: Final = {
    "AccessDenied": 403, "BucketAlreadyOwnedByYou": 409, "BucketNotEmpty": 409, "InternalError": 500,
    "InvalidRange": 416, "MethodNotAllowed": 405, "MissingContentLength": 411, "NoSuchBucket": 404, "NoSuchKey": 404,
    "NoSuchUpload": 404, "NotImplemented": 501, "OperationAborted": 409, "PreconditionFailed": 412,
    "QuotaExceeded": 403, "RequestTimeTooSkewed": 403, "ServiceUnavailable": 503, "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
}  # fmt: skip
_MISSING: Final = {"bucket": "NoSuchBucket", "object": "NoSuchKey", "multipart": "NoSuchUpload"}
# Of signatures, by EC2's words.
_SIGNED: Final = {
    "AuthFailure": "SignatureDoesNotMatch", "MissingAuthenticationToken": "AccessDenied",
    "IncompleteSignature": "AuthorizationHeaderMalformed", "RequestExpired": "RequestTimeTooSkewed",
    "InvalidParameterValue": "InvalidArgument", "Unavailable": "ServiceUnavailable",
}  # fmt: skip
_PARAMETERS: Final = {"name": "InvalidBucketName", "key": "KeyTooLongError"}
# The first that fits counts.
_CODES: Final[tuple[tuple[type[CloudError] | tuple[type[CloudError], ...], str], ...]] = (
    (BucketNotEmpty, "BucketNotEmpty"),
    (ChecksumDiffers, "BadDigest"),
    (UploadGone, "NoSuchUpload"),
    (UploadBusy, "OperationAborted"),
    (TooLarge, "EntityTooLarge"),
    ((RateLimited, TooManyAtOnce, Overloaded, NoStagingRoom), "SlowDown"),
    ((NotAuthenticated, NotPermitted), "AccessDenied"),
    (NotSupported, "NotImplemented"),
    (QuotaReached, "QuotaExceeded"),
    (LimitReached, "QuotaExceeded"),
    ((Unavailable, Stopping), "ServiceUnavailable"),
    (NotFound, "NoSuchKey"),
    (Conflict, "OperationAborted"),
    (InvalidRequest, "InvalidArgument"),
)


class S3Error(AWSError):
    STATUSES = STATUS


def in_s3s_words(error: CloudError | EC2Error) -> S3Error:
    if isinstance(error, EC2Error):
        return S3Error(_SIGNED.get(error.code, error.code), error.message)
    if isinstance(error, ObjectNotFound) and error.kind in _MISSING:
        return S3Error(_MISSING[error.kind], str(error))
    if isinstance(error, NameTaken) and error.kind == "bucket":
        return S3Error("BucketAlreadyOwnedByYou", str(error))
    if isinstance(error, PartsRefused):
        return S3Error(error.reason, str(error))
    if isinstance(error, QuotaReached) and error.resource == "buckets":
        return S3Error("TooManyBuckets", str(error))
    if isinstance(error, InvalidParameter) and error.parameter in _PARAMETERS:
        return S3Error(_PARAMETERS[error.parameter], str(error))
    code = next((code for family, code in _CODES if isinstance(error, family)), "InternalError")
    return S3Error(code, str(error))


def not_implemented(what: str) -> S3Error:
    return S3Error("NotImplemented", f"{what} is not done here: buckets take files for images, and give them back.")
