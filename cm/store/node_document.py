"""
The facts that nodes' documents are made of, and the word that some have changed.

Whoever changes one says so in the same transaction, and of which node it is: only that one's agent is woken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rules.public_address import merged
from cm.rules.security import Group
from cm.runtime.database import notify
from cm.runtime.prepared import Prepared
from cm.store.answering import OF_NODE
from cm.store.conditions import tunnel_address
from cm.store.node import managed_addresses
from cm.store.security_rules import read_groups

DOCUMENT: Final = "document"  # topic, with the id of the node whose document changed
ALL: Final = 0  # in place of a node's id: what all documents share has changed


def document_changed(session: Session, node_id: int = ALL) -> None:
    """Something that one node's document is made of has changed; without an id something that all of them share."""
    notify(session, DOCUMENT, node_id)


def documents_changed(session: Session, *node_ids: int | None) -> None:
    """Of the nodes that have something, each once: those of a VM are where it is placed, and where it moves to."""
    for node_id in sorted({each for each in node_ids if each is not None}):
        document_changed(session, node_id)


@dataclass(frozen=True)
class SharedFacts:
    """
    What documents have in common.

    :ivar networks: everybody's, of kind ``nat``; rows: name, bridge, gateway, network, prefix.
    :ivar addresses: of nodes and storages' servers (CIDR).
    :ivar public: the networks of all public addresses, whichever node answers for them.
    """

    networks: Sequence[Any]
    addresses: Sequence[str]
    public: Sequence[str]


def shared_facts(session: Session) -> SharedFacts:
    networks = session.execute(
        text(
            "SELECT name, bridge, host(gateway) AS gateway, prefix::text AS network, masklen(prefix) AS prefix"
            " FROM network WHERE kind = 'nat' AND deleted_at IS NULL ORDER BY id"
        )
    ).all()
    public = session.scalars(text("SELECT host(address) FROM public_address WHERE deleted_at IS NULL"))
    return SharedFacts(networks, managed_addresses(session), merged(map(ip_address, public)))


@dataclass(frozen=True)
class OwnFacts:
    """
    What is one node's own.

    :ivar vnc_ports: the first and the last of its screens; None: it has none.
    :ivar storage_paths: where it has its storages.
    :ivar groups: security groups that its NICs are in (``used``), and those that their rules name.
    :ivar nics: of the VMs that are on it or on their way to it; see ``docs/node.md``.
    :ivar makes_links: whether its agent makes networks.
    :ivar tunnel_address: "" where that is not known.
    :ivar answers_public: whether its agent answers for public addresses.
    :ivar public: those that it alone is to answer for; ``ports`` of shared ones likewise.
    :ivar coming: those of VMs on their way to it, that it does not answer for yet; ``coming_ports`` likewise.
    :ivar links: the networks that it carries and that agents make, each with ``id``, what ``network`` has of it, the
        tunnel addresses of the other nodes that carry it, ``peers``, and ``hosts``: its NICs, wherever their VMs are.
    :ivar calls: for screens that its agent is to call out for.
    """

    vnc_ports: tuple[int, int] | None
    storage_paths: tuple[str, ...]
    nics: Sequence[Mapping[str, Any]]
    groups: Mapping[int, Group] = field(default_factory=dict)
    used: frozenset[int] = frozenset()
    makes_links: bool = False
    tunnel_address: str = ""
    links: Sequence[Mapping[str, Any]] = ()
    answers_public: bool = False
    public: Sequence[Mapping[str, Any]] = ()
    ports: Sequence[Mapping[str, Any]] = ()
    coming: Sequence[Mapping[str, Any]] = ()
    coming_ports: Sequence[Mapping[str, Any]] = ()
    calls: Sequence[Mapping[str, Any]] = ()


