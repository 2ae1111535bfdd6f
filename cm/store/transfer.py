"""Queries about offers of ownership, and what of an object is written as it changes hands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import transfer as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import TransferKind, TransferState
from cm.rules.access import Shared
from cm.rules.transfer import HeldDisk, HeldVM, state_of
from cm.runtime.prepared import Prepared
from cm.store.rendered import Rendered, rendered, shown

# Whether the object is there and still that of whoever offers it.
_STANDING: Final = """CASE t.kind
       WHEN 'vm' THEN EXISTS (SELECT 1 FROM vm o WHERE o.id = t.object_id AND o.closed_at IS NULL
                                 AND o.account_id = t.account_id)
       WHEN 'image' THEN EXISTS (SELECT 1 FROM image o WHERE o.id = t.object_id AND o.deleted_at IS NULL
                                    AND o.state <> 'deleted' AND o.account_id = t.account_id)
       ELSE EXISTS (SELECT 1 FROM vm_template o WHERE o.id = t.object_id AND o.deleted_at IS NULL
                       AND o.account_id = t.account_id) END"""
_COLUMNS: Final = f"""t.id AS transfer_id, t.uuid::text AS uuid, t.kind, t.object_id, t.name, t.account_id AS user_id,
       a.login AS user_login, t.to_account_id AS to_user_id, b.login AS to_login, t.note AS text, t.state, t.version,
       t.created_at AS created, t.expires_at AS expires, t.closed_at AS closed,
       {_STANDING} AS _standing, clock_timestamp() AS _now"""
_TRANSFER: Final = f"""
SELECT {_COLUMNS} FROM transfer t JOIN account a ON a.id = t.account_id JOIN account b ON b.id = t.to_account_id
"""
_FEED = Prepared(
    "feed_transfer",
    f"SELECT {_COLUMNS}, t.id AS _id, false AS _gone FROM transfer t JOIN account a ON a.id = t.account_id"
    " JOIN account b ON b.id = t.to_account_id WHERE t.id = ANY(:ids)",
)


def _shown(row: Any) -> results.Transfer:
    told = shown(row)
    known = row._mapping
    told["kind"] = TransferKind(told["kind"])
    told["state"] = state_of(TransferState(told["state"]), told["expires"], known["_standing"], known["_now"])
    return cast(results.Transfer, told)


def render_transfers(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids), _shown)


def list_transfers(
    session: Session, account_id: int | None, *, open_only: bool, limit: int, before: int | None
) -> list[results.Transfer]:
    """
    A page, newest first.

    :param account_id: of which it is one of the parties; None: everybody's.
    :param open_only: those that nobody has answered, of which some may have expired.
    """
    found = session.execute(
        text(
            f"{_TRANSFER} WHERE (CAST(:account AS bigint) IS NULL OR :account IN (t.account_id, t.to_account_id))"
            " AND (NOT :open OR t.state = 'offered') AND (CAST(:before AS bigint) IS NULL OR t.id < :before)"
            " ORDER BY t.id DESC LIMIT :limit"
        ),
        {"account": account_id, "open": open_only, "before": before, "limit": limit},
    )
    return [_shown(row) for row in found]


def get_transfer(
    session: Session, transfer_id: int, account_id: int | None, *, lock: bool = False, version: int | None = None
) -> results.Transfer:
    """
    :param account_id: that has to be one of its parties; None: anybody.
    :param lock: hold its row until the transaction ends; its object's is locked before.
    :raises ObjectNotFound: there is none, or the account is no party.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        session.execute(text("SELECT 1 FROM transfer WHERE id = :id FOR NO KEY UPDATE"), {"id": transfer_id})
    row = session.execute(text(f"{_TRANSFER} WHERE t.id = :id"), {"id": transfer_id}).first()
    if row is None:
        raise ObjectNotFound("transfer", transfer_id)
    found = _shown(row)
    if account_id is not None and account_id not in (found["user_id"], found["to_user_id"]):
        raise ObjectNotFound("transfer", transfer_id)
    if version is not None and found["version"] != version:
        raise VersionChanged("transfer", transfer_id, found["version"], version)
    return found


