"""Whom mail is from, what can be wrong with its sending, and when it is tried again."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from email.errors import HeaderParseError, ObsoleteHeaderDefect
from email.headerregistry import HeaderRegistry
from enum import StrEnum
from typing import Final

FIRST_S: Final = 5.0
LONGEST_S: Final = 900.0
GIVE_UP_S: Final = 24 * 3600.0  # RFC 5321, 4.5.4.1, would go on for days; what these mails bring has expired by then


class Trouble(StrEnum):
    """Why a mail is not with the server."""

    REFUSED = "refused"  # this mail, for good
    DEFERRED = "deferred"  # this mail, for now
    UNREACHABLE = "unreachable"  # nobody answers at host and port
    NO_SMTP = "no_smtp"  # what answers there speaks another protocol, or hangs up
    SERVER = "server_refuses"  # the server takes no mail from here
    TLS = "no_tls"  # none is offered, or none comes about
    CERTIFICATE = "certificate"  # the server's is not good
    LOGIN = "login"  # the server does not take login and password


# Of what the operator has to mend. A wrong password every few seconds would have the account closed.
MEND: Final = frozenset((Trouble.TLS, Trouble.CERTIFICATE, Trouble.LOGIN, Trouble.NO_SMTP))
_PAUSE_S: Final = 5.0
_MEND_S: Final = 60.0


def pause_after(trouble: Trouble) -> float:
    """Seconds until a server that had no ear for a mail is asked again, for whichever mail."""
    return _MEND_S if trouble in MEND else _PAUSE_S


def retry_after(attempts: int, age_s: float) -> float | None:
    """
    Seconds to wait after the attempt that failed just now; None: give up.

    :param attempts: made so far, at least one.
    :param age_s: since the mail was written.
    """
    if age_s >= GIVE_UP_S:
        return None
    return float(min(FIRST_S * 2.0 ** min(attempts - 1, 30), LONGEST_S))


@dataclass(frozen=True)
class Mailbox:
    """
    :ivar name: as people read it, in any script.
    :ivar address: ASCII alone, as it stands in the envelope.
    """

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def parse_mailbox(text: str) -> Mailbox:
    """
    One address with or without a name before it: ``Wawel <cloud@example.org>``. A name with a comma stands in quotes.

    :raises ValueError: none, several, or one that not every server takes.
    """
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("it holds control characters")
    try:
        header = HeaderRegistry()("From", text)
        addresses, groups, defects = header.addresses, header.groups, header.defects  # type: ignore[attr-defined]
    except (HeaderParseError, AttributeError, IndexError, ValueError):  # the library's reader trips over "0.:"
        raise ValueError("it is no address") from None
    if len(addresses) > 1:
        raise ValueError(f"it holds {len(addresses)} addresses; a name with a comma stands in quotes")
    if any(group.display_name is not None for group in groups):
        raise ValueError("it is a group")
    if not addresses or not addresses[0].username or not addresses[0].domain:
        raise ValueError("it holds no address")
    found = addresses[0]
    if not found.username.isascii():  # RFC 6531; few servers take it
        raise ValueError("what stands before the @ is not ASCII")
    if any(not isinstance(defect, ObsoleteHeaderDefect) for defect in defects):
        raise ValueError("it is no address")
    try:
        domain = found.domain if found.domain.isascii() else found.domain.encode("idna").decode()
    except UnicodeError:
        raise ValueError("what stands behind the @ is no domain") from None
    return Mailbox(found.display_name, f"{found.addr_spec.rpartition('@')[0]}@{domain}")
