"""What is kept beside a VM: its image, its screen's password, its keys and user data."""

from __future__ import annotations

import base64
import gzip
import json
import stat
from pathlib import Path

import pytest

from .conftest import Wawel
from .terminal import Terminal
from .wire import Wire

KEY, OTHER = f"ssh-ed25519 {'A' * 60} anna@home", f"ssh-rsa {'B' * 60}"
CREATE = ("vm", "create", "x", "--image", "tiny", "--template", "small")


def test_save(anna: Wawel, lone: Wire) -> None:
    """A description is none's duty, --wait is there, and that the VM is gone is said in the help and at the end."""
    lone.cluster.add_vm("web")
    done = anna("vm", "save-and-shutdown", "web", "golden", "--wait", "-o", "json")
    assert (done.code, json.loads(done.out)["state"]) == (0, "done"), done
    assert "VM web is gone; image golden" in done.told
    assert lone.cluster.calls == [("save", {"vm_id": 1, "name": "golden", "description": ""})]
    assert "gone afterwards" in " ".join(anna("vm", "save-and-shutdown", "--help").out.split())


def test_save_asks(anna: Wawel, lone: Wire, home: Path) -> None:
    """At a terminal it asks, and says that the VM goes."""
    lone.cluster.add_vm("web")
    terminal = Terminal(["vm", "save-and-shutdown", "web", "golden"], home)
    terminal.expect("The VM is gone then")
    terminal.type("n\r")
    assert (terminal.end(), lone.cluster.calls) == (130, [])


def test_vnc(anna: Wawel, lone: Wire, home: Path) -> None:
    """The address is one that viewers take; a password may go to a file of the user's alone, or a viewer's."""
    lone.cluster.add_vm("web\nhost=evil")
    told = json.loads(anna("vm", "vnc", "1", "-o", "json").out)
    assert (told["url"], told["password"]) == ("vnc://10.1.0.7:5901", "hunter22")
    secret, viewer = home / "secret", home / "web.vv"
    done = anna("vm", "vnc", "1", "--password-file", str(secret), "--vv", str(viewer))
    assert (done.code, "hunter22" in done.out + done.told) == (0, False)
    assert secret.read_text() == "hunter22\n" and stat.S_IMODE(secret.stat().st_mode) == 0o600
    lines = viewer.read_text().splitlines()
    assert lines[0] == "[virt-viewer]" and stat.S_IMODE(viewer.stat().st_mode) == 0o600
    assert {"type=vnc", "host=10.1.0.7", "port=5901", "password=hunter22"} <= set(lines) and "host=evil" not in lines
    done = anna("vm", "vnc", "1", "--password-file", str(secret))
    assert (done.code, "there already" in done.told, len(lone.cluster.operations)) == (2, True, 2)


def test_screenshot(anna: Wawel, lone: Wire, home: Path) -> None:
    """A picture goes to a new file of the user's alone, or on."""
    lone.cluster.add_vm("web")
    kept = home / "web.png"
    told = json.loads(anna("vm", "screenshot", "web", str(kept), "-o", "json").out)
    assert told == {"vm_id": 1, "file": str(kept), "width": 720, "height": 400}
    assert kept.read_bytes() == b"picture" and stat.S_IMODE(kept.stat().st_mode) == 0o600
    done = anna("vm", "screenshot", "web", str(kept))
    assert (done.code, "there already" in done.told, kept.read_bytes()) == (2, True, b"picture")
    assert anna("vm", "screenshot", "web", str(home / "no" / "such")).code == 2
    assert anna("vm", "screenshot", "web", "-").out == "picture"


def test_several_keys(anna: Wawel, lone: Wire, home: Path) -> None:
    """Keys come from several files, or from one as authorized_keys has them; each once."""
    (home / "one.pub").write_text(f"\ufeff{KEY}\n")
    (home / "two").write_text(f"# mine\n{OTHER}\n\n{KEY}\n")
    done = anna(*CREATE, "--key-file", str(home / "one.pub"), "--key-file", str(home / "two"))
    assert done.code == 0, done.told
    assert lone.cluster.calls[0][1]["ssh_key"] == f"{KEY}\n{OTHER}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "private key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n", "RFC 4716"),
        (f"ssh-rsa {'A' * 50}\n{'B' * 50}== me\n", "broken over several lines"),
        (f'command="x" {KEY}\n', "options before it"),
        ("hello\n", "no public key"),
    ],
)
def test_what_is_no_key(anna: Wawel, lone: Wire, home: Path, text: str, told: str) -> None:
    """A file that holds something else is told what it holds."""
    (home / "key").write_text(text)
    done = anna(*CREATE, "--key-file", str(home / "key"))
    assert (done.code, told in done.told, lone.cluster.calls) == (2, True, []), done.told


def test_one_key_at_a_time(cloud: Wire, anna: Wawel, home: Path) -> None:
    """The cloud keeps one key under a name: two are told, not the first of them taken."""
    (home / "two").write_text(f"{KEY}\n{OTHER}\n")
    done = anna("key", "add", "mine", str(home / "two"))
    assert (done.code, "holds 2 public keys" in done.told) == (2, True)


def test_user_data(anna: Wawel, lone: Wire, home: Path) -> None:
    """Text goes as it stands, gzip as base64; what is neither is refused."""
    (home / "data").write_text("#cloud-config\n")
    packed = gzip.compress(b"#cloud-config\n")
    (home / "packed").write_bytes(packed)
    (home / "binary").write_bytes(b"\x7fELF\0")
    assert anna(*CREATE, "--user-data-file", str(home / "data")).code == 0
    assert anna(*CREATE, "--user-data-file", str(home / "packed")).code == 0
    sent = [told["user_data"] for _, told in lone.cluster.calls]
    assert sent == ["#cloud-config\n", base64.b64encode(packed).decode()]
    done = anna(*CREATE, "--user-data-file", str(home / "binary"))
    assert (done.code, "neither text" in done.told) == (2, True)


def test_shared_by_name(anna: Wawel, lone: Wire) -> None:
    """What is shared may be named, whatever its kind."""
    lone.cluster.add_vm("web")
    assert anna("acl", "set", "vm", "web", "user", "eva").code == 0
    assert anna("acl", "set", "image", "tiny", "user", "--login", "eva").code == 0
    assert [told["object_id"] for _, told in lone.cluster.calls] == [1, 1]
    assert anna("acl", "set", "vm", "nobody", "user").code == 1


@pytest.mark.parametrize(("digest", "code"), [("sha256:" + "A" * 64, 1), ("a" * 64, 1), ("a" * 63, 2), ("x", 2)])
def test_digests(root: Wawel, digest: str, code: int) -> None:
    """A digest may say its kind; one that is none is told what it has to be."""
    done = root("image", "import", "https://x/y.img", "--storage", "id:1", "--sha256", digest)
    assert (done.code, "64 hexadecimal digits" in done.told) == (code, code == 2), done.told


def test_devices(root: Wawel) -> None:
    """The devices that the API takes are options."""
    shown = root("image", "import", "--help").out
    assert all(name in shown for name in ("--disk-controller", "--network-device", "--video-device"))


def test_interrupted_wait(anna: Wawel, lone: Wire, home: Path) -> None:
    """Ctrl-C in a wait ends the wait, and tells the command that waits on."""
    lone.cluster.patience = 10**6
    lone.cluster.add_vm("web")
    terminal = Terminal(["vm", "stop", "web", "--wait"], home)
    terminal.expect("running launch")
    terminal.type("\x03")
    terminal.expect("wawel op wait 2")
    assert terminal.end() == 130
