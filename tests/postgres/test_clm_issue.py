"""The issue form: a mail to the operators, answered to its sender, not too often."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clm.daemon.settings import CloudSettings, MailSettings
from clm.services.issue import HOURLY_MAX, IssuesClosed, TooManyIssues
from clm.services.seal import unseal
from cm.rpc.errors import InvalidParameter, NotAuthenticated
from support.clm import CloudBench


@pytest.fixture
def mailing(clm_url: str, tmp_path: Path) -> Iterator[CloudBench]:
    """A cloud with a mailer whose server is away: mails stay where they can be looked at."""
    made = CloudBench(
        clm_url,
        tmp_path / "clm",
        cloud=CloudSettings(
            state_dir=tmp_path / "clm", contact_email="help@example.org", issue_email="ops@example.org"
        ),
        mail=MailSettings(host="127.0.0.1", port=1, tls="none", sender="cloud@example.org"),
    )
    yield made
    made.stop()


def test_send(mailing: CloudBench) -> None:
    """The operators get what was written and who wrote it; their answer goes to the writer."""
    mailing.call("user.issue.send", ["Ratunek!", "My VM 7 is gone.\nPlease help: $user_id\n"])
    recipient, reply_to = mailing.sql("SELECT ARRAY[recipient, reply_to] FROM mail WHERE template = 'issue'")
    assert (recipient, reply_to) == ("ops@example.org", "ann@example.org")
    sealed = bytes(mailing.sql("SELECT content FROM mail WHERE template = 'issue'"))
    subject, body = json.loads(unseal(mailing.manager.policy, f"mail:{recipient}", sealed))
    assert subject == "[cloud] Ratunek!"
    assert "ann" in body and str(mailing.ids["ann"]) in body
    assert "My VM 7 is gone.\nPlease help: $user_id\n" in body


def test_limit(mailing: CloudBench) -> None:
    """So many an hour of one user's, also at once; others may go on, and so may they an hour later."""

    def send(number: int) -> Any:
        try:
            return mailing.call("user.issue.send", [f"topic {number}", "text"])
        except TooManyIssues as error:
            return error

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(send, range(HOURLY_MAX + 3)))
    assert sum(isinstance(outcome, TooManyIssues) for outcome in outcomes) == 3
    assert mailing.sql("SELECT count(*) FROM mail") == HOURLY_MAX
    mailing.call("user.issue.send", ["topic", "text"], login="bob")
    mailing.sql("UPDATE audit SET at = at - interval '61 minutes'")
    mailing.call("user.issue.send", ["topic", "text"])


def test_not_configured(bench: CloudBench) -> None:
    """Without a mailer the form says so, rather than swallow what was written."""
    with pytest.raises(IssuesClosed):
        bench.call("user.issue.send", ["topic", "text"])
    assert bench.sql("SELECT count(*) FROM mail") == 0


def test_bad_input(mailing: CloudBench) -> None:
    """A subject is one line, a text is bounded, and guests write nothing."""
    for arguments in (["", "text"], ["a\nBcc: x@example.org", "text"], ["topic", ""], ["topic", "x" * 20_001]):
        with pytest.raises(InvalidParameter):
            mailing.call("user.issue.send", arguments)
    with pytest.raises(NotAuthenticated):
        mailing.call("user.issue.send", ["topic", "text"], login=None)
