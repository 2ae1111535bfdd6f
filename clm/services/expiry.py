"""
VMs whose expiry leases end soon: their owners are mailed what their cluster told them, with a link that renews without
a login. The cluster is asked in their name, so that it is allowed what they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import Session

from clm.results.expiry import RenewableEnd, RenewableVM
from clm.rules.renewal import LINK_S, NoRenewal, Renewal, read_link, write_link
from clm.services.connection import speaker
from clm.services.context import AsyncCloudCall, CloudPolicy
from clm.services.identity import identity_of
from clm.services.mail import send_mail
from clm.store.identity import find_facts
from clm.store.user import get_user
from cm.rpc.caller import Identity
from cm.rpc.errors import Conflict, ExpiryNotYours, NotFound, NotPermitted
from cm.runtime.wall import unix_seconds

if TYPE_CHECKING:
    from clm.drivers.cluster import ClusterConnection

EXPIRES: Final = "vm_expires"  # the message of a cluster that is mailed
ENDS: Final[Mapping[str, str]] = {"suspended": "suspended", "deleted": "deleted, with the disks that go with it"}


@dataclass(eq=False)
class RenewalRefused(NotPermitted):
    """Wrong, expired, or of somebody who may not log in: which of these is not told."""

    code = "renewal_refused"
    message = "The link is wrong or has expired; log in to renew."


def mail_expiry(
    session: Session, policy: CloudPolicy, cluster_id: int, user_id: int, message_id: int, params: Mapping[str, Any]
) -> None:
    """Mail somebody what a cluster has told them, once this transaction has been committed."""
    vm_id, then, at = params.get("vm_id"), ENDS.get(str(params.get("then"))), _moment(params.get("at"))
    facts = find_facts(session, user_id)
    if not isinstance(vm_id, int) or then is None or at is None or facts is None or not facts.active:
        return
    until = int(unix_seconds() + LINK_S)
    told = {
        "login": facts.login,
        "vm": str(params.get("name", "")),
        "expiry": str(params.get("expiry", "")),
        "then": then,
        "at": f"{at:%Y-%m-%d %H:%M} UTC",
        "until": f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC",
        "token": write_link(policy.secret, Renewal(cluster_id, vm_id, user_id, message_id, until)),
    }
    send_mail(session, policy, EXPIRES, get_user(session, user_id)["email"], told)


def _moment(told: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    return None if found.tzinfo is None else found.astimezone(UTC)


async def renew(caller: AsyncCloudCall, token: str) -> RenewableVM:
    """
    Renew the VM that a link names. A repeat does nothing more, and has the first answer.

    :raises RenewalRefused: the link is not good any more, or never was; or there is nothing to renew.
    :raises ExpiryNotYours: the lease is not the person's to choose any more.
    """
    connection, identity, vm_id = await _read(caller, token)
    once = hashlib.sha256(token.encode()).hexdigest()[:32]
    return await _ask(connection, identity, "user.expiry.renew", {"vm_id": vm_id, "request_id": f"renewal-{once}"})


async def look(caller: AsyncCloudCall, token: str) -> RenewableVM:
    """What will become of the VM that a link names. :raises RenewalRefused: as ``renew``."""
    connection, identity, vm_id = await _read(caller, token)
    return await _ask(connection, identity, "user.expiry.get_vms", {"vm_ids": [vm_id]})


async def _ask(connection: ClusterConnection, identity: Identity, method: str, params: dict[str, Any]) -> RenewableVM:
    """Whoever has a link alone is told no more of a refusal than that it is one."""
    try:
        told = (await connection.call(identity, method, params)).decode()
    except ExpiryNotYours as error:
        raise ExpiryNotYours(error.vm_id, error.expiry_id, error.expiry) from None
    except (NotFound, NotPermitted, Conflict):
        raise RenewalRefused() from None
    return _shown(connection, told[0] if isinstance(told, list) else told)


def _shown(connection: ClusterConnection, found: Mapping[str, Any]) -> RenewableVM:
    ends: list[RenewableEnd] = [{"end": each["end"], "at": each["at"]} for each in found["ends"]]
    return {"cluster": connection.facts.name, "vm": found["vm"], "expiry": found["expiry"], "ends": ends}


async def _read(caller: AsyncCloudCall, token: str) -> tuple[ClusterConnection, Identity, int]:
    """The cluster, the person and the VM of a link."""
    services = caller.services
    try:
        said = read_link(caller.policy.secret, token)
    except NoRenewal:
        raise RenewalRefused() from None
    connection = services.clusters.find(said.cluster_id)
    if said.until <= unix_seconds() or connection is None:
        raise RenewalRefused()
    facts = await services.database.read(find_facts, said.user_id)
    if facts is None or not facts.active:
        raise RenewalRefused()
    connection.check()
    return connection, speaker(identity_of(facts, caller.policy), connection.facts), said.vm_id
