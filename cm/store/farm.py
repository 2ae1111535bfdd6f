"""
Queries about farms. Which VMs a farm has, and whether it is there still, its VMs say themselves: one whose VMs are all
closed is no more, without anybody having to note that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Farm
from cm.results import farm as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import MetadataSource, UserDataEncoding, VMState, Wanted
from cm.rules.farm import CC1_CODES, HEAD, TELLS, Head, Member, farm_state, role
from cm.rules.guest import host_label
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, edit_row, insert_row
from cm.runtime.wall import utc_now
from cm.store.claim import mib
from cm.store.conditions import is_open, keeps_busy
from cm.store.rendered import Rendered, rendered
from cm.store.vm import get_vm

COLUMNS: Final[Columns] = (
    Farm.account_id, Farm.name, Farm.description, Farm.host, Farm.public_key, Farm.shared_key,
    Farm.worker_template_id,
)  # fmt: skip
_LIVE: Final = "EXISTS (SELECT 1 FROM vm m WHERE m.farm_id = f.id AND m.closed_at IS NULL)"
_JOINED: Final = """EXISTS (SELECT 1 FROM nic n JOIN network w ON w.id = n.network_id JOIN vm m ON m.id = n.vm_id
         WHERE m.farm_id = f.id AND m.closed_at IS NULL AND w.kind <> 'nat' GROUP BY w.id
        HAVING count(DISTINCT m.id) = (SELECT count(*) FROM vm e WHERE e.farm_id = f.id AND e.closed_at IS NULL))"""
_FARM: Final = f"""
SELECT f.id AS _id, NOT ({_LIVE}) AS _gone, f.id, f.uuid::text AS uuid, f.name, f.description, f.account_id, f.version,
       f.created_at, f.public_key, f.shared_key, t.name AS template_name, a.login, {_JOINED} AS joined,
       (SELECT o.id FROM operation o JOIN operation_object h ON h.operation_id = o.id
         WHERE h.kind = 'farm' AND h.object_id = f.id AND {is_open("o")} LIMIT 1) AS operation_id,
       ARRAY(SELECT json_build_object(
                    'number', v.farm_number, 'summary', v.summary, 'metadata', v.metadata_source,
                    'waiting_for', coalesce(o.user_text, ''),
                    'bytes', (SELECT coalesce(sum(u.size_bytes), 0) FROM attachment x JOIN disk k ON k.id = x.disk_id
                                JOIN volume u ON u.id = k.volume_id WHERE x.vm_id = v.id AND x.delete_with_vm))::text
               FROM vm v LEFT JOIN operation o ON o.vm_id = v.id AND {keeps_busy("o")}
              WHERE v.farm_id = f.id AND v.closed_at IS NULL ORDER BY v.farm_number) AS members
  FROM farm f JOIN template t ON t.id = f.worker_template_id JOIN account a ON a.id = f.account_id
"""
_GET = Prepared("get_farm", f"{_FARM} WHERE f.id = :id")
_FEED = Prepared("feed_farm", f"{_FARM} WHERE f.id = ANY(:ids)")
_PAGE: Final = f"""
{_FARM} WHERE {_LIVE} AND (CAST(:account_id AS bigint) IS NULL OR f.account_id = :account_id)
   AND (CAST(:before AS bigint) IS NULL OR f.id < :before) ORDER BY f.id DESC LIMIT :limit
