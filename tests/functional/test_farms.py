"""A farm on real hosts with real guests: its workers follow their head, and its guests are told each other's names."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cm.rules.guest_farm import AGENT, farm_script
from cm.services.farm_key import private_key_for
from functional.test_snapshots import Shell
from lab.cloud import Cloud
from support.farm import SECRET, guest


def test_workers_follow_their_head(shared_cloud: Cloud) -> None:
    """
    The worker starts after the head's own hello, and the head reads its name. (These guests have neither cloud-init nor
    an SSH server, so that keys are not spread to them: tests/unit/rules/test_farm.py has what others are told.)
    """
    cloud, tiny = shared_cloud, shared_cloud.template_ids["tiny"]
    asked = {"name": "sums", "description": "", "image_id": cloud.image_id, "head_template_id": tiny}
    made = cloud.user.call("user.farm.create", {**asked, "worker_template_id": tiny, "count": 1})
    cloud.wait_operation(cloud.user, made["operation_id"], 240)
    head, worker = (cloud.vm(vm_id) for vm_id in made["made"])
    assert head["launched"] < head["contextualized_at"] < worker["launched"]
    told = cloud.user.call("user.farm.get_by_id", {"farm_id": made["farm_id"]})
    assert (told["state"], told["workers"]) == ("running", 1)
    hosts = "".join(f"{vm['addresses'][0]} {vm['host']}\n" for vm in told["vms"])
    with Shell(cloud, head) as shell:
        heard = shell.run("wget -q -O - http://169.254.169.254/farm/hosts")
    assert heard.split() == hosts.split()
    cloud.user.call("user.farm.destroy", {"farm_id": made["farm_id"]})
    for vm_id in made["made"]:
        cloud.wait_for(vm_id, "destroyed", 120)
    assert cloud.check_leaks([]) == []


@contextmanager
def metadata(said: dict[str, str]) -> Iterator[int]:
    """A metadata service for the script alone, at a port of this machine. :param said: by method and path."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = said.get(f"{self.command} {self.path}") if self.headers["User-Agent"] == AGENT else None
            self.send_response(404 if told is None else 200)
            self.end_headers()
            self.wfile.write((told or "").encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_key_stays_in_memory(tmp_path: Path) -> None:
    """
    What the script of a farm leaves on a disk, and so in each image that is made of it, has no private key: that is in
    memory. In a VM of such an image nothing is left that would let the head in.
    """
    asked = guest()
    assert asked.farm is not None
    key = private_key_for(asked, SECRET)
    for directory in ("etc", "run", "root", "usr/local/sbin", "var"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    said = {"GET /farm/hosts": "10.0.0.5 sums\n10.0.0.9 sums-worker-4\n", "POST /farm/key": key}
    with metadata(said) as port:

        def run(script: str) -> str:
            """In a mount namespace of its own, on directories of the test; what has a key there, seen from within."""
            for name in ("etc", "run", "root", "usr/local", "var"):
                for before in " =\n":
                    script = script.replace(f"{before}/{name}/", f"{before}{tmp_path}/{name}/")
            script = script.replace("http://169.254.169.254", f"http://127.0.0.1:{port}")
            script += f"\ngrep -rl 'PRIVATE KEY-----' {tmp_path} || true"
            done = subprocess.run(["unshare", "-m", "sh"], input=script, text=True, capture_output=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert run(farm_script(asked, asked.farm)).split() == [f"{tmp_path}/run/wawel/farm/key"]
        left = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert left and not [path for path in left if "PRIVATE KEY-----" in path.read_text()]
        assert "10.0.0.9 sums-worker-4" in (tmp_path / "etc/hosts").read_text()
        authorized = tmp_path / "root/.ssh/authorized_keys"
        assert asked.farm.public_key in authorized.read_text() and authorized.stat().st_mode & 0o777 == 0o600
        authorized.write_text("ssh-ed25519 AAAA of-its-owner\n" + authorized.read_text())
        said["GET /farm/hosts"] = "none\n"
        assert run((tmp_path / "usr/local/sbin/wawel-farm-hosts").read_text()) == ""
    assert authorized.read_text() == "ssh-ed25519 AAAA of-its-owner\n"
    assert (tmp_path / "etc/hosts").read_text() == "127.0.0.1 localhost\n"
    assert not (tmp_path / "etc/wawel/farm").exists()
