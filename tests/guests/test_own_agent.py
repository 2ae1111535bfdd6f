"""
Our own agent in a Debian guest whose user data installs it, and where QEMU's does not run: what it is asked for is
done, seen over SSH. One boot and two reboots for all of these.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.rpc.errors import AgentRefused, AgentSilent
from guests.debian_guest import BOOT_S, DISK_MIB, INSTALL, Guest, make
from lab.cloud import Cloud
from lab.processes import wait_until

USER_DATA = INSTALL + "systemctl mask --now qemu-guest-agent.service\n"  # which its device starts, enabled or not
PASSWORD = "Correct-horse-7"
RENAMED = "called-so"
PROGRAM, TRUSTED = "/usr/local/sbin/wawel-guest", "/var/lib/wawel-guest/trusted"
# The program, made one that says that it is version 1.
AGE = """
import zipfile
with zipfile.ZipFile("{program}") as file:
    parts = {{name: file.read(name) for name in file.namelist()}}
name = "wawel_guest/asking.py"
ours = next(line for line in parts[name].splitlines() if line.startswith(b"VERSION = "))
parts[name] = parts[name].replace(ours, b'VERSION = "1"')
with open("{program}", "wb") as file:
    file.write(b"#!/usr/bin/env python3\\n")
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
"""
GROWN_MIB = 300
SLACK_S = 60.0  # of clocks; the machine may be busy
# Whether the account has the password that is read.
CHECK = "import crypt, spwd; has = spwd.getspnam('ala').sp_pwdp; print(crypt.crypt(input(), has) == has)"


@pytest.fixture(scope="module")
def guest(cloud: Cloud, debian_id: int, key: Path) -> Iterator[Guest]:
    made = make(cloud, debian_id, key, "own-agent", user_data=USER_DATA)
    cloud.wait_running(made.vm_id, contextualized=True, deadline=BOOT_S)
    wait_until(lambda: way(made) == "wawel", "the guest's agent answers", BOOT_S, pause=2)
    yield made
    made.destroy()
    assert cloud.check_leaks([]) == []


def way(guest: Guest) -> str:
    """By which it is asked now; "": none."""
    try:
        return str(guest.call("guest_info")["way"])
    except AgentSilent:
        return ""


def new_key(directory: Path) -> tuple[Path, str]:
    path = directory / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=60)
    return path, path.with_suffix(".pub").read_text().strip()


def test_info(guest: Guest) -> None:
    """What it tells is so."""
    assert guest.ssh("systemctl is-active qemu-guest-agent").stdout.strip() == "inactive"
    told = guest.ask("guest_info")
    assert (told["way"], told["silent"]) == ("wawel", [])
    assert (told["hostname"], told["kernel"]) == (guest.run("hostname"), guest.run("uname -r"))
    assert told["os"] == guest.run('. /etc/os-release; echo "$PRETTY_NAME"')
    assert guest.address in {a.partition("/")[0] for card in told["interfaces"] for a in card["addresses"]}
    (root,) = (each for each in told["filesystems"] if each["mountpoint"] == "/")
    assert root["total_bytes"] == int(guest.run("df -B1 --output=size / | tail -n 1"))
    assert len(told["load"]) == 3


def test_password(guest: Guest) -> None:
    """The account has the password that was given, and had another before."""
    before = guest.run("sudo -n getent shadow ala")
    told = guest.ask("password_reset", password=PASSWORD)
    assert told == {"vm_id": guest.vm_id, "way": "wawel", "user": "ala", "password": None}
    assert guest.run("sudo -n getent shadow ala") != before
    assert guest.run(f"echo {PASSWORD} | sudo -n python3 -W ignore -c {shlex.quote(CHECK)}") == "True"
    assert guest.ssh(f"sudo -n grep -r {PASSWORD} /var/log /var/lib/wawel-guest").stdout == ""


def test_keys(guest: Guest, tmp_path: Path) -> None:
    """A new key lets in, and once it is removed no more; others stay."""
    other, line = new_key(tmp_path)
    told = guest.ask("install_keys", keys=line)
    assert (told["way"], told["user"]) == ("wawel", "ala") and line in told["keys"]
    assert guest.ssh("id -un", other, "ala").stdout.strip() == "ala"
    told = guest.ask("remove_keys", keys=line)
    assert told["way"] == "wawel" and line not in told["keys"] and len(told["keys"]) == 1
    assert guest.ssh("id -un", other, "ala").returncode == 255
    assert guest.ssh("id -un", login="ala").stdout.strip() == "ala"
    assert guest.run("sudo -n stat -c '%U %a' /home/ala/.ssh/authorized_keys") == "ala 600"


def test_time(guest: Guest) -> None:
    """A clock that is late is set."""
    guest.run("sudo -n date -s '-2 hours'")
    assert time.time() - int(guest.run("date +%s")) > 7200 - SLACK_S
    assert guest.ask("set_time") == {"vm_id": guest.vm_id, "way": "wawel"}
    assert abs(time.time() - int(guest.run("date +%s"))) < SLACK_S


def test_hostname(guest: Guest) -> None:
    """It is called so now and after its next boot (``test_reboot``), and knows itself by that."""
    assert guest.ask("set_hostname", hostname=RENAMED) == {"vm_id": guest.vm_id, "way": "wawel", "hostname": RENAMED}
    assert guest.run("hostname; cat /etc/hostname").split() == [RENAMED, RENAMED]
    assert guest.run(f"getent hosts {RENAMED}").split()[0].startswith("127.")


def test_own_key(guest: Guest) -> None:
    """One is made in the guest, and lets in where its public part is installed; the private part has not left it."""
    told = guest.ask("generate_key")
    assert (told["way"], told["user"], told["made"]) == ("wawel", "ala", True)
    assert guest.ask("generate_key") == {**told, "made": False}
    assert guest.run(f"sudo -n stat -c '%U %a' {told['path']}") == "ala 600"
    guest.ask("install_keys", keys=told["public_key"])
    to_itself = "ssh -oBatchMode=yes -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oConnectTimeout=30"
    assert guest.run(f"sudo -n -u ala {to_itself} ala@127.0.0.1 id -un 2>/dev/null") == "ala"
    guest.ask("remove_keys", keys=told["public_key"])


def test_share(guest: Guest, key: Path) -> None:
    """What another host shares by SSH is there, read by everybody, until it is taken away; its key is on no disk."""
    guest.run("sudo -n sh -c 'mkdir /srv/shared && echo shared >/srv/shared/file && chown -R ala /srv/shared'")
    at = {"mountpoint": "/mnt/share"}
    source = {"source": "127.0.0.1:/srv/shared", "user": "ala", "key": key.read_text()}
    assert guest.ask("mount_share", kind="sshfs", **at, **source) == {"vm_id": guest.vm_id, "way": "wawel"}
    assert guest.run("stat -f -c %T /mnt/share; cat /mnt/share/file").split() == ["fuseblk", "shared"]
    guest.run("sudo -n -u ala sh -c 'echo more >/mnt/share/more'")
    assert guest.run("cat /srv/shared/more") == "more"
    assert guest.run("stat -f -c %T /run/wawel-guest") == "tmpfs"
    with pytest.raises(AgentRefused, match="mounted already"):
        guest.call("mount_share", kind="sshfs", **at, **source)
    guest.ask("unmount_share", **at)
    assert guest.run("ls /mnt/share") == ""
    with pytest.raises(AgentRefused, match="no share"):
        guest.call("unmount_share", **at)


def test_notice(guest: Guest) -> None:
    """Who logs in is told that the machine's lease ends, until it does so no more."""
    admin = guest.cloud.admin
    lease = admin.call("admin.expiry.add", {"name": "short", "suspend_s": 6000})
    admin.call("admin.expiry.set", {"vm_id": guest.vm_id, "expiry_id": lease["expiry_id"]})
    guest.cloud.sql(
        "UPDATE vm_expiry SET suspend_at = clock_timestamp() + interval '590 seconds', look_at = clock_timestamp()"
        f" WHERE vm_id = {guest.vm_id}"
    )
    guest.until(f"grep -q 'This machine, {guest.vm['name']}, will be suspended' /run/motd.d/wawel", "it is told", 120)
    admin.call("admin.expiry.set", {"vm_id": guest.vm_id, "expiry_id": None})
    guest.until("[ ! -e /run/motd.d/wawel ]", "it is told nothing any more", 120)