"""
_ON: Final = frozenset({VMState.RUNNING, VMState.PAUSED, VMState.REBOOTING})


class _Summary(msgspec.Struct):
    """What of a VM's own is a farm's, too."""

    vm_id: int
    uuid: str
    name: str
    state: VMState
    contextualized: bool
    error: str
    image_name: str
    template_name: str
    cpu: int
    memory_mib: int
    leases: list[dict[str, str]]
    launched: Any
    operation_id: int | None


_summary: Final = msgspec.json.Decoder(_Summary)


def _shown(row: Any) -> results.Farm:
    vms: list[results.FarmVM] = []
    members: list[Member] = []
    image_name = head_template = started = None
    greeted = False
    for each in map(msgspec.json.decode, row.members):
        own, number = _summary.decode(each["summary"]), each["number"]
        members.append(Member(own.vm_id, number, own.state))
        if number == HEAD:
            image_name, head_template = own.image_name, own.template_name
            greeted = own.contextualized or MetadataSource(each["metadata"]) not in TELLS
            started = own.launched if own.state in _ON else None
        vms.append(
            {
                "vm_id": own.vm_id,
                "uuid": own.uuid,
                "name": own.name,
                "host": host_label(own.name, own.vm_id),
                "role": role(number),
                "number": number,
                "state": own.state,
                "contextualized": own.contextualized,
                "error": own.error,
                "template_name": own.template_name,
                "cpu": own.cpu,
                "memory_mib": own.memory_mib,
                "disk_mib": mib(each["bytes"]),
                "addresses": [lease["address"] for lease in own.leases],
                "launched": own.launched,
                "operation_id": own.operation_id,
                "waiting_for": each["waiting_for"],
            }
        )
    state = farm_state(members, greeted)
    since = None if started is None else msgspec.convert(started, results.Time)
    return {
        "farm_id": row.id,
        "uuid": row.uuid,
        "name": row.name,
        "description": row.description,
        "user_id": row.account_id,
        "state": state,
        "cc1_state": CC1_CODES[state],
        "image_name": image_name,
        "head_template_name": head_template,
        "template_name": row.template_name,
        "vms": vms,
        "workers": sum(member.number != HEAD for member in members),
        "cpu": sum(vm["cpu"] for vm in vms),
        "memory_mib": sum(vm["memory_mib"] for vm in vms),
        "disk_mib": sum(vm["disk_mib"] for vm in vms),
        "started": started,
        "uptime_s": 0 if since is None else max(0, int((utc_now() - since).total_seconds())),
        "operation_id": row.operation_id,
        "shared_key": row.shared_key,
        "public_key": row.public_key,
        "joined": row.joined,
        "version": row.version,
        "created": row.created_at,
    }


def get_farm(session: Session, farm_id: int) -> results.Farm:
    """A farm, be it that all its VMs are destroyed. Whose it is was looked at."""
    return _shown(_GET(session, id=farm_id).one())


def list_farms(
    session: Session, account_id: int | None, *, limit: int, before: int | None
) -> list[results.ListedFarm]:
    """
    Those that have VMs, newest first.

    :param account_id: whose; None: everybody's.
    :param before: the last id of the page before.
    """
    found = session.execute(text(_PAGE), {"account_id": account_id, "limit": limit, "before": before})
    return [{**_shown(row), "user_login": row.login} for row in found]


def render_farms(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    """As the feed shows them: how long one is up is for its reader to count."""
    return rendered(_FEED(session, ids=ids), lambda row: cast(Mapping[str, Any], _shown(row)))


class FarmRow(NamedTuple):
    """A farm's own row. ``account_id``: whose it is; ``host``: what its VMs' names begin with."""

    id: int
    account_id: int
    name: str
    host: str
    worker_template_id: int
    version: int


_ROW = Prepared(
    "farm_row", "SELECT id, account_id, name, host, worker_template_id, version FROM farm WHERE id = :id"
)
_HOLD = Prepared("hold_farm", "SELECT 1 FROM farm WHERE id = :id FOR NO KEY UPDATE")


def find_farm(
    session: Session, farm_id: int, *, account_id: int | None, lock: bool = False, version: int | None = None
) -> FarmRow:
    """
    :param account_id: whose it has to be; None: anybody's.
    :param lock: nobody else changes it, nor what VMs it has, until the transaction ends. Before its operation, and
        that before its VMs.
    :raises ObjectNotFound: there is none, or it is another's.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        _HOLD(session, id=farm_id)
    found = _ROW(session, id=farm_id).first()
    if found is None or account_id not in (None, found.account_id):
        raise ObjectNotFound("farm", farm_id)
    if version is not None and found.version != version:
        raise VersionChanged("farm", farm_id, found.version, version)
    return FarmRow(*found)


