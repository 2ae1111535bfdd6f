"""Mail: texts out of templates, and their way to an SMTP server. Sending blocks; it belongs on the threads ``mail``."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from twisted.logger import Logger

from cm.rpc.types import Secret

log = Logger()

POLICY: Final = SMTP.clone(cte_type="7bit")  # not every server takes 8 bits (RFC 6152)


class MailRefused(Exception):
    """The server will not take this mail, now or later."""


class MailFailed(Exception):
    """
    The mail could not be handed over now.

    :ivar away: the server does not answer or lets nobody in, so that other mails fare no better.
    """

    def __init__(self, reason: str, away: bool) -> None:
        super().__init__(reason)
        self.away = away


@dataclass(frozen=True)
class Letter:
    """One mail. ``message_id`` is the same for each attempt, so that receivers can tell a repeat."""

    recipient: str
    subject: str
    body: str = field(repr=False)
    message_id: str
    reply_to: str = ""


# ------------------------------------------------------------------ texts


def render(template: str, values: Mapping[str, object], directory: Path | None) -> tuple[str, str]:
    """
    Subject and body.

    :param directory: where an operator's own template of the same name is taken from. One that cannot be used is passed
        over: people get their mail all the same.
    """
    if directory is not None:
        path = directory / f"{template}.txt"
        try:
            return _filled(path.read_text(encoding="utf-8"), values)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError) as error:
            log.error("the template {path} is not used: {error}", path=str(path), error=repr(error))
    return _filled(_built_in(template), values)


@cache
def _built_in(template: str) -> str:
    return (resources.files("clm.drivers") / "mails" / f"{template}.txt").read_text(encoding="utf-8")


def _filled(text: str, values: Mapping[str, object]) -> tuple[str, str]:
    """:raises ValueError: KeyError: the template has no subject, a wrong placeholder, or one that there is none of."""
    first, _, body = text.partition("\n")
    keyword, colon, subject = first.partition(":")
    if not colon or keyword.strip().lower() != "subject":
        raise ValueError("its first line is not a subject")
    told = {name: str(value) for name, value in values.items()}
    # A value with a line feed in it cannot begin another header: the line stays one.
    return " ".join(Template(subject).substitute(told).split()), Template(body).substitute(told).lstrip("\n")


# ------------------------------------------------------------------ the way to the server


@dataclass(frozen=True)
class SmtpSender:
    """
    Hands mail to one server (a submission agent or relay), a connection for each.

    :ivar tls: starttls (refused if the server does not offer it), tls (from the beginning), or none.
    :ivar ca: the authority that signed the server's certificate; None: those that the system knows.
    """

    host: str
    port: int
    sender: str
    tls: str = "starttls"
    login: str = ""
    password: Secret | None = None
    ca: Path | None = None
    timeout_s: float = 20.0  # of each wait for the server, of which one mail has about ten

    def send(self, letter: Letter) -> None:
        """
        :raises MailRefused: the server refuses it for good (5xx to recipient, sender or text).
        :raises MailFailed: it may be taken later.
        """
        message = self._message(letter)
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise MailFailed(_reason(error), away=True) from error
        try:
            server.send_message(message, self.sender, [letter.recipient])
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            _sort(code, text, error)
        except smtplib.SMTPResponseException as error:
            _sort(error.smtp_code, error.smtp_error, error)
        except smtplib.SMTPNotSupportedError as error:
            raise MailRefused(_reason(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailFailed(_reason(error), away=True) from error
        finally:
            _quit(server)

    def _connect(self) -> smtplib.SMTP:
        if self.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_s, context=self._context()
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        try:
            if self.tls == "starttls":
                server.starttls(context=self._context())
                server.ehlo()
            if self.login:
                server.login(self.login, "" if self.password is None else self.password.reveal())
        except BaseException:
            server.close()
            raise
        return server

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))

    def _message(self, letter: Letter) -> EmailMessage:
        """:raises MailRefused: an address or header is none: this policy takes no line feed in one."""
        message = EmailMessage(policy=POLICY)
        try:
            message["From"] = self.sender
            message["To"] = letter.recipient
            message["Subject"] = letter.subject
            message["Date"] = formatdate()
            message["Message-ID"] = f"<{letter.message_id}@{self.sender.rpartition('@')[2].strip('> ') or 'localhost'}>"
            message["Auto-Submitted"] = "auto-generated"  # RFC 3834: let no robot answer
            if letter.reply_to:
                message["Reply-To"] = letter.reply_to
            message.set_content(letter.body)
        except (ValueError, IndexError) as error:
            raise MailRefused(_reason(error)) from error
        return message


def _quit(server: smtplib.SMTP) -> None:
    """The mail is with the server or refused already; a farewell that fails changes nothing."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def _sort(code: int, text: bytes | str, error: Exception) -> None:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    reason = f"{code} {said}"[:500]
    if 500 <= code < 600:
        raise MailRefused(reason) from error
    raise MailFailed(reason, away=False) from error


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:500]


Send = Callable[[Letter], None]
