"""nftables tables of ours, kept as they are wanted, whoever changes or removes them. One thread calls this."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from node_hooks.command import CommandFailed, CommandMissing, Run
from node_hooks.difference import PUT_RIGHT_S, RULES
from node_hooks.nft import Rules, change
from node_hooks.problem import FIREWALL_FAILED, NFT_MISSING, Complaints

log = logging.getLogger("wawel.node.tables")

RECHECK_S = 30.0  # somebody may have removed what we made: `nft flush ruleset`, `ip addr flush`
RETRY_S = 5.0  # also between looks whether nft is still there


@dataclass
class Table:
    """
    One of our nftables tables.

    :ivar danger: what guests can do without it.
    :ivar sections: of the document, that it follows from.
    :ivar wanted: what it follows from, as last tried.
    :ivar listing: as nft tells it, without the contents of sets and counters; another one: somebody changed it.
    """

    family: str
    name: str
    danger: str
    sections: tuple[str, ...]
    wanted: object = ""
    due: float = 0.0
    listing: str = ""

    @property
    def subject(self) -> str:
        """Among the problems; with its blank no bridge's name."""
        return f"table {self.family}" if self.name == "wawel" else f"table {self.family} {self.name}"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.listing.encode()).hexdigest()[:16]


class Tables:
    def __init__(self, run: Run, clock: Callable[[], float], complaints: Complaints) -> None:
        self._run = run
        self._clock = clock
        self._complaints = complaints

    def apply(
        self, table: Table, wanted: object, text: Callable[[], str], needed: bool,
        change: Callable[[object], str | None] = lambda before: None,
    ) -> bool:
        """
        One round of one table: changed when it is wanted otherwise, replaced when somebody changed it, else looked at
        now and then.

        What is there is remembered and never read back whole: nft takes seconds to list the content of large sets.

        :param wanted: what ``text`` follows from; :param text: a replacement of the table.
        :param needed: whether there is anything to guard; without, a table that is not there is not made.
        :param change: what makes the table that was wanted before the one that is wanted; ``None``: it is replaced.
        :return: whether it was made another.
        """
        now = self._clock()
        if wanted == table.wanted and now < table.due:
            return False
        well = self._complaints.find(table.subject) is None
        known, before = wanted == table.wanted and well, table.wanted
        table.wanted, table.due = wanted, now + RECHECK_S
        try:
            there = self.list(table) if known else None
            if known and there == table.listing:
                return False
            if not needed and not table.listing and not self.list(table):
                self._complaints.withdraw(table.subject)
                return False
            changes = change(before) if well and not known and table.listing else None
            if changes is not None:
                there = self.list(table)
                if there != table.listing:
                    changes = None
            if changes is None or not self._change(table, changes):
                self._run(["nft", "-f", "-"], text())
            if table.listing and there is not None and there != table.listing:
                told = "somebody changed it" if there else "somebody removed it"
                self._complaints.differ(RULES, f"{table.family} {table.name}", told, now + PUT_RIGHT_S)
            table.listing = self.list(table)
        except CommandMissing:
            table.due = now + RETRY_S
            told = f"nft is not installed: guests of this node can {table.danger}"
            self._complaints.tell(NFT_MISSING, table.subject, told, table.sections)
        except CommandFailed as error:
            table.due = now + RETRY_S
            told = f"not applied ({error}): guests of this node can {table.danger}"
            self._complaints.tell(FIREWALL_FAILED, table.subject, told, table.sections)
        else:
            self._complaints.withdraw(table.subject)
            log.info("the table %s %s is applied", table.family, table.name)
            return True
        return False

    def apply_rules(self, table: Table, wanted: Rules, needed: bool) -> bool:
        """As ``apply``, of a table that is a value: what became different is changed."""
        return self.apply(
            table, wanted, lambda: wanted.whole, needed,
            lambda before: change(before, wanted) if isinstance(before, Rules) else None,
        )  # fmt: skip

    def _change(self, table: Table, changes: str) -> bool:
        if not changes:
            return True
        try:
            self._run(["nft", "-f", "-"], changes)
        except CommandFailed as error:
            log.info("the table %s %s is not as it was, and is replaced: %s", table.family, table.name, error)
            return False
        return True

    def remove(self, table: Table) -> None:
        """Once, should it be there; what fails is tried again."""
        if table.wanted is None:
            return
        try:
            name = f"{table.family} {table.name}"
            self._run(["nft", "-f", "-"], f"table {name}\ndelete table {name}\n")
        except (CommandFailed, CommandMissing):
            return
        table.wanted, table.listing, table.due = None, "", 0.0
        self._complaints.withdraw(table.subject)

    def list(self, table: Table) -> str:
        """Empty: it is not there."""
        try:
            return self._run(["nft", "--stateless", "--terse", "list", "table", table.family, table.name], "")
        except CommandFailed:
            return ""
