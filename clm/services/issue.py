"""The issue form: what a user writes to the cloud's operators goes by mail, to be answered by mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clm.services.context import CloudCall
from clm.services.mail import send_mail
from clm.store.issue import count_issues
from clm.store.user import get_user
from cm.rpc.errors import Conflict, LimitReached

HOURLY_MAX: Final = 10  # of one user's


@dataclass(eq=False)
class IssuesClosed(Conflict):
    code = "issue_not_configured"
    message = "This cloud has no mailer, or no address for issues."


@dataclass(eq=False)
class TooManyIssues(LimitReached):
    code = "issue_limit"
    message = "You have sent {limit} issues within an hour; wait before you send another."
    retry = True
    limit: int


def send(caller: CloudCall, topic: str, text: str) -> None:
    """
    :raises IssuesClosed: there is nowhere to send it to.
    :raises TooManyIssues: the user has sent enough for now.
    """
    session, policy = caller.session, caller.policy
    user = get_user(session, caller.user_id, lock=True)  # one of theirs after the other, so that they are counted right
    if count_issues(session, caller.user_id) >= HOURLY_MAX:
        raise TooManyIssues(HOURLY_MAX)
    values = {"topic": topic, "text": text, **{name: user[name] for name in ("login", "email", "user_id")}}
    if not send_mail(session, policy, "issue", policy.issue_email, values, user["email"]):
        raise IssuesClosed()
    caller.note("send issue", topic=topic)
