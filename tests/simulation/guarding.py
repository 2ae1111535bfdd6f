"""
Security groups: people make them, change their rules under load and put VMs into them, by draws of their own, so that
seeds of before tell the same story else; and nodes are told at last what the database says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from simulation.beginning import LOGINS
from simulation.draws import Draws

if TYPE_CHECKING:
    from simulation.simulation import Simulation

_RULES: Final = (
    {"direction": "out"}, {"direction": "in", "protocol": "tcp", "ports": "22"},
    {"direction": "in", "protocol": "icmp"},
    {"direction": "in", "protocol": "udp", "ports": "8000-8080", "remote": "10.0.0.0/8"},
    {"direction": "out", "protocol": "tcp", "remote": "2001:db8::/32"},
)  # fmt: skip


class Guarding(Draws):
    STREAM = "security groups"
    PACE_S = 8.0
    ASKED = {"create": 3, "default": 1, "rule": 6, "unrule": 3, "describe": 1, "assign": 8, "edit": 1, "delete": 2}

    def _group(self) -> Any:
        return self._one(
            "SELECT a.login, g.id FROM security_group g JOIN account a ON a.id = g.account_id"
            " WHERE g.deleted_at IS NULL AND a.login <> 'admin' ORDER BY g.id"
        )

    def _on_group(self, view: str, **more: Any) -> None:
        row = self._group()
        if row is not None:
            self._workload.ask(row.login, f"user.security_group.{view}", security_group_id=row.id, **more)

    def _create(self) -> None:
        login = self._rng.choice([login for login in LOGINS if login != "admin"])
        self._workload.ask(login, "user.security_group.create", name=f"group{self._rng.randint(1, 9)}")

    def _default(self) -> None:
        login = self._rng.choice([login for login in LOGINS if login != "admin"])
        self._workload.ask(login, "user.security_group.ensure_default")

    def _edit(self) -> None:
        self._on_group("edit", description=f"{self._rng.random():.3f}")

    def _delete(self) -> None:
        self._on_group("delete")

    def _rule(self) -> None:
        rule = dict(self._rng.choice(_RULES))
        other = self._group()
        if other is not None and self._rng.random() < 0.3:
            rule = {"direction": "in", "remote_group_id": other.id}
        self._on_group("add_rule", **rule)

    def _describe(self) -> None:
        row = self._one(
            "SELECT a.login, g.id, r.id AS rule_id FROM security_rule r JOIN security_group g ON g.id = r.group_id"
            " JOIN account a ON a.id = g.account_id WHERE a.login <> 'admin' ORDER BY r.id"
        )
        if row is not None:
            told = {"security_group_id": row.id, "rule_id": row.rule_id, "description": self._rng.choice(("", "why"))}
            self._workload.ask(row.login, "user.security_group.edit_rule", **told)

    def _unrule(self) -> None:
        row = self._one(
            "SELECT a.login, g.id, r.id AS rule_id FROM security_rule r JOIN security_group g ON g.id = r.group_id"
            " JOIN account a ON a.id = g.account_id WHERE a.login <> 'admin' ORDER BY r.id"
        )
        if row is not None:
            self._workload.ask(
                row.login, "user.security_group.remove_rule", security_group_id=row.id, rule_id=row.rule_id
            )

    def _assign(self) -> None:
        row = self._one(
            "SELECT a.login, v.id, ARRAY(SELECT id FROM security_group g WHERE g.account_id = a.id"
            " AND g.deleted_at IS NULL ORDER BY id) AS groups FROM vm v JOIN account a ON a.id = v.account_id"
            " WHERE v.closed_at IS NULL AND a.login <> 'admin' ORDER BY v.id"
        )
        if row is not None:
            chosen = [group_id for group_id in row.groups if self._rng.random() < 0.5][:8]
            self._workload.ask(row.login, "user.security_group.assign", vm_id=row.id, security_group_ids=chosen)


_MEMBERS: Final = """
SELECT g.group_id, array_agg(host(l.address) ORDER BY l.address) AS addresses
  FROM nic_group g JOIN network_lease l ON l.nic_id = g.nic_id GROUP BY 1
"""
_NICS: Final = """
SELECT v.node_id, n.tap, ARRAY(SELECT group_id FROM nic_group g WHERE g.nic_id = n.id ORDER BY 1) AS groups
  FROM nic n JOIN vm v ON v.id = n.vm_id WHERE v.node_claimed AND v.closed_at IS NULL ORDER BY 2
"""
_RULES_SAID: Final = """
SELECT group_id, count(*) + count(*) FILTER (WHERE remote IS NULL) AS rules,
       array_agg(DISTINCT remote_group_id) AS named FROM security_rule GROUP BY 1
"""


def told_of_groups(simulation: Simulation) -> list[str]:
    """Each node was last told the groups of its NICs, their rules and the members that these name, as they are."""
    wrong = []
    members = {row.group_id: row.addresses for row in simulation.sql(_MEMBERS)}
    rules = {row.group_id: row for row in simulation.sql(_RULES_SAID)}
    nics: dict[int, dict[str, list[int]]] = {}
    for row in simulation.sql(_NICS):
        nics.setdefault(row.node_id, {})[row.tap] = list(row.groups)
    for node in simulation.members():
        told = node.agent.told
        if not told or node.agent.protocol == 1:
            continue
        own = nics.get(node.node_id, {})
        said = {each["tap"]: each["groups"] for each in told["nics"]["content"]["nics"]}
        for tap, groups in own.items():
            if said.get(tap) != groups:
                wrong.append(f"node {node.node_id} was told {said.get(tap)} of {tap}, which is in {groups}")
        listed = told["security"]["content"]["groups"]
        for group_id in sorted({group_id for groups in own.values() for group_id in groups}):
            there = listed.get(str(group_id), {}).get("rules", [])
            row = rules.get(group_id)
            if len(there) != (0 if row is None else row.rules):
                wrong.append(f"node {node.node_id} was told {json.dumps(there)} of group {group_id}")
            for other in sorted(set(row.named if row is not None else ()) - {None}):
                if listed.get(str(other), {}).get("members") != members.get(other, []):
                    wrong.append(f"node {node.node_id} was told {listed.get(str(other))} of {members.get(other, [])}")
    return wrong
