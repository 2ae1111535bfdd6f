"""Whom mail is from: one address; and settings that are told before a mail fails by them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from clm.daemon.main import main
from clm.rules.mail import Mailbox, parse_mailbox


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("cloud@example.org", "", "cloud@example.org"),
        ("cloud@localhost", "", "cloud@localhost"),
        ("Wawel <cloud@example.org>", "Wawel", "cloud@example.org"),
        ("St. Wawel <cloud@example.org>", "St. Wawel", "cloud@example.org"),
        ("Chmura Żółw <cloud@example.org>", "Chmura Żółw", "cloud@example.org"),
        ("雲 <cloud@example.org>", "雲", "cloud@example.org"),
        ("=?utf-8?q?W=C3=B3w?= <a@b.c>", "Wów", "a@b.c"),
        ('"A, B" <a@b.c>', "A, B", "a@b.c"),
        ("cloud@żółw.pl", "", "cloud@xn--w-uga1v8h.pl"),
    ],
)
def test_one(text: str, name: str, address: str) -> None:
    assert parse_mailbox(text) == Mailbox(name, address)


WRONG = {
    "a@b.c, d@e.f": "2 addresses",
    "Wawel, Cloud <a@b.c>": "stands in quotes",
    "Żółw, Smok <a@b.c>": "stands in quotes",
    "": "no address",
    "nobody": "no address",
    "Wawel <>": "no address",
    "all: a@b.c;": "group",
    "żółw@example.org": "not ASCII",
    "a@": "no address",
    "@b": "no address",
    "Wawel <a@b.c> and more": "no address",
    "0.:": "no address",
    ".:": "no address",
    "a@b.c\nBcc: d@e.f": "control characters",
    "Wawel\0 <a@b.c>": "control characters",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong(text: str) -> None:
    """None, several, one that few servers take."""
    with pytest.raises(ValueError, match=WRONG[text]):
        parse_mailbox(text)


@given(st.text(max_size=40))
def test_any(text: str) -> None:
    """Whatever it is: one address of ASCII alone, or a ValueError."""
    try:
        found = parse_mailbox(text)
    except ValueError:
        return
    assert found.address.isascii() and "@" in found.address and found.domain


def test_check(tmp_path: Path) -> None:
    """``check`` tells it of each setting that is an address, and of URLs that mails could not name."""
    config = tmp_path / "clm.toml"
    config.write_text(
        '[cloud]\ncontact_email = "nobody"\nissue_email = "a@b.c, d@e.f"\nportal_url = "portal"\n'
        'public_url = "https://a b; touch x"\n[mail]\nhost = "mail"\nsender = "A <a@b.c>, B <d@e.f>"\n'
    )
    done = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert done.exit_code == 1
    for line in ("mail.sender: it holds 2 addresses", "cloud.contact_email: it ", "cloud.issue_email: it holds 2",
                 "cloud.portal_url is no", "cloud.public_url is no"):  # fmt: skip
        assert line in done.output
    config.write_text('[mail]\nhost = "mail"\nsender = "Żółw <a@b.c>"\n')
    assert CliRunner().invoke(main, ["check", "--config", str(config)]).exit_code == 0
