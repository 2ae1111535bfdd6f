"""What views refuse, in EC2's words. Clients match on the code alone, so the words stay ours."""

from __future__ import annotations

from typing import Final

from clm.ec2.errors import EC2Error
from cm.rpc.errors import (
    CloudError,
    Conflict,
    InUse,
    InvalidRequest,
    LimitReached,
    NameTaken,
    NoCapacity,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    NotSupported,
    ObjectNotFound,
    Overloaded,
    QuotaReached,
    RateLimited,
    RequestIdReused,
    Stopping,
    TooManyAtOnce,
    Unavailable,
    VMBusy,
    WrongVMState,
)

_MISSING: Final = {
    "vm": "InvalidInstanceID.NotFound",
    "image": "InvalidAMIID.NotFound",
    "system_image": "InvalidAMIID.NotFound",
    "disk": "InvalidVolume.NotFound",
    "snapshot": "InvalidSnapshot.NotFound",
    "security_group": "InvalidGroup.NotFound",
    "key": "InvalidKeyPair.NotFound",
    "ssh_key": "InvalidKeyPair.NotFound",
}
_TAKEN: Final = {"key": "InvalidKeyPair.Duplicate", "ssh_key": "InvalidKeyPair.Duplicate",
                 "security_group": "InvalidGroup.Duplicate"}  # fmt: skip
# The first that fits counts.
_CODES: Final[tuple[tuple[type[CloudError] | tuple[type[CloudError], ...], str], ...]] = (
    (NotAuthenticated, "AuthFailure"),
    (NotPermitted, "UnauthorizedOperation"),
    (RequestIdReused, "IdempotentParameterMismatch"),
    ((WrongVMState, VMBusy), "IncorrectInstanceState"),
    (InUse, "DependencyViolation"),
    (NotSupported, "UnsupportedOperation"),
    (NoCapacity, "InsufficientInstanceCapacity"),
    (QuotaReached, "InstanceLimitExceeded"),
    (LimitReached, "ResourceLimitExceeded"),
    ((RateLimited, TooManyAtOnce, Overloaded), "RequestLimitExceeded"),
    ((Unavailable, Stopping), "Unavailable"),
    (NotFound, "InvalidParameterValue"),
    (Conflict, "IncorrectState"),
    (InvalidRequest, "InvalidParameterValue"),
)


def in_ec2s_words(error: CloudError) -> EC2Error:
    if isinstance(error, ObjectNotFound) and error.kind in _MISSING:
        return EC2Error(_MISSING[error.kind], str(error))
    if isinstance(error, NameTaken):
        return EC2Error(_TAKEN.get(error.kind, "InvalidParameterValue"), str(error))
    code = next((code for family, code in _CODES if isinstance(error, family)), "InternalError")
    return EC2Error(code, str(error))
