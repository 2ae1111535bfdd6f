"""How instances are told their metadata: EC2's words for what clusters call ``imds``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clm.ec2.context import only
from clm.ec2.errors import bad_value
from cm.rpc.vocabulary import HOP_LIMIT_MAX

# By EC2's names: ours, and EC2's words for what ours may be.
_CHOICES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "HttpTokens": ("tokens", {"optional": "optional", "required": "required"}),
    "HttpEndpoint": ("enabled", {"enabled": True, "disabled": False}),
    "HttpProtocolIpv6": ("ipv6", {"enabled": True, "disabled": False}),
    "InstanceMetadataTags": ("tags", {"enabled": True, "disabled": False}),
}
V2: Final = "v2.0"  # of an image whose instances need tokens
_HOPS: Final = "HttpPutResponseHopLimit"
OPTIONS: Final = (*_CHOICES, _HOPS)


def metadata_options(imds: Mapping[str, Any]) -> dict[str, Any]:
    """As ``DescribeInstances`` has them."""
    told = {
        name: next(word for word, value in words.items() if value == imds[ours])
        for name, (ours, words) in _CHOICES.items()
    }
    return {"State": "applied", **told, _HOPS: imds["hop_limit"]}


def imds_support(image: Mapping[str, Any]) -> str | None:
    return V2 if image["imds_tokens"] == "required" else None


def wanted_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    What is asked for, by our names.

    :raises EC2Error: something that there is not, or no value of it.
    """
    only(given, *OPTIONS)
    made: dict[str, Any] = {}
    for name, (ours, words) in _CHOICES.items():
        if name in given:
            if given[name] not in words:
                raise bad_value(name, f"it is none of {', '.join(words)}")
            made[ours] = words[given[name]]
    if _HOPS in given:
        if not 1 <= given[_HOPS] <= HOP_LIMIT_MAX:
            raise bad_value(_HOPS, f"it is not from 1 to {HOP_LIMIT_MAX}")
        made["hop_limit"] = given[_HOPS]
    return made
