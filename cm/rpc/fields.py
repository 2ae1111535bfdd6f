"""
The types of members that many results have, in both managers, with their units. Each has an example, of which those of
whole results are made (``examples.py``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

Map = dict[str, Any]
Number = Annotated[int, Meta(ge=1, examples=[17])]  # an object's id, in its cluster or its cloud
Uuid = Annotated[
    str,
    Meta(
        examples=["5a1f6a52-7c0e-4b58-9d0a-3f2f0c7e9b11"],
        extra_json_schema={"format": "uuid"},
        description="Unique everywhere.",
    ),
]
Time = Annotated[datetime, Meta(tz=True, examples=["2026-03-01T12:00:00Z"], description="ISO 8601, in UTC.")]
Version = Annotated[int, Meta(ge=0, examples=[3], description="Grows with each change; see if_version.")]
MiB = Annotated[int, Meta(examples=[2048], description="MiB.")]
Bytes = Annotated[int, Meta(ge=0, examples=[10_737_418_240], description="Bytes.")]
Seconds = Annotated[int, Meta(examples=[60], description="Seconds.")]
Percent = Annotated[int, Meta(ge=0, le=100, examples=[40], description="Percent.")]
Total = Annotated[int, Meta(ge=0, examples=[2], description="How many.")]
Address = Annotated[str, Meta(examples=["10.128.0.17"], description="An IP address.")]
Text = Annotated[str, Meta(examples=["some text"])]
Named = Annotated[str, Meta(examples=["example"])]
AccountNumber = Annotated[
    str, Meta(examples=["4"], description="Of an account, as its cloud manager counts it; without one, its user_id.")
]
TagMap = Annotated[dict[str, str], Meta(examples=[{"team": "red"}], description="Values by key.")]
LoginName = Annotated[str, Meta(examples=["ann"])]
FullName = Annotated[str, Meta(examples=["Ann Example"], description="May be empty.")]
Owner = Annotated[int, Meta(ge=1, examples=[4], description="Whose it is.")]
SizeCpus = Annotated[int, Meta(ge=1, examples=[2], description="CPUs.")]
Platform = Annotated[str, Meta(examples=["linux"])]
Token = Annotated[str, Meta(examples=["k3y-that-is-told-once"], description="Told this once.")]
Prose = Annotated[str, Meta(examples=[""], description="For people.")]
MessageLevel = Literal["error", "warn", "info"]
MessageParams = Annotated[Map, Meta(description="What the words need, by the code.")]
ProgramVersion = Annotated[str, Meta(examples=["0.2.0"], description="Of the program.")]
Clock = Annotated[Time, Meta(description="Its clock.")]
