"""VMs with all that belongs to them, for fronts that tell of it in one answer: each VM's text is put together once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from cm.runtime.json_text import array_of, merged
from cm.runtime.prepared import Prepared
from cm.store.vm import IMDS

UUID_DIGITS: Final = 17  # of a uuid's beginning, by which it may be asked for
_REST: Final = 32 - UUID_DIGITS

_TIME: Final = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
_UNDER_WAY: Final = """EXISTS (
        SELECT 1 FROM operation_object h JOIN operation o ON o.id = h.operation_id
         WHERE h.kind = '{kind}' AND h.object_id = {id} AND h.exclusive AND {is_arriving})"""
_NIC_ARRIVES: Final = _UNDER_WAY.format(kind="nic", id="n.id", is_arriving="o.kind = 'nic_attach'")
_ATTACHES: Final = "o.vm_id = v.id AND o.kind IN ('disk_attach', 'attach_or_create')"
_DISK_ARRIVES: Final = (
    f"({_UNDER_WAY.format(kind='disk', id='k.id', is_arriving=_ATTACHES)}"
    f" OR k.image_id IS NOT NULL AND {_UNDER_WAY.format(kind='image', id='k.image_id', is_arriving=_ATTACHES)})"
)
# What is another account's is not told: a network that is shared, an image in a drive.
_MORE: Final = f"""json_build_object(
    'type', coalesce(nullif(p.ec2name, ''), p.name),
    'image', CASE WHEN i.kind = 'system' THEN json_build_object('uuid', i.uuid, 'architecture', i.architecture) END,
    'nics', coalesce((
        SELECT json_agg(json_build_object(
                   'nic', n.number, 'nic_id', n.id, 'uuid', n.uuid, 'network_id', n.network_id, 'mac', n.mac,
                   'subnet', CASE WHEN w.account_id = v.account_id AND w.prefix IS NOT NULL THEN w.uuid END,
                   'addresses', ARRAY(SELECT host(l.address) FROM network_lease l WHERE l.nic_id = n.id
                                       ORDER BY l.address),
                   'public', (SELECT host(a.address) FROM public_address a
                               WHERE a.nic_id = n.id AND family(a.address) = 4 ORDER BY a.address LIMIT 1),
                   'groups', coalesce((SELECT json_agg(json_build_object('uuid', s.uuid, 'name', s.name) ORDER BY s.id)
                                         FROM nic_group g JOIN security_group s ON s.id = g.group_id
                                        WHERE g.nic_id = n.id AND s.account_id = v.account_id), '[]'),
                   'spoofing', n.spoofing, 'leaving', n.leaving, 'arriving', {_NIC_ARRIVES}) ORDER BY n.number)
          FROM nic n JOIN network w ON w.id = n.network_id WHERE n.vm_id = v.id), '[]'),
    'disks', coalesce((
        SELECT json_agg(json_build_object(
                   'disk_id', k.id, 'uuid', k.uuid, 'device', t.device, 'delete_with_vm', t.delete_with_vm,
                   'created', to_char(k.created_at AT TIME ZONE 'UTC', {_TIME}), 'leaving', t.leaving,
                   'arriving', {_DISK_ARRIVES}) ORDER BY t.number)
          FROM attachment t JOIN disk k ON k.id = t.disk_id
         WHERE t.vm_id = v.id AND NOT t.cdrom AND k.account_id = v.account_id AND k.trashed_at IS NULL), '[]'),
    'metadata', v.metadata_source, 'imds', {IMDS},
    'affinity_group', (SELECT json_build_object('uuid', f.uuid, 'name', f.name) FROM affinity_group f
                        WHERE f.id = v.affinity_group_id),
    'tags', coalesce((SELECT json_object_agg(g.key, g.value) FROM object_tag g
                       WHERE g.kind = 'vm' AND g.object_id = v.id AND v.closed_at IS NULL), '{{}}'))::text"""
_FROM: Final = "JOIN image i ON i.id = v.image_id JOIN template p ON p.id = v.template_id"

_LIVE = Prepared(
    "whole_vms",
    f"""
SELECT v.summary, {_MORE} FROM vm v {_FROM}
 WHERE v.account_id = :account_id AND v.closed_at IS NULL AND v.id < coalesce(CAST(:before AS bigint), v.id + 1)
 ORDER BY v.id DESC LIMIT :limit
""",
)
_BY_UUID = Prepared(
    "whole_vms_by_uuid",
    f"""
SELECT v.summary, {_MORE}
  FROM unnest(CAST(CAST(:first AS text[]) AS uuid[]), CAST(CAST(:last AS text[]) AS uuid[])) AS u (first, last)
  JOIN vm v ON v.uuid BETWEEN u.first AND u.last {_FROM}
 WHERE v.account_id = :account_id AND v.id < coalesce(CAST(:before AS bigint), v.id + 1)
   AND (v.closed_at IS NULL OR v.closed_at > now() - make_interval(secs => CAST(:ended_s AS bigint)))
 ORDER BY v.id DESC LIMIT :limit
""",
)


def whole_text(
    session: Session,
    account_id: int,
    *,
    limit: int,
    before: int | None = None,
    uuids: Sequence[str] | None = None,
    ended_s: int = 0,
) -> str:
    """
    A page of an account's VMs, newest first, as one JSON text: each VM's summary, with what belongs to it.

    :param before: the last id of the page before.
    :param uuids: the first ``UUID_DIGITS`` digits, without hyphens, of those that are wanted; None: all that live.
    :param ended_s: of these also such as ended within so many seconds.
    """
    values = {"account_id": account_id, "before": before, "limit": limit}
    if uuids is None:
        found = _LIVE(session, **values)
    else:
        first, last = [each + "0" * _REST for each in uuids], [each + "f" * _REST for each in uuids]
        values["limit"] = min(limit, 2 * len(uuids))  # a few are read in the reactor's thread
        found = _BY_UUID(session, first=first, last=last, ended_s=ended_s, **values)
    return array_of([merged(summary, more) for summary, more in found])
