"""Mail by a real SMTP server: in the clear, with TLS and login, refused, away for a while; and its texts."""

from __future__ import annotations

import email
import email.policy
import re
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from clm.console.main import main as console
from clm.daemon.app import portal_url_of
from clm.daemon.settings import CloudSettings, MailSettings
from clm.portal import files as portal_files
from clm.services.mail import MailSent, send_mail
from clm.services.token import mail_token
from cm.rpc.errors import ObjectNotFound, RoleNeeded
from cm.rpc.types import Secret
from support.clm import CloudBench
from support.clm_mail import SmtpServer, outbox, unused_port
from support.wait import until

Start = Callable[..., CloudBench]


@pytest.fixture
def start(clm_url: str, tmp_path: Path) -> Iterator[Start]:
    """Makes a cloud manager whose mail goes to a port of this machine."""
    made: list[CloudBench] = []

    def start(port: int, **mail: Any) -> CloudBench:
        values = {"host": "127.0.0.1", "sender": "Wawel <cloud@example.org>", "tls": "none", "timeout_s": 5.0, **mail}
        made.append(CloudBench(clm_url, tmp_path / "clm", mail=MailSettings(port=port, **values)))
        return made[-1]

    yield start
    for bench in made:
        bench.stop()


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    made = SmtpServer()
    yield made
    made.stop()


def send(bench: CloudBench, recipient: str = "ann@example.org", template: str = "activated", **values: Any) -> bool:
    values = {"login": "ann", **values}
    manager = bench.manager
    return bool(manager.database.transact_now(send_mail, manager.policy, template, recipient, values))


def states(bench: CloudBench) -> list[tuple[str, int, str]]:
    rows = bench.call("cloud.mail.get_list", login="admin")
    return [(row["state"], row["attempts"], row["error"]) for row in reversed(rows)]


def test_sent(start: Start, server: SmtpServer) -> None:
    """A mail is sent when its transaction has been committed; then the database forgets what it said."""
    bench = start(server.port)
    assert send(bench)
    ((recipients, content),) = until(lambda: server.received)
    message = email.message_from_string(content, policy=email.policy.default)
    assert recipients == ["ann@example.org"] and message["To"] == "ann@example.org"
    assert (message["From"], message["Subject"]) == ("Wawel <cloud@example.org>", "Your account at cloud is active")
    assert message["Message-ID"].endswith("@example.org>") and message["Auto-Submitted"] == "auto-generated"
    assert "Hello ann," in message.get_content() and "help@example.org" in message.get_content()
    until(lambda: states(bench) == [("sent", 1, "")])
    assert bench.sql("SELECT count(*) FROM mail WHERE content IS NULL") == 1
    with pytest.raises(MailSent):
        bench.call("cloud.mail.retry", [bench.sql("SELECT id FROM mail")], login="admin")
    with pytest.raises(ObjectNotFound):
        bench.call("cloud.mail.retry", [99], login="admin")
    with pytest.raises(RoleNeeded):
        bench.call("cloud.mail.get_list")


