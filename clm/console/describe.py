"""
``python -m clm.console.describe`` writes the managers' descriptions anew; ``--check`` only tells whether they are old.

It runs where both managers are installed. The console itself never imports them: it reads the files.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clm.console.descriptions import DATA, KINDS, cut, encode
from cm.rpc.introspection import openrpc
from cm.rpc.view import Registry


def described(kind: str) -> bytes | None:
    """A manager's description; ``None`` where it has no views."""
    package = f"{kind}.views"
    try:
        registry = Registry.collect(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return None
    return encode(cut(openrpc(list(registry), kind))) if len(registry) else None


def main(arguments: Sequence[str] | None = None) -> int:
    checking = "--check" in (sys.argv[1:] if arguments is None else arguments)
    old = []
    for kind in KINDS:
        made, path = described(kind), DATA / f"{kind}.json"
        if made is None or (path.exists() and path.read_bytes() == made):
            continue
        old.append(path.name)
        if not checking:
            path.write_bytes(made)
    if old:
        print(f"{', '.join(old)}: {'old; run python -m clm.console.describe' if checking else 'renewed'}")
    return 1 if checking and old else 0


if __name__ == "__main__":
    sys.exit(main())
