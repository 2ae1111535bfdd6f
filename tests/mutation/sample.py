"""Which edits a seed draws: from every package, and there of every kind in turn, so that rare ones are among them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mutation.sites import KINDS, Site, find_sites

PACKAGES: Final = (
    "cm/rules", "cm/services", "cm/store", "cm/operations", "clm/rules", "clm/services", "clm/store",
    "contextualization",
)  # fmt: skip


def sites_of(root: Path, package: str) -> list[Site]:
    """All sites below a folder, or of one file."""
    place = root / package
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [site for path in files for site in find_sites(str(path.relative_to(root)), path.read_bytes())]


def draw(root: Path, seed: int, size: int, packages: Sequence[str]) -> list[Site]:
    """
    A sample: the same for the same seed and tree. What is drawn of a file hardly changes with its neighbours, since
    each site has a place of its own in a seed's order. Packages take turns, so that whoever stops early has seen all.

    :param size: at the most.
    """
    found = {package: sites_of(root, package) for package in packages}
    shares = _shares({package: len(sites) for package, sites in found.items()}, size)
    drawn = {package: _draw_from(root, seed, sites, shares[package]) for package, sites in found.items()}
    turns = [
        (number / len(sites), package, site) for package, sites in drawn.items() for number, site in enumerate(sites)
    ]
    return [site for _, _, site in sorted(turns, key=lambda turn: turn[:2])]


def _shares(sizes: Mapping[str, int], size: int) -> dict[str, int]:
    """By the square roots of the sizes: a large package has more of the same."""
    weights = {package: math.sqrt(count) for package, count in sizes.items()}
    whole = sum(weights.values()) or 1.0
    exact = {package: size * weight / whole for package, weight in weights.items()}
    shares = {package: math.floor(value) for package, value in exact.items()}
    rest = size - sum(shares.values())
    for package in sorted(exact, key=lambda each: (shares[each] - exact[each], each))[:rest]:
        shares[package] += 1
    return {package: min(share, sizes[package]) for package, share in shares.items()}


def _draw_from(root: Path, seed: int, sites: Sequence[Site], share: int) -> list[Site]:
    def place(site: Site) -> str:
        return hashlib.sha256(f"{seed} {site.key}".encode()).hexdigest()

    by_kind = {kind: sorted((site for site in sites if site.kind == kind), key=place, reverse=True) for kind in KINDS}
    queues = [by_kind[kind] for kind in (*KINDS, "sql condition")]
    drawn: list[Site] = []
    while len(drawn) < share and any(queues):
        for queue in queues:
            while queue and len(drawn) < share:
                site = queue.pop()
                if site.compiles((root / site.file).read_bytes()):
                    drawn.append(site)
                    break
    return drawn
