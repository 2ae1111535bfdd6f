"""Names for shells to complete: of VMs, images, templates, clusters, profiles. Quick, or none at all."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Final

from clm.console.context import Console
from clm.console.places import cache_dir, read_text, write_private
from clm.console.problems import Problem
from cm.rpc.errors import CloudError

KEPT_S: Final = 5.0  # a second press of the key finds them at once
PATIENCE_S: Final = 1.5  # a shell that hangs is worse than one that does not complete


def names(console: Console, kind: str) -> list[str]:
    """The names of a kind that the caller sees; none when anything at all is amiss."""
    try:
        if kind == "profile":
            from clm.console.profiles import read_config

            return sorted(read_config().profiles)
        return _names(console, kind)
    except (CloudError, Problem, OSError, ValueError):
        return []


def _names(console: Console, kind: str) -> list[str]:
    from clm.console.names import KINDS, listed

    if kind not in KINDS:
        return []
    profile, session = console.profile(), console.session()
    told = "\n".join([profile.url, session.token if session else "", kind, console.options.cluster])
    path = cache_dir() / "names" / hashlib.sha256(told.encode()).hexdigest()[:24]
    try:
        if time.time() - path.stat().st_mtime < KEPT_S:
            return [str(name) for name in json.loads(read_text(path) or "[]")]
    except (OSError, ValueError):
        pass
    console.options.timeout = min(console.options.timeout, PATIENCE_S)
    items = listed(console, kind, console.cluster())
    # Ids of such as have no name, or the same as another, are of no use to anybody who completes.
    found = sorted({str(item[KINDS[kind].name_field]) for item in items if item.get(KINDS[kind].name_field)})
    write_private(path, json.dumps(found))
    return found