def test_grow_root(guest: Guest) -> None:
    """A disk that grew while the guest runs is its root file system's, too, once that is asked."""
    ((disk_id,),) = guest.cloud.sql(f"SELECT disk_id FROM attachment WHERE vm_id = {guest.vm_id} AND number = 0")
    user, before = guest.cloud.user, root_mib(guest)
    grown = user.call("user.disk.grow", {"disk_id": int(disk_id), "size_mib": DISK_MIB + GROWN_MIB})
    guest.cloud.wait_operation(user, grown["operation_id"], 300)
    assert root_mib(guest) == before
    told = guest.ask("grow_root")
    assert (told["way"], told["kind"]) == ("wawel", "ext4")
    after = root_mib(guest)
    assert before + GROWN_MIB * 0.9 < after and after == told["total_bytes"] >> 20
    assert guest.ask("grow_root")["total_bytes"] == told["total_bytes"]


def root_mib(guest: Guest) -> int:
    return int(guest.run("df -B1 --output=size / | tail -n 1")) >> 20


def test_update(guest: Guest) -> None:
    """One of a version before replaces itself by the cluster's, and goes on; what nobody signed it does not run."""
    version = guest.run(f"{PROGRAM} --version")
    digest = guest.run(f"sha256sum <{PROGRAM}")
    guest.run(f"sudo -n python3 -c {shlex.quote(AGE.format(program=PROGRAM))}")
    assert guest.run(f"{PROGRAM} --version") == "1" != version
    trusted = guest.run(f"sudo -n sh -c 'cat {TRUSTED}; echo {{}} >{TRUSTED}'")
    guest.run("sudo -n systemctl restart wawel-guest.service")
    wait_until(lambda: told_version(guest) == "1", "the older agent to call", 120, pause=1)
    assert guest.run(f"{PROGRAM} --version") == "1"  # without a key it stays
    guest.run(f"echo {shlex.quote(trusted)} | sudo -n tee {TRUSTED}")
    guest.run("sudo -n systemctl restart wawel-guest.service")
    wait_until(lambda: told_version(guest) == version, "the agent to call as its newer self", 300, pause=1)
    assert guest.run(f"sha256sum <{PROGRAM}") == digest
    assert guest.ask("guest_info")["way"] == "wawel"