def test_rolled_back(start: Start, server: SmtpServer) -> None:
    """What did not happen is not mailed."""
    bench = start(server.port)

    def fail(session: Any) -> None:
        send_mail(session, bench.manager.policy, "activated", "ann@example.org", {"login": "ann"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bench.manager.database.transact_now(fail)
    send(bench, "bob@example.org")
    until(lambda: server.received)
    assert [recipients for recipients, _ in server.received] == [["bob@example.org"]]


def test_no_mailer(bench: CloudBench) -> None:
    """Without a mailer nothing is written, and whoever wanted to is told."""
    assert not send(bench)
    assert bench.sql("SELECT count(*) FROM mail") == 0


def test_sealed(start: Start) -> None:
    """A mail that waits cannot be read in the database."""
    bench = start(unused_port())
    send(bench, template="password_reset", token="a-token-of-somebody", expires="tomorrow")
    assert "a-token-of-somebody" in outbox(bench)[0].body
    assert bench.sql("SELECT count(*) FROM mail WHERE encode(content, 'escape') LIKE '%a-token-of%'") == 0


def test_refused(start: Start, server: SmtpServer) -> None:
    """A recipient who is refused for good fails at once, with the server's words; one who is put off waits."""
    bench = start(server.port)
    server.answers["ann@example.org"] = "550 no such user"
    server.answers["bob@example.org"] = "451 greylisted"
    send(bench)
    until(lambda: states(bench) == [("failed", 1, "550 no such user")])
    send(bench, "bob@example.org")
    until(lambda: states(bench)[1:] == [("due", 1, "451 greylisted")])
    send(bench, "jan@example.org")
    until(lambda: states(bench)[2:] == [("sent", 1, "")])  # nobody waits behind them
    server.answers.clear()
    for mail in bench.call("cloud.mail.get_list", {"state": "failed"}, login="admin"):
        bench.call("cloud.mail.retry", [mail["mail_id"]], login="admin")
    until(lambda: states(bench)[0] == ("sent", 2, ""))
    assert bench.sql("SELECT due_at > now() + interval '3 seconds' FROM mail WHERE sent_at IS NULL")
    bench.sql("UPDATE mail SET created_at = now() - interval '25 hours', due_at = now() WHERE sent_at IS NULL")
    server.answers["bob@example.org"] = "451 greylisted"
    bench.sql("SELECT pg_notify('wawel', 'mail')")
    until(lambda: states(bench)[1] == ("failed", 2, "451 greylisted"))


def test_server_away(start: Start) -> None:
    """A mail waits for a server that is down, and arrives once when it is up; also over a restart of the manager."""
    port = unused_port()
    bench = start(port)
    send(bench)
    until(lambda: states(bench)[0][:2] == ("due", 1) and "Connection refused" in states(bench)[0][2])
    assert bench.call("cloud.mail.get_list", login="admin")[0]["trouble"] == "unreachable"
    bench.stop()
    server = SmtpServer(port)
    try:
        bench.start()
        bench.sql("UPDATE mail SET due_at = now()")
        bench.sql("SELECT pg_notify('wawel', 'mail')")
        until(lambda: states(bench) == [("sent", 2, "")])
        assert len(server.received) == 1
    finally:
        server.stop()


def test_two_processes(start: Start, server: SmtpServer, clm_url: str, tmp_path: Path) -> None:
    """Of two managers on one database each mail is sent by one."""
    from clm.daemon.app import CloudManager
    from support.cloud import reactor, run

    bench = start(server.port)
    other = CloudManager(reactor, bench.settings)
    run(other.start)
    try:
        for number in range(20):
            send(bench, f"user{number}@example.org")
        until(lambda: [state for state, _, _ in states(bench)] == ["sent"] * 20)
        assert sorted(recipients[0] for recipients, _ in server.received) == sorted(
            f"user{number}@example.org" for number in range(20)
        )
    finally:
        run(other.stop)


# ------------------------------------------------------------------ TLS


class Authority:
    """An authority of our own, and a server's certificate by it."""

    def __init__(self, directory: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        authority = self._certificate(name, name, key.public_key(), key, True)
        own = ec.generate_private_key(ec.SECP256R1())
        server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
        certificate = self._certificate(server, name, own.public_key(), key, False)
        self.ca, chain = directory / "ca.pem", directory / "mail.pem"
        self.ca.write_bytes(authority.public_bytes(Encoding.PEM))
        private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(chain)

    def _certificate(self, subject: Any, issuer: Any, public: Any, key: Any, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        )
        return builder.sign(key, hashes.SHA256())


def test_starttls(start: Start, tmp_path: Path) -> None:
    """With STARTTLS and a login, against an authority of our own."""
    authority = Authority(tmp_path)
    server = SmtpServer(tls=authority.server, login=("cloud", "a secret"))
    try:
        bench = start(server.port, tls="starttls", ca=authority.ca, login="cloud", password=Secret("a secret"))
        send(bench)
        until(lambda: server.received)
        until(lambda: states(bench) == [("sent", 1, "")])
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("wrong", "state", "trouble"),
    [
        ({"ca": None}, "due", "certificate"),
        ({"password": Secret("wrong")}, "due", "login"),
        ({"tls": "tls"}, "due", "no_tls"),
        ({"tls": "none", "login": ""}, "failed", "refused"),
    ],
)
def test_not_trusted(start: Start, tmp_path: Path, wrong: dict[str, Any], state: str, trouble: str) -> None:
    """An unknown authority, a wrong password, TLS of the other kind or none: nothing is handed over, and it is told."""
    authority = Authority(tmp_path)
    server = SmtpServer(tls=authority.server, login=("cloud", "a secret"))
    right = {"tls": "starttls", "ca": authority.ca, "login": "cloud", "password": Secret("a secret")}
    try:
        bench = start(server.port, **{**right, **wrong})
        send(bench)
        until(lambda: states(bench)[0][2])
        (row,) = bench.call("cloud.mail.get_list", login="admin")
        assert server.received == [] and (row["state"], row["trouble"]) == (state, trouble)
    finally:
        server.stop()


def test_starttls_is_needed(start: Start, server: SmtpServer) -> None:
    """A server that offers no TLS is given nothing."""
    bench = start(server.port, tls="starttls")
    send(bench)
    until(lambda: states(bench)[0][2])
    assert server.received == []


# ------------------------------------------------------------------ texts


def test_sender_in_any_script(start: Start, server: SmtpServer) -> None:
    """A name that is not ASCII is the sender's all the same."""
    bench = start(server.port, sender="Chmura Żółw <cloud@example.org>")
    send(bench)
    ((_, content),) = until(lambda: server.received)
    message = email.message_from_string(content, policy=email.policy.default)
    assert message["From"] == "Chmura Żółw <cloud@example.org>"
    until(lambda: states(bench) == [("sent", 1, "")])


URL = "https://cloud.example:8000"
TOKEN = {"token": "tAbc", "expires": "tomorrow"}
WAYS: dict[str, tuple[dict[str, Any], str, str]] = {
    "activated": ({}, "wawel --url {url} login", "{portal}"),
    "activation": (TOKEN, "wawel --url {url} activate tAbc", "{portal}/activate#token=tAbc"),
    "admin_notice": (
        {"email": "bob@example.org", "user_id": 7},
        "wawel user activate 7",
        "{portal}/cloud/users?state=confirmed",
    ),
    "email_change": (TOKEN, "wawel --url {url} activate tAbc", "{portal}/activate#token=tAbc"),
    "email_taken": ({}, "wawel --url {url} password reset YOUR-ADDRESS", "{portal}/forgot"),
    "password_reset": (TOKEN, "wawel --url {url} password set tAbc", "{portal}/reset#token=tAbc"),
    "vm_expires": (
        {"vm": "web", "expiry": "lab", "then": "suspended", "at": "then", "until": "later", **TOKEN},
        "wawel --url {url} guest expiry renew tAbc",
        "{portal}/renew#token=tAbc",
    ),
    "unblocked": ({}, "wawel --url {url} login", "{portal}"),
}


def test_portal_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Mails lead to the portal that is served here, if it was built and the operator names no other."""
    cloud = CloudSettings(public_url=f"{URL}/")
    monkeypatch.setattr(portal_files, "DIST", tmp_path)
    assert portal_url_of(cloud) == ""
    (tmp_path / "index.html").write_text("<!doctype html>")
    assert portal_url_of(cloud) == f"{URL}/ui"
    assert portal_url_of(CloudSettings(portal_url="https://portal.example/")) == "https://portal.example"


@pytest.mark.parametrize("portal", ["", "https://portal.example"])
def test_ways(clm_url: str, tmp_path: Path, portal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail says what to type, in a command that the console has; it links to a portal only where there is one."""
    monkeypatch.setattr(portal_files, "DIST", tmp_path)
    cloud = CloudSettings(state_dir=tmp_path / "clm", public_url=URL, portal_url=portal)
    mail = MailSettings(host="127.0.0.1", port=unused_port(), sender="cloud@example.org", tls="none")
    bench = CloudBench(clm_url, tmp_path / "clm", cloud=cloud, mail=mail)
    try:
        for template, (values, command, link) in WAYS.items():
            assert send(bench, template=template, **values)
            body = outbox(bench, template)[0].body
            lines = [line.strip() for line in body.splitlines()]
            assert command.format(url=URL) in lines, body
            if portal:
                assert link.format(portal=portal) in lines, body
            else:
                assert re.findall(r"https?://\S+", body) == re.findall(r"--url (\S+)", body), body
    finally:
        bench.stop()


@pytest.mark.parametrize("command", sorted({command for _, command, _ in WAYS.values()}))
def test_ways_are_commands(command: str) -> None:
    """What mails have people type is there."""
    words = command.format(url=URL).split()[1:]
    with CliRunner().isolation() as streams:
        code = console([*words, "--help"])
        told = streams[0].getvalue().decode()
    assert code == 0 and "Usage: " in told and words[2 if words[0] == "--url" else 0] in told.splitlines()[0], told


def test_token_can_be_typed(start: Start) -> None:
    """No token is taken for an option where it is typed."""
    bench = start(unused_port())
    for _ in range(200):
        bench.manager.database.transact_now(
            mail_token, bench.manager.policy, bench.ids["ann"], "password", "password_reset", "ann", "ann@example.org"
        )
        bench.sql("DELETE FROM mail WHERE id < (SELECT max(id) FROM mail)")
        assert not outbox(bench)[0].token.startswith("-")


def test_templates(start: Start, server: SmtpServer, tmp_path: Path) -> None:
    """An operator's template is taken in place of ours; one that cannot be used is ignored."""
    directory = tmp_path / "mails"
    directory.mkdir()
    (directory / "activated.txt").write_text("Subject: Witaj, $login\n\nZażółć: $cloud\n")
    (directory / "blocked.txt").write_text("Subject: $nothing\n\n$login\n")
    (directory / "unblocked.txt").write_text("no subject\n")
    bench = start(server.port, templates_dir=directory)
    for template in ("activated", "blocked", "unblocked"):
        send(bench, template=template)
    until(lambda: len(server.received) == 3)
    messages = [email.message_from_string(content, policy=email.policy.default) for _, content in server.received]
    assert (messages[0]["Subject"], messages[0].get_content().strip()) == ("Witaj, ann", "Zażółć: cloud")
    assert [message["Subject"] for message in messages[1:]] == [
        "Your account at cloud is blocked",
        "Your account at cloud is open again",
    ]


def test_header_injection(start: Start, server: SmtpServer) -> None:
    """A line feed in what somebody wrote begins no header, and one in an address gets no mail sent."""
    bench = start(server.port)
    values = {"topic": "hello\r\nBcc: all@example.org", "text": ".\r\nQUIT", "email": "a@example.org", "user_id": 1}
    send(bench, template="issue", **values)
    ((recipients, content),) = until(lambda: server.received)
    message = email.message_from_string(content, policy=email.policy.default)
    assert message["Bcc"] is None and message["Subject"] == "[cloud] hello Bcc: all@example.org"
    assert recipients == ["ann@example.org"] and "QUIT" in message.get_content()
    send(bench, "ann@example.org\nBcc: all@example.org")
    until(lambda: states(bench)[1][0] == "failed")
    assert len(server.received) == 1
