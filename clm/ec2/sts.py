"""``sts:GetCallerIdentity``, which Ansible and the aws cli send to EC2's address; of STS there is no more."""

from __future__ import annotations

from typing import Final

from clm.ec2 import ids
from clm.ec2.xml import HEAD, escaped
from cm.rpc.caller import Identity

NAMESPACE_VERSION: Final = "2011-06-15"
_NAMESPACE: Final = f"https://sts.amazonaws.com/doc/{NAMESPACE_VERSION}/"


def caller_identity(identity: Identity, request_id: str) -> bytes:
    account = ids.account(identity.account_id)
    arn = f"arn:aws:iam::{account}:user/{identity.login}"
    return (
        f'{HEAD}<GetCallerIdentityResponse xmlns="{_NAMESPACE}"><GetCallerIdentityResult><Arn>{escaped(arn)}</Arn>'
        f"<UserId>{account}</UserId><Account>{account}</Account></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{escaped(request_id)}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    ).encode()