def told_version(guest: Guest) -> str:
    ((version,),) = guest.cloud.sql(f"SELECT version FROM guest_agent WHERE vm_id = {guest.vm_id}")
    return version


def test_late(guest: Guest, tmp_path: Path) -> None:
    """What an agent that hangs is told it does not do when it goes on: nobody waits for it any more."""
    other, line = new_key(tmp_path)
    guest.run("sudo -n systemctl kill -s STOP wawel-guest.service")
    with pytest.raises(AgentSilent, match="did not begin"):
        guest.call("install_keys", keys=line)
    guest.run("sudo -n systemctl kill -s CONT wawel-guest.service")
    wait_until(lambda: way(guest) == "wawel", "the guest's agent goes on", 120, pause=1)
    assert guest.ssh("id -un", other, "ala").returncode == 255
    ended = guest.cloud.sql("SELECT state FROM guest_command WHERE action = 'add_keys' ORDER BY id DESC LIMIT 1")
    assert ended == [["expired"]]


def test_reboot(guest: Guest) -> None:
    """It reboots by its agent, which is there again then, by the key that it had; and is called as it was."""
    key = guest.run("sudo -n cat /var/lib/wawel-guest/key")
    boot = boot_of(guest)
    assert guest.ask("reboot") == {"vm_id": guest.vm_id, "way": "wawel"}
    booted_again(guest, boot)
    wait_until(lambda: way(guest) == "wawel", "its agent answers again", BOOT_S, pause=2)
    assert guest.run("sudo -n cat /var/lib/wawel-guest/key") == key
    assert guest.run("hostname") == RENAMED


def boot_of(guest: Guest) -> str:
    return guest.run("cat /proc/sys/kernel/random/boot_id")


def booted_again(guest: Guest, boot: str) -> None:
    guest.until(f"[ $(cat /proc/sys/kernel/random/boot_id) != {boot} ]", "it has booted again")


def test_keys_and_shutdown(guest: Guest) -> None:
    """Without an agent it reboots by Ctrl+Alt+Del. With its agent it shuts down, and its operation tells so."""
    boot = boot_of(guest)
    guest.run("sudo -n systemctl stop wawel-guest.service")
    guest.cloud.sql(f"UPDATE guest_agent SET seen_at = seen_at - interval '1 hour' WHERE vm_id = {guest.vm_id}")
    assert guest.call("reboot")["way"] == "keys"
    booted_again(guest, boot)
    wait_until(lambda: way(guest) == "wawel", "its agent answers again", BOOT_S, pause=2)
    asked = guest.call("shutdown")
    ended = guest.cloud.wait_operation(guest.cloud.user, asked["operation_id"], 900)
    assert ended["result"] == {"way": "wawel"}
    assert guest.cloud.vm(guest.vm_id)["state"] == "stopped"
