"""The annotated types of parameters that several of the cloud's views take."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.rpc.vocabulary import NAME_MAX

# What HTML's <input type=email> takes, but for addresses without a dot, which no mail reaches from outside.
_EMAIL = (
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)
_EMAIL_MAX = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
Email = Annotated[str, Meta(max_length=_EMAIL_MAX, pattern=rf"^{_EMAIL}(?![\s\S])", description="An e-mail address.")]
NoEmail = Annotated[
    str, Meta(max_length=_EMAIL_MAX, pattern=rf"^({_EMAIL})?(?![\s\S])", description="An e-mail address, or empty.")
]
PersonName = Annotated[
    str,
    Meta(max_length=NAME_MAX, pattern=r"^[^\x00-\x1f\x7f-\x9f]*(?![\s\S])", description="One line; it may be empty."),
]
OneTimeToken = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+(?![\s\S])", description="As it was mailed.")
]