def insert_farm(session: Session, values: Mapping[str, Any]) -> int:
    return insert_row(session, Farm, (Farm.uuid, *COLUMNS), values)


def edit_farm(session: Session, farm_id: int, name: str | None, description: str | None) -> None:
    edit_row(session, Farm, farm_id, (Farm.name, Farm.description), {"name": name, "description": description})


def put_into_farm(session: Session, farm_id: int, numbers: Mapping[int, int]) -> None:
    """:param numbers: in the farm, by VM."""
    session.execute(
        text(
            "UPDATE vm SET farm_id = :farm, farm_number = w.number"
            "  FROM unnest(CAST(:ids AS bigint[]), CAST(:numbers AS smallint[])) AS w (id, number) WHERE vm.id = w.id"
        ),
        {"farm": farm_id, "ids": list(numbers), "numbers": list(numbers.values())},
    )


def next_number(session: Session, farm_id: int) -> int:
    """Of the next worker: none gets the name of one that is destroyed, whose key others may know."""
    statement = text("SELECT coalesce(max(farm_number), 0) + 1 FROM vm WHERE farm_id = :id")
    return int(session.execute(statement, {"id": farm_id}).scalar_one())


def member_ids(session: Session, farm_id: int) -> Sequence[int]:
    """The live VMs of a farm in the order in which they are locked, which is that of their numbers."""
    statement = text("SELECT id FROM vm WHERE farm_id = :id AND closed_at IS NULL ORDER BY id")
    return list(session.scalars(statement, {"id": farm_id}))


_MEMBERS: Final = text(
    """
SELECT v.id, v.farm_number FROM vm v WHERE v.farm_id = :id AND v.closed_at IS NULL ORDER BY v.farm_number
"""
)


def list_members(session: Session, farm_id: int) -> list[Member]:
    """The live VMs of a farm, the head first."""
    found = session.execute(_MEMBERS, {"id": farm_id}).all()
    return [Member(row.id, row.farm_number, get_vm(session, row.id).state) for row in found]


@dataclass(frozen=True)
class Alike:
    """What a VM was made with, of which others are to be made alike."""

    image_id: int
    user_data: str = field(repr=False)
    user_data_encoding: UserDataEncoding
    ssh_key: str
    ssh_username: str
    metadata: MetadataSource
    networks: list[int]
    security_groups: list[int]


_ALIKE: Final = text(
    """
SELECT v.image_id, v.user_data, v.user_data_encoding, v.ssh_key, v.ssh_username, v.metadata_source,
       ARRAY(SELECT network_id FROM nic WHERE vm_id = v.id ORDER BY number) AS networks,
       ARRAY(SELECT DISTINCT m.group_id FROM nic_group m JOIN nic n ON n.id = m.nic_id WHERE n.vm_id = v.id) AS groups
  FROM vm v WHERE v.id = :id
"""
)


def look_alike(session: Session, vm_id: int) -> Alike:
    found = session.execute(_ALIKE, {"id": vm_id}).one()
    return Alike(
        found.image_id,
        found.user_data,
        UserDataEncoding(found.user_data_encoding),
        found.ssh_key,
        found.ssh_username,
        MetadataSource(found.metadata_source),
        list(found.networks),
        list(found.groups),
    )


_HEAD = Prepared(
    "head_of_farm", f"SELECT id, metadata_source FROM vm WHERE farm_id = :id AND farm_number = {HEAD}"
)


def head_of(session: Session, farm_id: int) -> Head:
    """A farm's head, as its workers look at it; be it that it is destroyed."""
    found = _HEAD(session, id=farm_id).one()
    row = get_vm(session, found.id)
    state = VMState.DESTROYING if row.wanted is Wanted.DESTROYED and row.closed_at is None else row.state
    return Head(
        row.id,
        row.name,
        state,
        row.error,
        row.contextualized_at is not None,
        MetadataSource(found.metadata_source) in TELLS,
        row.launched_at,
    )
