"""What views refuse, in EC2's words. Clients match on the code alone, so the words stay ours."""

from __future__ import annotations

from typing import Final

from clm.ec2 import ids
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
    "vm": ids.INSTANCE.missing,
    "image": ids.IMAGE.missing,
    "system_image": ids.IMAGE.missing,
    "disk": ids.VOLUME.missing,
    "snapshot": ids.SNAPSHOT.missing,
    "security_group": ids.GROUP.missing,
    "network": ids.SUBNET.missing,
    "public_address": ids.ADDRESS.missing,
    "affinity_group": ids.UNKNOWN_PLACEMENT_GROUP,
    "key": ids.KEY.missing,
    "ssh_key": ids.KEY.missing,
}
_TAKEN: Final = {"key": "InvalidKeyPair.Duplicate", "ssh_key": "InvalidKeyPair.Duplicate",
                 "security_group": "InvalidGroup.Duplicate"}  # fmt: skip
# Of resources that have a limit of their own with EC2.
_QUOTAS: Final = {
    "networks": "SubnetLimitExceeded",
    "public_addresses": "AddressLimitExceeded",
    "affinity groups": "ResourceLimitExceeded",
    "security groups": "SecurityGroupLimitExceeded",
    "rules of a security group": "RulesPerSecurityGroupLimitExceeded",
    "security groups of a NIC": "SecurityGroupsPerInterfaceLimitExceeded",
}
# Of single kinds of error, by our own word for them.
_SINGLE: Final = {
    "network_overlaps": "InvalidSubnet.Conflict",
    "no_public_address": "InsufficientAddressCapacity",
    "tag_limit": "TagLimitExceeded",
    "vm_guarded": "OperationNotPermitted",
}
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
    if isinstance(error, QuotaReached) and error.resource in _QUOTAS:
        return EC2Error(_QUOTAS[error.resource], str(error))
    if error.code in _SINGLE:
        return EC2Error(_SINGLE[error.code], str(error))
    code = next((code for family, code in _CODES if isinstance(error, family)), "InternalError")
    return EC2Error(code, str(error))
