"""Edits that change nothing that anybody could see: argued here, one by one, so that nobody looks at them twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mutation.sites import Site, find_sites


@dataclass(frozen=True)
class Equivalent:
    """
    :ivar old: the line that the edit takes, without the white space around it; the first one of several.
    :ivar new: the line that it puts there.
    :ivar reason: why nothing is different.
    """

    file: str
    old: str
    new: str
    reason: str

    def is_of(self, site: Site) -> bool:
        lines = site.diff.splitlines()
        old = next((line[1:].strip() for line in lines if line.startswith("-")), "")
        new = next((line[1:].strip() for line in lines if line.startswith("+")), "")
        return (self.file, self.old, self.new) == (site.file, old, new)


EQUIVALENTS: Final[tuple[Equivalent, ...]] = (
    Equivalent(
        "clm/services/password.py",
        "drop_tokens(session, user_id)",
        "end_sessions(session, user_id)",
        "Two deletions of rows that have nothing to do with each other, in one transaction, of a user who is locked.",
    ),
    Equivalent(
        "clm/store/group.py",
        "drop_group(session, group_id)",
        'gone = session.execute(text("DELETE FROM membership WHERE group_id = :id RETURNING user_id"),'
        ' {"id": group_id})',
        "What clusters are to forget is written for each cluster, whoever was in the group; both in one transaction.",
    ),
    Equivalent(
        "clm/services/oidc.py",
        "client = _client(services, provider)",
        "check_redirect(redirect_uri, services.policy.public_url)",
        "Both only refuse; of a call that is wrong in both ways one error is told or the other.",
    ),
    Equivalent(
        "cm/services/image.py",
        'if not given.is_absolute() or ".." in given.parts or "\\0" in path or not beneath:',
        'if not given.is_absolute() or ".." in given.parts or False or not beneath:',
        "No text with a NUL comes so far: cm/rpc/parameters.py refuses it in every parameter. It stays for its reader.",
    ),
)


def find_equivalent(site: Site) -> Equivalent | None:
    return next((each for each in EQUIVALENTS if each.is_of(site)), None)


def unfit(root: Path, equivalents: Iterable[Equivalent] = EQUIVALENTS) -> list[Equivalent]:
    """Those that are of no edit in a tree any more."""
    return [
        each
        for each in equivalents
        if not (root / each.file).exists()
        or not any(each.is_of(site) for site in find_sites(each.file, (root / each.file).read_bytes()))
    ]
