"""What an agent in a guest is offered: the newest version of its program, signed by the cluster, in chunks."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final

from contextualization.guest.agent.asking import VERSION
from contextualization.guest.agent.updating import statement
from contextualization.guest.install import install_script, program
from contextualization.metadata.identity import Signers

CHUNK: Final = 8192  # bytes


class Offers:
    def __init__(self, signers: Signers) -> None:
        self._signers = signers
        self._signature = ""

    async def script(self) -> str:
        """What installs it; the key by which it trusts later versions comes along."""
        n, e = (await self._signers.get()).public_numbers()
        return install_script(json.dumps({"n": f"{n:x}", "e": e}))

    async def update(self, version: str) -> dict[str, Any] | None:
        """
        What an agent of a version is offered; None: it has the newest.

        :param version: its own word.
        """
        if not version.isdecimal() or int(version) >= int(VERSION):
            return None
        sha256 = hashlib.sha256(program()).hexdigest()
        if not self._signature:
            signed = (await self._signers.get()).sign(statement(VERSION, sha256))
            self._signature = base64.b64encode(signed).decode()
        return {"version": VERSION, "size": len(program()), "sha256": sha256, "signature": self._signature}

    @staticmethod
    def chunk(offset: int) -> dict[str, str]:
        """What of the program begins there; empty behind its end."""
        return {"data": base64.b64encode(program()[offset : offset + CHUNK]).decode()}
