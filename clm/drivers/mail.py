"""Mail: texts out of templates, and their way to an SMTP server. Sending blocks; it belongs on the threads ``mail``."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from twisted.logger import Logger

from clm.rules.mail import Trouble, parse_mailbox
from cm.rpc.types import Secret

log = Logger()

POLICY: Final = SMTP.clone(cte_type="7bit")  # not every server takes 8 bits (RFC 6152)


class MailRefused(Exception):
    """The server will not take this mail, now or later."""

    trouble: Final = Trouble.REFUSED


class MailFailed(Exception):
    """The mail could not be handed over now."""

    def __init__(self, reason: str, trouble: Trouble) -> None:
        super().__init__(reason)
        self.trouble = trouble

    @property
    def away(self) -> bool:
        """Whether other mails would fare no better."""
        return self.trouble is not Trouble.DEFERRED


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

    :ivar sender: one address, with or without a name; see ``parse_mailbox``.
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
        server = self._connect()
        try:
            server.send_message(message, parse_mailbox(self.sender).address, [_address(letter.recipient)])
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            _sort(code, text, error)
        except smtplib.SMTPResponseException as error:
            _sort(error.smtp_code, error.smtp_error, error)
        except smtplib.SMTPNotSupportedError as error:
            raise MailRefused(_reason(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error, "it hangs up") from error
        finally:
            _quit(server)

    def try_out(self) -> None:
        """
        Do all that comes before a mail's text, and send none.

        :raises MailRefused: the server does not take the sender.
        :raises MailFailed: see ``trouble``.
        """
        server = self._connect()
        try:
            code, text = server.mail(parse_mailbox(self.sender).address)
            if code != 250:
                _sort(code, text, smtplib.SMTPSenderRefused(code, text, self.sender))
            server.rset()
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error, "it hangs up") from error
        finally:
            _quit(server)

    def _connect(self) -> smtplib.SMTP:
        """A server that has let us in. :raises MailFailed: who did not, and why."""
        context = self._context()
        try:
            if self.tls == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=context)
            else:
                server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        except smtplib.SMTPConnectError as error:
            # 220 is not what it said; a server of another protocol has no number at all.
            trouble = Trouble.SERVER if error.smtp_code >= 400 else Trouble.NO_SMTP
            raise MailFailed(f"{self._at} takes no mail: {_said(error)}", trouble) from error
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error, "nobody answers") from error
        try:
            self._greet(server)
            if self.tls == "starttls":
                self._start_tls(server, context)
            if self.login:
                self._log_in(server)
        except BaseException:
            server.close()
            raise
        return server

    def _greet(self, server: smtplib.SMTP) -> None:
        try:
            server.ehlo_or_helo_if_needed()
        except smtplib.SMTPHeloError as error:
            raise MailFailed(f"{self._at} takes no mail: {_said(error)}", Trouble.SERVER) from error
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error, "it hangs up") from error

    def _start_tls(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        try:
            server.starttls(context=context)
            server.ehlo()
        except smtplib.SMTPNotSupportedError as error:
            raise MailFailed(f"{self._at} offers no STARTTLS (mail.tls)", Trouble.TLS) from error
        except smtplib.SMTPResponseException as error:
            raise MailFailed(f"{self._at} refuses STARTTLS: {_said(error)}", Trouble.TLS) from error
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error, "it hangs up before TLS") from error

    def _log_in(self, server: smtplib.SMTP) -> None:
        try:
            server.login(self.login, "" if self.password is None else self.password.reveal())
        except smtplib.SMTPAuthenticationError as error:
            # 4xx: the server's own trouble with its list of passwords (RFC 4954, 6).
            trouble = Trouble.LOGIN if error.smtp_code >= 500 else Trouble.SERVER
            told = f"{self._at} refuses login and password of {self.login}: {_said(error)}"
            raise MailFailed(told, trouble) from error
        except smtplib.SMTPNotSupportedError as error:
            raise MailFailed(f"{self._at} takes no logins here (mail.login, mail.tls)", Trouble.LOGIN) from error
        except UnicodeError as error:
            raise MailFailed("mail.login or mail.password is not ASCII; SMTP takes no other", Trouble.LOGIN) from error
        except smtplib.SMTPResponseException as error:
            raise MailFailed(f"{self._at} refuses the login: {_said(error)}", Trouble.SERVER) from error
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error, "it hangs up at the login") from error

    @property
    def _at(self) -> str:
        return f"{self.host} port {self.port}"

    def _failed(self, error: Exception, otherwise: str) -> MailFailed:
        """What to raise where no answer of the server's says what is wrong."""
        if isinstance(error, ssl.SSLCertVerificationError):
            told = f"the certificate of {self._at} is not good: {error.verify_message} (mail.ca)"
            return MailFailed(told, Trouble.CERTIFICATE)
        if isinstance(error, ssl.SSLError):
            told = (error.reason or "it hangs up").replace("_", " ").lower()
            return MailFailed(f"there is no TLS with {self._at} (mail.tls): {told}", Trouble.TLS)
        if isinstance(error, socket.gaierror):
            return MailFailed(f"mail.host {self.host} has no address: {error.strerror}", Trouble.UNREACHABLE)
        if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, TimeoutError):
            error = error.__context__  # smtplib calls both by one name
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return MailFailed(f"{self._at}: {otherwise}: {_reason(error)}", Trouble.NO_SMTP)
        if isinstance(error, TimeoutError):
            hint = "" if self.tls == "tls" else ", or waits for TLS (mail.tls)"
            return MailFailed(f"{self._at} gives no answer within {self.timeout_s:g} s{hint}", Trouble.UNREACHABLE)
        return MailFailed(f"{self._at}: {getattr(error, 'strerror', None) or _reason(error)}", Trouble.UNREACHABLE)

    def _context(self) -> ssl.SSLContext:
        """:raises MailFailed: the file of the authority cannot be used."""
        try:
            return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except OSError as error:
            raise MailFailed(f"mail.ca, {self.ca}, cannot be used: {_reason(error)}", Trouble.CERTIFICATE) from error

    def _message(self, letter: Letter) -> EmailMessage:
        """:raises MailRefused: an address or header is none: this policy takes no line feed in one."""
        message = EmailMessage(policy=POLICY)
        try:
            sender = parse_mailbox(self.sender)
            message["From"] = Address(sender.name, addr_spec=sender.address)
            message["To"] = _header(letter.recipient)
            message["Subject"] = letter.subject
            message["Date"] = formatdate()
            message["Message-ID"] = f"<{letter.message_id}@{sender.domain}>"
            message["Auto-Submitted"] = "auto-generated"  # RFC 3834: let no robot answer
            if letter.reply_to:
                message["Reply-To"] = _header(letter.reply_to)
            message.set_content(letter.body)
        except (ValueError, IndexError) as error:
            raise MailRefused(_reason(error)) from error
        return message


def _header(text: str) -> Address | str:
    """What somebody gave as an address. Some that the standard has outgrown are in use all the same, and stay as is."""
    try:
        mailbox = parse_mailbox(text)
        return Address(mailbox.name, addr_spec=mailbox.address)
    except (ValueError, IndexError):
        return text


def _address(text: str) -> str:
    try:
        return parse_mailbox(text).address
    except ValueError:
        return text


def _quit(server: smtplib.SMTP) -> None:
    """The mail is with the server or refused already; a farewell that fails changes nothing."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def _sort(code: int, text: bytes | str, error: Exception) -> None:
    reason = _reason_of(code, text)
    if 500 <= code < 600:
        raise MailRefused(reason) from error
    raise MailFailed(reason, Trouble.DEFERRED) from error


def _said(error: smtplib.SMTPResponseException) -> str:
    return _reason_of(error.smtp_code, error.smtp_error)


def _reason_of(code: int, text: bytes | str) -> str:
    """A server's answer in one line."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return " ".join(f"{code if code > 0 else ''} {said}".split())[:500]


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:500]


Send = Callable[[Letter], None]
