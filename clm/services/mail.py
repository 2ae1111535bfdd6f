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
from twisted.logger import Logger

from clm.drivers.mail import Letter, MailFailed, MailRefused, Send, render
from clm.rules.mail import Trouble, retry_after
from clm.services.context import CloudCall, CloudPolicy, Services
from clm.services.seal import Unsealable, seal, unseal
from clm.store.mail import DueMail, claim_mail, insert_mail, mail_postponed, mail_sent, retry_mail
from cm.rpc.errors import Conflict
from cm.runtime.database import notify

log = Logger()
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
        **ways(policy, str(values.get("token", "")), str(values.get("user_id", ""))),
    }
    subject, body = render(template, {**common, **values}, policy.templates_dir)
    content = json.dumps([subject, body]).encode()
    insert_mail(session, recipient, template, seal(policy, _purpose(recipient), content), reply_to)
    notify(session, TOPIC)
    return True


def ways(policy: CloudPolicy, token: str, user_id: str) -> dict[str, str]:
    """
    How to do what a mail is about: by a command of the console, which every user has, and in the portal, where one is.

    :param token: the mail's.
    :param user_id: whom an administrator is to look at.
    """
    wawel, portal = f"wawel --url {policy.public_url}", policy.portal_url
    return {
        "to_log_in": _way(f"{wawel} login", portal),
        "to_activate": _way(f"{wawel} activate {token}", f"{portal}/activate#token={token}" if portal else ""),
        "to_set_password": _way(f"{wawel} password set {token}", f"{portal}/reset#token={token}" if portal else ""),
        "to_ask_for_password": _way(f"{wawel} password reset YOUR-ADDRESS", f"{portal}/forgot" if portal else ""),
        "to_renew": _way(f"{wawel} guest expiry renew {token}", f"{portal}/renew#token={token}" if portal else ""),
        "to_activate_user": _way(
            f"wawel user activate {user_id}", f"{portal}/cloud/users?state=confirmed" if portal else ""
        ),
    }


def _way(command: str, link: str) -> str:
    return f"  {link}\n\nor, in a terminal,\n\n  {command}" if link else f"  {command}"


async def send_one(services: Services, send: Send, lease_s: float) -> bool | MailFailed:
    """
    Send the mail that has been due for longest.

    :param lease_s: longer than ``send`` takes at the most.
    :return: whether one was due; ``MailFailed``: what is wrong with the server, so that other mails have to wait, too.
    """
    due = await services.database.transact(claim_mail, lease_s)
    if due is None:
        return False
    try:
        await services.threads.run("mail", send, _letter(services.policy, due))
    except (MailRefused, Unsealable) as error:
        log.warn("mail {id} will not be sent: {error}", id=due.id, error=str(error))
        await services.database.transact(mail_postponed, due.id, str(error), Trouble.REFUSED, None)
    except MailFailed as error:
        after_s = retry_after(due.attempts, due.age_s)
        if after_s is None:
            log.warn("mail {id} is given up: {error}", id=due.id, error=str(error))
        await services.database.transact(mail_postponed, due.id, str(error), error.trouble, after_s)
        return error if error.away else True
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
