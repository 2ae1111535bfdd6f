"""
Downloads: whoever may use an image, or owns a disk, gets an address that its file can be read at for a while, as it
lies on the storage. Their rights, and that nothing writes to it meanwhile, are looked at again as long as they read.

An address may be used several times, so that a download that broke off goes on: its answers carry a tag of what was
read, which is another once a VM that may write to the disk was launched since.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import NodeCalls
from cm.results.image import Download
from cm.rpc.caller import Call, Identity
from cm.rpc.errors import (
    AccountBlocked,
    NotAuthenticated,
    TicketRefused,
    TooManyAtOnce,
    Unavailable,
    VolumeNotFound,
    refuse,
)
from cm.rpc.vocabulary import ImageKind, Role, VMState
from cm.rules import disk as disks
from cm.rules import image as images
from cm.rules.access import Action, Person
from cm.rules.names import pool_name
from cm.runtime.execute import write_audit
from cm.services.access import authorized_disk, authorized_image, person_of
from cm.services.context import ClusterCall, Services
from cm.store.account import find_facts
from cm.store.download import (
    DownloadRow,
    count_downloads,
    find_download,
    get_volume,
    insert_download,
    volume_of_image,
    writers_of,
)
from cm.store.standing import disk_standing, image_standing
from cm.store.storage import node_reaching

TICKETS_MAX: Final = 20  # of an account, that have not expired
AT_REST: Final = (VMState.STOPPED, VMState.DESTROYED)
NAME_MAX: Final = 100  # characters of a file's name


def open_image(caller: ClusterCall, image_id: int, kind: ImageKind) -> Download:
    """
    Give out an address for an image's file.

    :raises ObjectNotFound: AccessNeeded: there is none of that kind, or the caller may not use it.
    """
    action = caller.action("image_id")
    row = authorized_image(caller.session, person_of(caller.identity), image_id, action, kinds=(kind,))
    refuse(images.reading(image_standing(caller.session, row.id)))
    ending = "iso" if kind is ImageKind.ISO else str(row.format)
    return _open(caller, volume_of_image(caller.session, image_id), file_name(row.name, ending), image_id=image_id)


def open_disk(caller: ClusterCall, disk_id: int) -> Download:
    """
    The same for a disk's.

    :raises ObjectNotFound: AccessNeeded: there is none, or it is not the caller's.
    """
    row = authorized_disk(caller.session, person_of(caller.identity), disk_id, caller.action("disk_id"))
    refuse(disks.reading(disk_standing(caller.session, disk_id)))
    return _open(caller, row.volume_id, file_name(row.name, str(row.format)), disk_id=disk_id)


def file_name(name: str, ending: str) -> str:
    """What a file is called that is made of something named so: of characters that are good on every system."""
    kept = re.sub(r"[^\w.+-]+", "_", name).strip("._")[:NAME_MAX] or "disk"
    return kept if kept.endswith(f".{ending}") else f"{kept}.{ending}"


def _open(
    caller: ClusterCall, volume_id: int, filename: str, *, disk_id: int | None = None, image_id: int | None = None
) -> Download:
    session, identity, policy = caller.session, caller.identity, caller.policy
    if count_downloads(session, identity.account_id) >= TICKETS_MAX:
        raise TooManyAtOnce("addresses for downloads", TICKETS_MAX)
    facts = find_facts(session, identity.account_id)
    if facts is None:
        raise NotAuthenticated()
    groups = tuple(sorted(identity.groups))
    row = DownloadRow(
        volume_id, disk_id, image_id, identity.account_id, facts.version, identity.issuer, groups, filename
    )
    secret = secrets.token_urlsafe(32)
    expires = insert_download(session, _digest(secret), row, policy.download_s)
    caller.note("download", filename=filename, valid_s=policy.download_s)
    path = f"/downloads/{secret}"
    return {
        "path": path,
        "download_url": policy.public_url + path if policy.public_url else None,
        "cluster": policy.name,
        "filename": filename,
        "expires_at": expires,
    }


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


# ------------------------------------------------------------------ reading


@dataclass(eq=False)
class StorageAway(Unavailable):
    code = "storage_away"
    message = "No node that answers has storage {storage_id} attached."
    storage_id: int


@dataclass(frozen=True)
class Granted:
    """A file that may be read. ``mark``: of its content, as far as the database knows of changes."""

    call: Call
    storage_id: int
    node_id: int | None
    volume: str
    filename: str
    mark: str

    @property
    def identity(self) -> Identity:
        return self.call.identity


def _find(session: Session, secret: str, remote: str, call_id: str) -> Granted:
    """
    :raises TicketRefused: NotAuthenticated: AccountBlocked: ObjectNotFound: AccessNeeded: they may not, or no longer.
    :raises InUse: a VM that may write to it runs.
    """
    row = find_download(session, _digest(secret))
    if row is None:
        raise TicketRefused()
    facts = find_facts(session, row.account_id)
    if facts is None or (not row.issuer and facts.version != row.account_version):
        raise NotAuthenticated()  # as sessions end, by a new password or another role
    if not facts.active:
        raise AccountBlocked()
    who = Person(row.account_id, row.issuer, row.groups)
    if row.image_id is not None:
        authorized_image(session, who, row.image_id, Action.USE)
        refuse(images.reading(image_standing(session, row.image_id)))
        volume_id = volume_of_image(session, row.image_id)
    else:
        volume_id = authorized_disk(session, who, row.disk_id or 0, Action.DELETE).volume_id
        refuse(disks.reading(disk_standing(session, row.disk_id or 0)))
    if volume_id != row.volume_id:
        raise TicketRefused()  # it lies elsewhere now
    volume = get_volume(session, volume_id)
    mark = f"{volume.name}:{writers_of(session, volume_id)}"
    identity = Identity(facts.id, facts.login, frozenset({Role.USER}), row.groups, source="token", issuer=row.issuer)
    node_id = node_reaching(session, volume.storage_id)
    call = Call(identity, call_id, remote=remote)
    return Granted(call, volume.storage_id, node_id, volume.name, row.filename, mark)


class DownloadDoor:
    """Where the addresses lead: ``rpc/downloads.py``'s ``Door``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def admit(self, secret: str, remote: str, call_id: str) -> Reading:
        granted = await self._services.database.read(_find, secret, remote, call_id)
        if granted.call.identity.issuer and not await self._services.authenticator.still_good(granted.identity):
            raise NotAuthenticated()
        return Reading(self._services, granted, secret)


