"""Which events of the feed are whose, and how one is written; ``events.py`` sends them."""

from __future__ import annotations

from typing import Any

import msgspec

from cm.rpc import sse
from cm.rpc.caller import Identity
from cm.rpc.codec import encode_json
from cm.runtime.feed import FeedRow, format_cursor
from cm.runtime.json_text import with_members


def sees(row: FeedRow, identity: Identity) -> bool:
    """Whether a change is this caller's to know."""
    if row.public or identity.account_id in row.users:
        return True
    return bool(row.groups) and any((identity.issuer, group) in row.groups for group in identity.groups)


def sees_as_administrator(row: FeedRow, identity: Identity) -> bool:
    """
    An administrator sees all, but that somebody else lost sight of what is still there; a cloud manager is told that
    too, to pass it on.
    """
    return not row.personal or bool(identity.issuer) or sees(row, identity)


def encode_event(row: FeedRow, epoch: str, issuer: str = "") -> bytes:
    """
    An event as its lines; made once for all who are told the same.

    :param issuer: a cloud manager, which is told whom of its people this concerns; "" for everybody else.
    """
    made = row.encoded.get(issuer)
    if made is None:
        told: dict[str, Any] = {
            "kind": row.kind,
            "object_id": row.object_id,
            "uuid": row.uuid,
            "event": row.event,
            "at": row.at,
            **row.more,
        }
        if row.personal:
            told["personal"] = True
        if issuer:
            told["audience"] = {
                "users": sorted(number for whose, number in row.external if whose == issuer),
                "groups": sorted(group for whose, group in row.groups if whose == issuer),
                "public": row.public,
            }
        # The object is JSON already; a line feed between its values would end the line.
        shown = None if row.object is None else msgspec.Raw(row.object.replace("\n", " "))
        data = with_members(encode_json(told).decode(), {"object": shown}).encode()
        made = row.encoded[issuer] = sse.encode(id=format_cursor(epoch, row.position), name=row.event, data=data)
    return made
