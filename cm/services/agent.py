"""Node agents: how a machine becomes a node of ours, and what its agent says of itself by the way."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from cm.rpc.errors import EnrolmentRefused, ObjectNotFound
from cm.rpc.vocabulary import NodeId
from cm.rules.host import host_of
from cm.rules.network import KBIT_MAX, KBIT_MIN
from cm.runtime.database import notify
from cm.runtime.settings import SettingsError
from cm.services.node_report import drop_report
from cm.services.vendor_data import read_vendor_data
from cm.store.agent import AgentFacts, insert_token, record_word, spend_token, write_agent
from cm.store.change import record_change
from cm.store.drift import close_skew, keep_skew
from cm.store.host import machine_node
from cm.store.node import node_exists

CREDENTIAL: Final = "credential"  # topic, with the node's id: its key has changed
TEXT_MAX: Final = 200  # characters of what an agent says of itself
SEEN_EVERY_S: Final = 5
CONSOLE_LOG_MIN: Final = 1 << 19  # half of it is left after each cut, which is what get_console gives at most
CONSOLE_LOG_MAX: Final = 1 << 30


@dataclass(frozen=True)
class Enrolled:
    """The credential leaves us this once; the database keeps its hash."""

    node_id: NodeId
    credential: str = field(repr=False)


def issue_enrolment_token(session: Session, node_id: int, ttl_s: int = 3600) -> str:
    """
    A token that enrols the agent of one node, once. Others issued for the node before keep their own terms.

    :raises ObjectNotFound: there is no such node.
    """
    if not node_exists(session, node_id):
        raise ObjectNotFound("node", node_id)
    token = secrets.token_urlsafe(24)
    insert_token(session, _digest(token), node_id, ttl_s)
    return token


def enrol(
    session: Session,
    token: str,
    boot_id: str,
    agent_version: str,
    hook_version: str,
    machine_id: str = "",
    hostname: str = "",
) -> Enrolled:
    """
    Spend a token. The node's former credential ends, and from now on its evidence comes by hooks.

    :param machine_id: a digest of the machine's own id; "" where the agent did not tell.
    :raises EnrolmentRefused: the token is unknown, used or expired; which of them is not told.
    :raises SameHost: the machine's agent is another node's already. The token is still good.
    """
    node_id = spend_token(session, _digest(token))
    if node_id is None:
        raise EnrolmentRefused()
    label = host_of("", hostname).label
    other = machine_node(session, machine_id, label, node_id) if machine_id else None
    if other is not None:
        raise other
    credential = secrets.token_urlsafe(32)
    write_agent(
        session,
        node_id,
        AgentFacts(
            _digest(credential),
            boot_id[:TEXT_MAX],
            agent_version[:TEXT_MAX],
            hook_version[:TEXT_MAX],
            machine_id[:TEXT_MAX],
            label[:TEXT_MAX],
        ),
    )
    drop_report(session, node_id)
    record_change(session, "node", node_id, None)
    notify(session, CREDENTIAL, node_id)
    notify(session, "look", node_id)
    return Enrolled(NodeId(node_id), credential)


def record_agent(session: Session, node_id: int, boot_id: str = "", hook_version: str = "", protocol: int = 0) -> bool:
    """
    Record that a node's agent spoke, at most every five seconds unless it says something new.

    A new boot id asks for a look at the node: what ran there has ended, perhaps without a hook.

    :param boot_id: empty where the request did not tell; ``hook_version`` likewise, and ``protocol`` 0. An agent that
        reported, and speaks a protocol now that has no reports, was replaced by an older one.
    :return: whether anything was written.
    """
    heard = record_word(session, node_id, boot_id[:TEXT_MAX], hook_version[:TEXT_MAX], protocol, SEEN_EVERY_S)
    if heard is not None and heard.was_silent:
        record_change(session, "node", node_id, None)
    if heard is not None and protocol and protocol < heard.spoke:
        drop_report(session, node_id)
    if heard is not None and heard.rebooted:
        notify(session, "look", node_id)
    return heard is not None


def record_skew(session: Session, node_id: int, skew_s: float) -> None:
    """
    Keep the node's open drift row about its clock, or close it.

    :param skew_s: the node's clock minus ours; 0 where they agree again.
    """
    if skew_s:
        keep_skew(session, node_id, skew_s)
    else:
        close_skew(session, node_id)


@dataclass(frozen=True)
class GuestSettings:
    """
    What the cluster's settings say of guests, for their nodes. Networks are IPv4 (CIDR).

    :ivar management_networks: that guests do not reach, besides the addresses of nodes and storages.
    :ivar reachable_networks: that they reach all the same, also on the networks of each node's own links.
    :ivar console_log_bytes: a larger log of a VM's serial console loses its older part.
    :ivar nic_kbit_in: kbit/s that a network card gets at the most, unless an administrator grants it more; 0: any.
    :ivar nic_kbit_out: that it sends.
    :ivar vendor_data: file of cloud-config that all guests are told.
    :ivar install_agent: whether their cloud-init installs our own agent.
    """

    management_networks: tuple[str, ...] = ()
    reachable_networks: tuple[str, ...] = ()
    console_log_bytes: int = 1 << 20
    nic_kbit_in: int = 0
    nic_kbit_out: int = 0
    vendor_data: Path | None = None
    install_agent: bool = False

    def problems(self) -> list[str]:
        """What is wrong with them, one line each."""
        found = []
        for key in ("management_networks", "reachable_networks"):
            for network in getattr(self, key):
                try:
                    ipaddress.IPv4Network(network)
                except ValueError as error:
                    found.append(f"guests.{key}: {error}")
        if not CONSOLE_LOG_MIN <= self.console_log_bytes <= CONSOLE_LOG_MAX:
            found.append(f"guests.console_log_bytes is not between {CONSOLE_LOG_MIN} and {CONSOLE_LOG_MAX}")
        for key in ("nic_kbit_in", "nic_kbit_out"):
            kbit = getattr(self, key)
            if kbit and not KBIT_MIN <= kbit <= KBIT_MAX:
                found.append(f"guests.{key} is neither 0 nor between {KBIT_MIN} and {KBIT_MAX}")
        try:
            read_vendor_data(self.vendor_data)
        except SettingsError as error:
            found += error.problems
        return found


GUEST_DEFAULTS: Final = GuestSettings()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
