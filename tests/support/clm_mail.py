"""Mail of a cloud manager under test: what waits in its outbox, and a real SMTP server to take it."""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from sqlalchemy import text

from clm.services.seal import unseal
from support.clm import CloudBench


class Waiting(NamedTuple):
    """A mail in the outbox, opened."""

    recipient: str
    template: str
    subject: str
    body: str

    @property
    def token(self) -> str:
        found = re.search(r"wawel --url \S+ (?:activate|password set) (\S+)", self.body)
        assert found is not None, self.body
        return found[1]


def outbox(bench: CloudBench, template: str | None = None) -> list[Waiting]:
    """What has still to be sent, in order."""
    with bench.manager.database.engine.begin() as connection:
        rows = connection.execute(
            text("SELECT recipient, template, content FROM mail WHERE content IS NOT NULL ORDER BY id")
        ).all()
    found = []
    for row in rows:
        subject, body = json.loads(unseal(bench.manager.policy, f"mail:{row.recipient}", bytes(row.content)))
        found.append(Waiting(row.recipient, row.template, subject, body))
    return [mail for mail in found if template in (None, mail.template)]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SmtpServer:
    """
    A real SMTP server on a port of its own.

    :ivar received: (recipients, content) of each mail that it took.
    :ivar answers: what it says to a recipient, by address, in place of taking them.
    """

    def __init__(
        self, port: int | None = None, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
    ) -> None:
        self.received: list[tuple[list[str], str]] = []
        self.answers: dict[str, str] = {}
        self._login = login
        options: dict[str, Any] = {}
        if tls is not None:
            options |= {"tls_context": tls, "require_starttls": True}
        if login is not None:
            options |= {"authenticator": self._authenticate, "auth_required": True}
        self.port = port or unused_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._login, handled=False)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        answer = self.answers.get(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.received.append((list(envelope.rcpt_tos), envelope.content.decode("ascii")))
        return "250 taken"
