"""Mail servers that let nobody in, and why: each is told apart. Real ones, on loopback."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clm.daemon.main import main
from clm.drivers.mail import Letter, MailFailed, MailRefused, SmtpSender
from clm.rules.mail import Trouble
from cm.rpc.types import Secret

GOOD = {"": "220 mail.test", "EHLO": "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN", "MAIL": "250 ok",
        "RCPT": "250 ok", "DATA": "354 go on", ".": "250 taken", "RSET": "250 ok", "AUTH": "235 ok",
        "STARTTLS": "220 go on", "QUIT": "221 bye"}  # fmt: skip


class Server:
    """
    An SMTP server that answers each command by a table; None hangs up.

    :param tls: for STARTTLS; with ``at_once`` from the first byte.
    """

    def __init__(
        self, answers: Mapping[str, str | None] | None = None, tls: ssl.SSLContext | None = None, at_once: bool = False
    ) -> None:
        self.answers: dict[str, str | None] = {**GOOD, **(answers or {})}
        self.heard: list[str] = []
        self.mail = ""
        self._tls, self._at_once = tls, at_once
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            try:
                with taken:
                    taken.settimeout(5)
                    self._talk(taken)
            except OSError:
                pass  # the client has hung up

    def _talk(self, taken: socket.socket) -> None:
        if self._at_once and self._tls is not None:
            taken = self._tls.wrap_socket(taken, server_side=True)
        word, in_mail = "", False
        while True:
            answer = self.answers.get(word, "500 what?")
            if answer is None:
                return
            taken.sendall(answer.encode() + b"\r\n")
            if word == "QUIT":
                return
            if word == "STARTTLS" and self._tls is not None:
                taken = self._tls.wrap_socket(taken, server_side=True)
            in_mail = word == "DATA"
            line = self._read(taken, b"\r\n.\r\n" if in_mail else b"\r\n")
            if not line:
                return
            if in_mail:
                self.mail, word = line.removesuffix("\r\n.\r\n"), "."
            else:
                self.heard.append(line.strip())
                word = line.split()[0].upper()

    def _read(self, taken: socket.socket, end: bytes) -> str:
        got = b""
        while not got.endswith(end):
            more = taken.recv(1 if end == b"\r\n" else 65_536)
            if not more:
                return ""
            got += more
        return got.decode()

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's side, and the file of its authority."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path


@pytest.fixture
def running() -> Iterator[list[Server]]:
    made: list[Server] = []
    yield made
    for server in made:
        server.stop()


LETTER = Letter("ann@example.org", "Hello", "Hello.\n", "id")


def sender(port: int, **more: object) -> SmtpSender:
    return replace(SmtpSender("127.0.0.1", port, "Wawel <cloud@example.org>", "none", timeout_s=1.0), **more)


def failure(made: SmtpSender) -> MailFailed:
    """How both a mail and a trial fail: alike."""
    told = []
    for attempt in (lambda: made.send(LETTER), made.try_out):
        with pytest.raises(MailFailed) as caught:
            attempt()
        told.append((caught.value.trouble, str(caught.value)))
    assert told[0] == told[1]
    return caught.value


LOGIN = {"login": "cloud", "password": Secret("hunter2")}


@pytest.mark.parametrize(
    ("answers", "more", "trouble", "told"),
    [
        ({"AUTH": "535 5.7.8 bad credentials"}, LOGIN, Trouble.LOGIN, "refuses login and password of cloud: 535 5.7.8"),
        ({"AUTH": "454 4.7.0 later"}, LOGIN, Trouble.SERVER, "454 4.7.0 later"),
        ({"EHLO": "250 mail.test"}, LOGIN, Trouble.LOGIN, "takes no logins here"),
        ({}, {"login": "cloud", "password": Secret("hasło")}, Trouble.LOGIN, "not ASCII"),
        ({"EHLO": "250 mail.test"}, {"tls": "starttls"}, Trouble.TLS, "offers no STARTTLS (mail.tls)"),
        ({"STARTTLS": "454 TLS not available"}, {"tls": "starttls"}, Trouble.TLS, "refuses STARTTLS: 454"),
        ({"": "554 no mail from you"}, {}, Trouble.SERVER, "takes no mail: 554 no mail from you"),
        ({"": "421 come later"}, {}, Trouble.SERVER, "421 come later"),
        ({"EHLO": "550 go away", "HELO": "550 go away"}, {}, Trouble.SERVER, "550 go away"),
        ({"": "SSH-2.0-OpenSSH_9.2"}, {}, Trouble.NO_SMTP, "takes no mail: 2.0-OpenSSH"),
        ({"": None}, {}, Trouble.NO_SMTP, "nobody answers"),
        ({"EHLO": None, "HELO": None}, {}, Trouble.NO_SMTP, "hangs up"),
        ({"MAIL": None}, {}, Trouble.NO_SMTP, "hangs up"),
        ({}, {"tls": "tls"}, Trouble.TLS, "there is no TLS with 127.0.0.1 port"),
    ],
)
def test_trouble(
    running: list[Server], answers: dict[str, str | None], more: dict[str, object], trouble: Trouble, told: str
) -> None:
    """A wrong password, no TLS, a server that takes no mail, another protocol: one word and one sentence each."""
    running.append(Server(answers))
    error = failure(sender(running[0].port, **more))
    assert error.trouble is trouble and told in str(error) and error.away
    assert "hunter2" not in str(error) and "hasło" not in str(error)


@pytest.mark.parametrize("mode", ["starttls", "tls"])
def test_certificate(running: list[Server], tls: tuple[ssl.SSLContext, Path], mode: str, tmp_path: Path) -> None:
    """An authority that is not known, a name that is not the certificate's, an authority's file that is none."""
    running.append(Server(tls=tls[0], at_once=mode == "tls"))
    good = sender(running[0].port, tls=mode, ca=tls[1])
    good.send(LETTER)
    good.try_out()
    (tmp_path / "none.pem").write_text("nothing\n")
    for wrong in ({"ca": None}, {"host": "localhost"}, {"ca": tmp_path / "none.pem"}, {"ca": tmp_path / "absent"}):
        error = failure(replace(good, **wrong))
        assert error.trouble is Trouble.CERTIFICATE and "mail.ca" in str(error)


def test_unreachable() -> None:
    """A closed port, a port where nobody speaks, a host that does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = failure(sender(port, timeout_s=0.2))
        assert error.trouble is Trouble.UNREACHABLE and "no answer within 0.2 s, or waits for TLS" in str(error)
    error = failure(sender(port))
    assert error.trouble is Trouble.UNREACHABLE and "Connection refused" in str(error)
    error = failure(sender(port, host="mail.invalid"))
    assert error.trouble is Trouble.UNREACHABLE and "mail.host mail.invalid has no address" in str(error)


