"""Key pairs are the caller's SSH keys, the same in all regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from clm.ec2.lists import Values, filtered
from clm.ec2.names import KEYS as PAIRS
from clm.ec2.names import Tags, wanted_tags
from clm.ec2.xml import told_time
from cm.rpc.errors import ObjectNotFound


def key_id(key: Mapping[str, Any]) -> str:
    return ids.numbered(ids.KEY, key["key_id"])


async def keys(context: Context) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await context.cloud("user.key.get_list")
    return found


KEYS: Final[dict[str, Values]] = {
    "key-name": lambda each: [each["name"]],
    "key-pair-id": lambda each: [key_id(each)],
    "fingerprint": lambda each: [each["fingerprint_md5"]],
}


async def create_key_pair(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """A pair whose private key is told this once; RSA unless ed25519 is asked for, as with EC2."""
    only(params, "KeyName", "KeyType", "KeyFormat", "TagSpecifications")
    (tags,) = wanted_tags(params.get("TagSpecifications"), PAIRS)
    kind = params.get("KeyType", "rsa")
    if kind not in ("rsa", "ed25519"):
        raise EC2Error("InvalidParameterValue", "KeyType is neither rsa nor ed25519.")
    if params.get("KeyFormat", "pem") != "pem":
        raise EC2Error("UnsupportedOperation", "Keys are told as PEM alone.")
    made = await context.change("user.key.generate", cloud=True, name=params["KeyName"], kind=kind, **tags.asked)
    return {**_made(made), "KeyMaterial": made["private_key"]}


async def import_key_pair(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """A public key, as a line of ``authorized_keys``."""
    only(params, "KeyName", "PublicKeyMaterial", "TagSpecifications")
    (tags,) = wanted_tags(params.get("TagSpecifications"), PAIRS)
    try:
        line = params["PublicKeyMaterial"].decode()
    except UnicodeDecodeError:
        raise EC2Error("InvalidKey.Format", "Key is not in valid OpenSSH public key format") from None
    asked = {"name": params["KeyName"], "key": line.strip(), **tags.asked}
    return _made(await context.change("user.key.add", cloud=True, **asked))


async def describe_key_pairs(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's keys."""
    only(params, "KeyNames", "KeyPairIds", "Filters", "IncludePublicKey")
    there = await keys(context)
    names, wanted = params.get("KeyNames"), params.get("KeyPairIds")
    if names:
        absent = sorted(set(names) - {each["name"] for each in there})
        if absent:
            raise EC2Error(ids.KEY.missing, f"The key pair '{', '.join(absent)[:200]}' does not exist")
        there = [each for each in there if each["name"] in names]
    if wanted:
        there = ids.pick(ids.KEY, wanted, there, key_id)
    with_key = params.get("IncludePublicKey")
    shown = filtered(there, params.get("Filters"), KEYS, Tags(PAIRS).of)
    return {"KeyPairs": [_shown(each, with_key) for each in shown]}


async def delete_key_pair(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One that is not there is deleted already, as with EC2."""
    only(params, "KeyName", "KeyPairId")
    name, given = params.get("KeyName"), params.get("KeyPairId")
    if (name is None) == (given is None):
        raise EC2Error("MissingParameter", "The request must contain either KeyName or KeyPairId")
    if given is not None:
        ids.check(ids.KEY, given)
        there = await keys(context)
        name = next((each["name"] for each in there if key_id(each) == given), None)
    try:
        if name is not None:
            await context.change("user.key.delete", cloud=True, name=name)
    except ObjectNotFound:
        pass
    return {"Return": True, "KeyPairId": given}


def _made(key: Mapping[str, Any]) -> dict[str, Any]:
    made = {"KeyName": key["name"], "KeyFingerprint": key["fingerprint_md5"], "KeyPairId": key_id(key)}
    return {**made, "Tags": Tags(PAIRS).shown(key)}


def _shown(key: Mapping[str, Any], with_key: bool | None) -> dict[str, Any]:
    kind = {"ssh-rsa": "rsa", "ssh-ed25519": "ed25519"}.get(key["kind"])
    public = key["public_key"] if with_key else None
    return {**_made(key), "KeyType": kind, "PublicKey": public, "CreateTime": told_time(key["created"])}


HANDLERS: Final = {
    "CreateKeyPair": create_key_pair,
    "ImportKeyPair": import_key_pair,
    "DescribeKeyPairs": describe_key_pairs,
    "DeleteKeyPair": delete_key_pair,
}
