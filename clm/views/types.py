"""The annotated types of parameters that several of the cloud's views take."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.rpc.types import LINE, matching
from cm.rpc.vocabulary import NAME_MAX

# What HTML's <input type=email> takes, but for addresses without a dot, which no mail reaches from outside.
_EMAIL = (
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)
_EMAIL_MAX = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
Email = Annotated[
    str,
    Meta(
        max_length=_EMAIL_MAX,
        pattern=matching(_EMAIL, "it must be an e-mail address, name@example.org"),
        description="An e-mail address.",
        examples=["ann@example.org"],
    ),
]
NoEmail = Annotated[
    str,
    Meta(
        max_length=_EMAIL_MAX,
        pattern=matching(f"({_EMAIL})?", "it must be an e-mail address, name@example.org, or empty"),
        description="An e-mail address, or empty.",
    ),
]
PersonName = Annotated[
    str,
    Meta(max_length=NAME_MAX, pattern=LINE, description="One line; it may be empty."),
]
OneTimeToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=matching(r"[A-Za-z0-9_-]+", "it is not a token as it was mailed"),
        description="As it was mailed.",
    ),
]