@pytest.mark.parametrize(
    ("given", "envelope", "shown"),
    [
        ("cloud@example.org", "cloud@example.org", "cloud@example.org"),
        ("Wawel <cloud@example.org>", "cloud@example.org", "Wawel <cloud@example.org>"),
        ("Chmura Żółw <cloud@example.org>", "cloud@example.org", "Chmura Żółw <cloud@example.org>"),
        ('"Żółw, Smok" <cloud@example.org>', "cloud@example.org", '"Żółw, Smok" <cloud@example.org>'),
        ("W <cloud@żółw.example>", "cloud@xn--w-uga1v8h.example", "W <cloud@xn--w-uga1v8h.example>"),
    ],
)
def test_sender(running: list[Server], given: str, envelope: str, shown: str) -> None:
    """A name in any script is in the header, encoded; the envelope has the address alone."""
    running.append(Server())
    sender(running[0].port, sender=given).send(replace(LETTER, recipient="Ąnn <ann@example.org>", reply_to=given))
    assert [line for line in running[0].heard if line.startswith(("mail", "rcpt"))] == [
        f"mail FROM:<{envelope}>", "rcpt TO:<ann@example.org>"]  # fmt: skip
    assert running[0].mail.isascii()
    message = email.message_from_string(running[0].mail, policy=email.policy.default)
    assert (message["From"], message["Reply-To"], message["To"]) == (shown, shown, "Ąnn <ann@example.org>")
    assert message["Message-ID"] == f"<id@{envelope.partition('@')[2]}>"


def test_sender_not_taken(running: list[Server]) -> None:
    """A server that takes no mail from this sender says so for good."""
    running.append(Server({"MAIL": "553 not yours"}))
    made = sender(running[0].port)
    for attempt in (lambda: made.send(LETTER), made.try_out):
        with pytest.raises(MailRefused, match="553 not yours"):
            attempt()


def test_check_mail(running: list[Server], tmp_path: Path) -> None:
    """The program says whether mail would go, and why not; without ``--to`` it sends none."""
    running += [Server(), Server({"AUTH": "535 no"})]
    config = tmp_path / "clm.toml"

    def check(port: int, *more: str) -> tuple[int, str]:
        mail = f'[mail]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nlogin = "cloud"\npassword = "secret"\n'
        config.write_text(f'{mail}sender = "Żółw <cloud@example.org>"\n')
        done = CliRunner().invoke(main, ["check-mail", "--config", str(config), *more])
        return done.exit_code, done.output

    assert check(running[0].port) == (0, "127.0.0.1 would take mail of Żółw <cloud@example.org>\n")
    assert running[0].mail == ""
    assert check(running[0].port, "--to", "ann@example.org") == (0, "127.0.0.1 has taken a mail to ann@example.org\n")
    assert "to see that it arrives" in running[0].mail
    code, told = check(running[1].port)
    assert code == 1 and "Error: login: 127.0.0.1 port" in told and "secret" not in told
    config.write_text("")
    assert "there is no mail" in CliRunner().invoke(main, ["check-mail", "--config", str(config)]).output