def count_offered(session: Session, account_id: int) -> int:
    """How many offers of an account wait for an answer. Holds the account, so that nobody adds to them."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    statement = text(
        "SELECT count(*) FROM transfer WHERE account_id = :id AND state = 'offered' AND expires_at > clock_timestamp()"
    )
    return int(session.execute(statement, {"id": account_id}).scalar_one())


def find_offered(session: Session, kind: TransferKind, object_id: int) -> tuple[int, bool] | None:
    """The offer of an object that nobody answered, held, and whether it has expired. The object is held before."""
    found = session.execute(
        text(
            "SELECT id, expires_at <= clock_timestamp() FROM transfer"
            " WHERE kind = :kind AND object_id = :id AND state = 'offered' FOR NO KEY UPDATE"
        ),
        {"kind": kind, "id": object_id},
    ).first()
    return None if found is None else (found[0], found[1])


def insert_transfer(
    session: Session, kind: TransferKind, object_id: int, name: str, account_id: int, to_account_id: int, words: str,
    seconds: float,
) -> int:  # fmt: skip
    """:param seconds: until it expires. :return: its id."""
    made = session.execute(
        text(
            "INSERT INTO transfer (kind, object_id, name, account_id, to_account_id, note, expires_at) VALUES"
            " (:kind, :object_id, :name, :account, :to, :text, clock_timestamp() + make_interval(secs => :s))"
            " RETURNING id"
        ),
        {
            "kind": kind, "object_id": object_id, "name": name, "account": account_id, "to": to_account_id,
            "text": words, "s": seconds,
        },
    )  # fmt: skip
    return int(made.scalar_one())


def close_transfer(session: Session, transfer_id: int, state: TransferState) -> None:
    """It is held, and offered."""
    session.execute(
        text(
            "UPDATE transfer SET state = :state, closed_at = clock_timestamp(), version = version + 1 WHERE id = :id"
        ),
        {"id": transfer_id, "state": state},
    )


def hold_accounts(session: Session, *account_ids: int) -> None:
    """In the order of their numbers, so that of two transfers in opposite directions none waits for the other."""
    session.execute(
        text("SELECT 1 FROM account WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"), {"ids": list(account_ids)}
    )


# ------------------------------------------------------------------ VMs

_DISKS: Final = text(
    "SELECT disk_id FROM attachment WHERE vm_id = :id AND disk_id IS NOT NULL AND NOT cdrom ORDER BY disk_id"
)


def disks_with(session: Session, vm_id: int) -> list[int]:
    """The disks that change hands with a VM, by id."""
    return list(session.scalars(_DISKS, {"id": vm_id}))


_HELD_DISKS: Final = text(
    """
SELECT k.id, k.account_id, k.image_id, t.cdrom,
       ARRAY(SELECT o.vm_id FROM attachment o WHERE o.disk_id = k.id AND o.vm_id <> t.vm_id ORDER BY 1) AS others
  FROM attachment t JOIN disk k ON k.id = t.disk_id WHERE t.vm_id = :id ORDER BY t.number
"""
)
_HELD: Final = text("SELECT id, account_id, farm_id, resource_pool_id, vnc_enabled FROM vm WHERE id = :id")
_NETWORKS: Final = text(
    "SELECT DISTINCT w.id, w.account_id FROM nic n JOIN network w ON w.id = n.network_id"
    " WHERE n.vm_id = :id AND w.account_id IS NOT NULL ORDER BY 1"
)


def held_vm(session: Session, vm_id: int) -> HeldVM:
    """A VM that is there, and is held."""
    row = session.execute(_HELD, {"id": vm_id}).one()
    disks = [
        HeldDisk(each.id, each.account_id, each.image_id, each.cdrom, tuple(each.others))
        for each in session.execute(_HELD_DISKS, {"id": vm_id})
    ]
    networks = [(each.id, each.account_id) for each in session.execute(_NETWORKS, {"id": vm_id})]
    return HeldVM(
        row.id, row.account_id, row.farm_id, row.resource_pool_id, row.vnc_enabled, tuple(disks), tuple(networks)
    )


# Disks with their snapshots, and of a VM its memory on a storage and what its guest is seeded by.
_VOLUMES: Final = text(
    """