_OWN = Prepared(
    "own_document_facts",
    f"""
WITH here AS (
    SELECT id FROM vm WHERE node_id = :id AND node_claimed AND closed_at IS NULL
     UNION SELECT reserved_for FROM vnc_port WHERE node_id = :id AND reserved_for IS NOT NULL
), cards AS (
    SELECT c.id, c.network_id, c.tap, c.mac, c.spoofing, c.kbit_in, c.kbit_out, w.kind, w.bridge,
           w.prefix IS NULL AS unaddressed
      FROM here v JOIN nic c ON c.vm_id = v.id JOIN network w ON w.id = c.network_id
), carried AS (
    SELECT w.* FROM network w WHERE w.id IN (SELECT network_id FROM cards WHERE kind <> 'nat')
)
SELECT (SELECT min(port) FROM vnc_port WHERE node_id = n.id) AS first,
       (SELECT max(port) FROM vnc_port WHERE node_id = n.id) AS last,
       (SELECT array_agg(DISTINCT s.path ORDER BY s.path)
          FROM storage_attachment a JOIN storage s ON s.id = a.storage_id
         WHERE a.node_id = n.id AND a.state = 'attached' AND s.deleted_at IS NULL) AS paths,
       (SELECT json_agg(json_build_object('tap', c.tap, 'mac', c.mac::text, 'bridge', c.bridge,
                   'spoofing', c.spoofing, 'foreign', c.unaddressed,
                   'kbit_in', c.kbit_in, 'kbit_out', c.kbit_out, 'groups',
                   ARRAY(SELECT g.group_id FROM nic_group g WHERE g.nic_id = c.id ORDER BY 1), 'addresses',
                   (SELECT coalesce(json_agg(host(l.address) ORDER BY l.address), '[]') FROM network_lease l
                     WHERE l.nic_id = c.id)) ORDER BY c.tap)
          FROM cards c) AS nics,
       n.makes_links, {tunnel_address("n")} AS tunnel_address,
       (SELECT json_agg(json_build_object('id', w.id, 'kind', w.kind, 'bridge', w.bridge, 'mtu', w.mtu,
                   'gateways', array_remove(ARRAY[host(w.gateway) || '/' || masklen(w.prefix),
                                                  host(w.gateway6) || '/' || masklen(w.prefix6)], NULL),
                   'uplink', w.uplink, 'vlan', w.vlan,
                   'masquerade', w.masquerade, 'dhcp', w.dhcp, 'domain', w.domain, 'dns', w.dns,
                   'metadata', w.metadata_served, 'peers',
                   (SELECT coalesce(json_agg(DISTINCT {tunnel_address("m")}), '[]')
                      FROM nic c JOIN vm v ON v.id = c.vm_id AND v.closed_at IS NULL
                      JOIN node m ON (m.id = v.node_id AND v.node_claimed) OR m.id = v.moves_to
                     WHERE c.network_id = w.id AND m.id <> n.id),
                   'hosts',
                   (SELECT json_agg(json_build_object('vm_id', v.id, 'name', v.name, 'dns', v.dns, 'mac', c.mac::text,
                               'addresses',
                               (SELECT coalesce(json_agg(host(l.address) ORDER BY l.address), '[]')
                                  FROM network_lease l WHERE l.nic_id = c.id)) ORDER BY c.mac)
                      FROM nic c JOIN vm v ON v.id = c.vm_id WHERE c.network_id = w.id)) ORDER BY w.id)
          FROM carried w) AS links,
       (SELECT json_agg(json_build_object('token', c.token, 'address', c.address, 'port', c.port) ORDER BY c.token)
          FROM screen_call c WHERE c.node_id = n.id AND c.expires_at > clock_timestamp()) AS calls,
       n.answers_public,{OF_NODE}
  FROM node n WHERE n.id = :id AND n.deleted_at IS NULL
""",
)


def own_facts(session: Session, node_id: int) -> OwnFacts:
    """:raises ObjectNotFound: there is no such node."""
    row = _OWN(session, id=node_id).first()
    if row is None:
        raise ObjectNotFound("node", node_id)
    ports = None if row.first is None else (row.first, row.last)
    paths, nics = tuple(row.paths or ()), row.nics or ()
    used = frozenset(group_id for nic in nics for group_id in nic["groups"])
    groups = read_groups(session, used) if used else {}
    return OwnFacts(
        ports, paths, nics, groups, used, row.makes_links, row.tunnel_address, row.links or (),
        row.answers_public, row.public or (), row.ports or (), row.coming or (), row.coming_ports or (),
        row.calls or (),
    )  # fmt: skip
