"""Guests that end by themselves, or hang: how, and what came of it by their VMs' policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from simulation.simulation import EPOCH

if TYPE_CHECKING:
    from collections import Counter

    from simulation.simulation import Simulation

# By how it was: whose policy it is, and what each leads to.
LEADS_TO: Final = {
    "power-off": ("on_poweroff", {
        "stop": "vm_stop", "save": "vm_save_and_shutdown", "destroy": "vm_destroy", "restart": "vm_start",
    }),
    "crash": ("on_crash", {"restart": "vm_start", "stop": "vm_stop"}),
    "hang": ("on_hang", {"restart": "vm_reset", "stop": "vm_stop"}),
}  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """:ivar policy: as it was then; people may change it at any moment."""

    at: float
    uuid: str
    how: str
    policy: str


class Endings:
    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.all: list[Ending] = []

    def happens(self, uuid: str, how: str = "power-off") -> None:
        """A guest that stands still because its VM's users wanted it to does not hang."""
        column, _ = LEADS_TO[how]
        rows = self.simulation.sql(
            f"SELECT {column} AS policy, wanted FROM vm WHERE uuid = CAST(:u AS uuid)", u=uuid
        )
        if how == "hang" and not (rows and rows[0].wanted == "running"):
            return
        self.all.append(Ending(self.simulation.unix_s(), uuid, how, rows[0].policy if rows else ""))

    def hung(self, uuid: str) -> list[float]:
        """When its guest did, unix seconds."""
        return [each.at for each in self.all if each.uuid == uuid and each.how == "hang"]

    def wrong(self, counted: Counter[str]) -> list[str]:
        """Where what came of it is not what the VM's policy says. :param counted: what was held against the product."""
        wrong = []
        for end in self.all:
            at, uuid = end.at, end.uuid
            column, leads_to = LEADS_TO[end.how]
            found = self.simulation.sql(
                "SELECT o.id, o.kind, o.cause_kind, extract(epoch FROM o.created_at)::float8 AS begun,"
                f" coalesce(extract(epoch FROM o.finished_at)::float8, 1e12) AS ended, v.{column} AS policy,"
                " v.id AS vm_id FROM operation o JOIN vm v ON v.id = o.vm_id WHERE v.uuid = CAST(:u AS uuid)"
                " AND o.kind <> 'vm_vnc' ORDER BY o.id",
                u=uuid,
            )
            excuse = ""
            # A long disk may be taken up just before its guest's end is heard: that gives way to what comes of it.
            after = [row for row in found if row.begun > at - 0.001 and row.kind != "disk_flatten"]
            if any(row.begun <= at + 0.001 and at <= row.ended for row in found):
                excuse = "end under way"
            elif after and after[0].cause_kind in ("call", "expiry"):
                excuse = "end before a call"
            elif any(at - 60 <= when <= (after[0].begun if after else 1e12) for when in self.simulation.power_cuts):
                excuse = "end around a power cut"
            if excuse:
                self.simulation.excuses.use(excuse, (at, uuid))
            elif not after:
                open_then = (
                    "SELECT 1 FROM vm WHERE uuid = CAST(:u AS uuid)"
                    " AND (closed_at IS NULL OR closed_at > to_timestamp(:at))"
                )
                if not self.simulation.sql(open_then, u=uuid, at=at):
                    continue  # nobody acts on a stranger's domain, or one of a VM erased while its node was away
                if not self.simulation.excuses.holds("tampered", uuid):
                    told = f"the guest of VM {uuid} ended ({end.how}) at {at - EPOCH:.1f}"
                    wrong.append(f"{told}, and nothing came of it")
            else:
                row = after[0]
                policies = {end.policy, row.policy}
                if end.how == "power-off" and row.policy == "save" and row.kind == "vm_stop":
                    self.simulation.excuses.use("save refused", (at, uuid))
                elif row.kind not in {leads_to.get(each) for each in policies} and not self.simulation.excuses.holds(
                    "tampered", uuid
                ):
                    told = f"its policy is {' or '.join(sorted(policies))}, it led to {row.kind}"
                    wrong.append(f"VM {row.vm_id} ended by itself ({end.how}); {told}")
                else:
                    counted[f"{end.how} {row.policy}"] += 1
        return wrong
