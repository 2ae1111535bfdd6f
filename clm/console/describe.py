"""
What the console's copies of the managers' descriptions hold, in ``clm/console/data``; ``bin/generate`` writes them.

It runs where both managers are installed. The console itself never imports them: it reads the files.
"""

from __future__ import annotations

from clm.console.descriptions import cut, encode
from cm.rpc.introspection import openrpc
from cm.rpc.view import Registry


def described(kind: str) -> bytes:
    """A manager's description."""
    return encode(cut(openrpc(list(Registry.collect(f"{kind}.views")), kind)))