class Reading:
    """Somebody who reads a file: ``rpc/downloads.py``'s ``Reading``."""

    def __init__(self, services: Services, granted: Granted, secret: str) -> None:
        self._services = services
        self._granted = granted
        self._secret = secret
        self.identity = granted.identity
        self.filename = granted.filename

    async def look(self) -> tuple[int, str]:
        """
        :return: how long the file is, and its tag.
        :raises NodeUnreachable: no node that answers has its storage.
        """
        pool = pool_name(self._granted.storage_id)
        found = await self._node().volumes.find(pool, self._granted.volume)
        if found is None:
            raise VolumeNotFound(pool, self._granted.volume)
        length = found.length_bytes
        return length, hashlib.sha256(f"{self._granted.mark}:{length}".encode()).hexdigest()[:32]

    async def stream(self, offset: int, length: int, sink: Callable[[bytes], None]) -> int:
        """As ``IStreams.download``."""
        pool = pool_name(self._granted.storage_id)
        return await self._node().streams.download(pool, self._granted.volume, offset, length, sink)

    def _node(self) -> NodeCalls:
        if self._granted.node_id is None:
            raise StorageAway(self._granted.storage_id)
        return self._services.fleet.node(self._granted.node_id)

    async def check(self) -> None:
        """:raises CloudError: they may read no more, or it is another file by now."""
        call = self._granted.call
        found = await self._services.database.read(_find, self._secret, call.remote, call.call_id)
        if found.mark != self._granted.mark:
            raise TicketRefused()

    async def ended(self, sent_bytes: int) -> None:
        """Keep what became of it."""
        told = {"volume": self._granted.volume, "bytes": sent_bytes}
        await self._services.database.transact(_record, self._granted.call, told)


def _record(session: Session, call: Call, told: dict[str, object]) -> None:
    write_audit(session, "download", call, told)