SELECT u.claimed_bytes FROM volume u WHERE u.id IN (
    SELECT volume_id FROM disk WHERE id = ANY(CAST(:disks AS bigint[]))
     UNION SELECT volume_id FROM image WHERE id = ANY(CAST(:images AS bigint[]))
     UNION SELECT volume_id FROM snapshot WHERE disk_id = ANY(CAST(:disks AS bigint[]))
     UNION SELECT spare_id FROM snapshot WHERE disk_id = ANY(CAST(:disks AS bigint[])) AND spare_id IS NOT NULL
     UNION SELECT volume_id FROM suspension WHERE vm_id = :vm
     UNION SELECT volume_id FROM seed WHERE vm_id = :vm)
"""
)


def claimed_of(
    session: Session, *, disks: Collection[int] = (), images: Collection[int] = (), vm_id: int | None = None
) -> Sequence[int]:
    """Bytes that the volumes of what changes hands are counted for, each."""
    return session.scalars(_VOLUMES, {"disks": list(disks), "images": list(images), "vm": vm_id}).all()


def points_of(session: Session, vm_id: int) -> int:
    """What a VM costs an hour while it holds a node."""
    return int(session.execute(text("SELECT points FROM vm WHERE id = :id"), {"id": vm_id}).scalar_one())


def count_ports_of(session: Session, vm_id: int) -> int:
    """How many ports of shared public addresses lead to a VM."""
    statement = text("SELECT count(*) FROM public_port p JOIN nic c ON c.id = p.nic_id WHERE c.vm_id = :id")
    return int(session.execute(statement, {"id": vm_id}).scalar_one())


def write_vm_owner(session: Session, vm_id: int, account_id: int) -> None:
    """Its affinity group and the key that its guest is told are those of whose it was."""
    session.execute(
        text("UPDATE vm SET account_id = :a, affinity_group_id = NULL, ssh_key = '' WHERE id = :id"),
        {"a": account_id, "id": vm_id},
    )


# ------------------------------------------------------------------ disks and images


def write_disk_owner(session: Session, disk_ids: Collection[int], account_id: int) -> None:
    """Of those that are in no catalogue; an entry's follows it."""
    session.execute(
        text("UPDATE disk SET account_id = :a WHERE id = ANY(:ids) AND image_id IS NULL"),
        {"a": account_id, "ids": list(disk_ids)},
    )


def write_image_owner(session: Session, image_ids: Collection[int], account_id: int) -> None:
    """Nobody else sees them any more. Their disks follow."""
    session.execute(
        text("UPDATE image SET account_id = :a, access = 'private', version = version + 1 WHERE id = ANY(:ids)"),
        {"a": account_id, "ids": list(image_ids)},
    )


def write_template_owner(session: Session, template_id: int, account_id: int) -> None:
    session.execute(
        text("UPDATE vm_template SET account_id = :a, version = version + 1 WHERE id = :id"),
        {"a": account_id, "id": template_id},
    )


def snapshots_of(session: Session, disk_ids: Collection[int]) -> list[int]:
    statement = text("SELECT id FROM snapshot WHERE disk_id = ANY(:ids) ORDER BY id")
    return list(session.scalars(statement, {"ids": list(disk_ids)}))


# ------------------------------------------------------------------ grants


@dataclass(frozen=True)
class Lost:
    """An account's grant that ended."""

    object_id: int
    account_id: int


def drop_grants(session: Session, kind: Shared, object_ids: Collection[int]) -> list[Lost]:
    """End all that was granted on objects. :return: what accounts had of it; groups had the rest."""
    found = session.execute(
        text(
            "DELETE FROM acl WHERE kind = :kind AND object_id = ANY(:ids) RETURNING object_id, account_id"
        ),
        {"kind": kind, "ids": list(object_ids)},
    ).all()
    return sorted(
        (Lost(row.object_id, row.account_id) for row in found if row.account_id is not None),
        key=lambda lost: (lost.object_id, lost.account_id),
    )


def attached_to(session: Session, image_id: int) -> int | None:
    """A VM that has an entry's disk attached."""
    found: int | None = session.scalar(
        text(
            "SELECT min(t.vm_id) FROM attachment t JOIN disk k ON k.id = t.disk_id WHERE k.image_id = :id"
        ),
        {"id": image_id},
    )
    return found
