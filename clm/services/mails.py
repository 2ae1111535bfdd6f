"""
Mail to people: written by the transaction that is its reason, sealed, and sent by ``daemon/mailer.py`` once it has been
committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from clm.drivers.mail import Letter, MailFailed, MailRefused, Send, render
from clm.rules.mail import retry_after
from clm.services.context import CloudCall, CloudPolicy, Services
from clm.services.seal import Unsealable, seal, unseal
from clm.store.mail import DueMail, claim_mail, insert_mail, mail_postponed, mail_sent, retry_mail
from cm.rpc.errors import Conflict
from cm.runtime.database import notify

TOPIC: Final = "mail"


@dataclass(eq=False)
class MailSent(Conflict):
    code = "mail_sent"
    message = "Mail {mail_id} was sent already."
    mail_id: int


def send_mail(
    session: Session,
    policy: CloudPolicy,
    template: str,
    recipient: str,
    values: Mapping[str, object],
    reply_to: str = "",
) -> bool:
    """
    Have a mail sent once this transaction has been committed.

    :param template: of ``clm/drivers/mails``.
    :param values: for its placeholders, beside ``cloud``, ``public_url`` and ``contact``.
    :return: False: the cloud has no mailer, or they have no address.
    """
    if not policy.mail_from or not recipient:
        return False
    common = {
        "cloud": policy.name,
        "public_url": policy.public_url,
        "contact": policy.contact_email or policy.mail_from,
    }
    subject, body = render(template, {**common, **values}, policy.templates_dir)
    content = json.dumps([subject, body]).encode()
    insert_mail(session, recipient, template, seal(policy, _purpose(recipient), content), reply_to)
    notify(session, TOPIC)
    return True


async def send_one(services: Services, send: Send, lease_s: float) -> bool | None:
    """
    Send the mail that has been due for longest.

    :param lease_s: longer than ``send`` takes at the most.
    :return: None: nothing was due; False: the server is away, so that another attempt has to wait.
    """
    due = await services.database.transact(claim_mail, lease_s)
    if due is None:
        return None
    try:
        await services.threads.run("mail", send, _letter(services.policy, due))
    except (MailRefused, Unsealable) as error:
        await services.database.transact(mail_postponed, due.id, str(error), None)
    except MailFailed as error:
        after_s = retry_after(due.attempts, due.age_s)
        await services.database.transact(mail_postponed, due.id, str(error), after_s)
        return not error.away
    else:
        await services.database.transact(mail_sent, due.id)
    return True


def _letter(policy: CloudPolicy, due: DueMail) -> Letter:
    subject, body = json.loads(unseal(policy, _purpose(due.recipient), due.content))
    message_id = hashlib.sha256(f"{policy.issuer} {due.id} {due.created}".encode()).hexdigest()[:32]
    return Letter(due.recipient, subject, body, message_id, due.reply_to)


def _purpose(recipient: str) -> str:
    return f"mail:{recipient}"


def retry(caller: CloudCall, mail_id: int) -> None:
    """
    Have a mail tried again at once, for as long as a new one.

    :raises MailSent: it was sent.
    """
    if not retry_mail(caller.session, mail_id):
        raise MailSent(mail_id)
    notify(caller.session, TOPIC)
    caller.note("send mail again", mail_id=mail_id)
