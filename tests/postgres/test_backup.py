"""docs/backup.md, walked: its commands are run as they stand there, and what it says of them is so."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from cm.daemon.migrate import migrate
from cm.interfaces.volume import StorageSpec
from cm.rpc.vocabulary import DiskFormat, StorageKind
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud
from support.wait import until

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "backup.md").read_text()
PASSWORD = "Correct-horse-7"


def blocks() -> list[list[str]]:
    """The page's commands, block by block, as words."""
    found = re.findall(r"^```bash\n(.*?)^```", PAGE, re.S | re.M)
    return [[line for line in block.splitlines() if line] for block in found]


class Machine:
    """The machine that the page is about: its services, files and programs, with other names."""

    def __init__(self, postgres: PrivatePostgres, path: Path) -> None:
        self.postgres, self.path = postgres, path
        self.state, self.backups, self.etc = path / "state", path / "backups", path / "etc"
        for directory in (self.state, self.backups, self.etc):
            directory.mkdir()
        (self.etc / "cm.toml").write_text("# the settings\n")
        self.cloud = MemoryCloud(postgres.url("walked"), self.state, rpc="127.0.0.1:0")
        self.state = self.cloud.settings.cluster.state_dir
        for node in self.cloud.memory.values():
            pool = f"wawel-{self.cloud.storage_id}"
            node.pools.attach(StorageSpec(pool, StorageKind.NETFS, "/srv/main", "filer", f"/export/{self.cloud.world}"))
        next(iter(self.cloud.memory.values())).volumes.create_empty(pool, "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)
        self.cloud.call("admin.user.set_password", [self.cloud.admin_id, PASSWORD], account="admin")

    def run(self, line: str, **words: str) -> str:
        """
        A line of the page. :param words: what stands there as an example, and what it is here.
        """
        names = {"wawel_cm": "walked", "/var/backups": str(self.backups), "/var/lib/wawel": str(self.state),
                 "/etc/wawel": str(self.etc)}  # fmt: skip
        for old, new in names.items():
            line = re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w.])", new, line)
        argv = [words.get(word, word) for word in shlex.split(line)]
        if argv[:2] == ["runuser", "-u"]:
            argv = argv[4:]
        if argv[0] == "systemctl":
            self.cloud.stop() if argv[1] == "stop" else self.cloud.start()
            return ""
        if argv == ["wawel-cm", "migrate"]:
            engine = create_engine(self.postgres.url("walked"))
            migrate(engine)
            engine.dispose()
            return ""
        if argv[0] == "wawel":
            return self.wawel(*argv[1:])
        assert argv[0] in ("pg_dump", "dropdb", "createdb", "pg_restore", "tar"), argv
        return self.program(argv, PGHOST=str(self.postgres.socket_dir), PGUSER="wawel")

    def program(self, argv: list[str], standard_input: str = "", **environment: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "WAWEL_", "PG"))}
        done = subprocess.run(argv, input=standard_input, capture_output=True, text=True, timeout=60,
                              env={**kept, **environment})  # fmt: skip
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def wawel(self, *words: str, standard_input: str = "") -> str:
        program = [sys.executable, "-m", "clm.console.main", *words]
        return self.program(program, standard_input, HOME=str(self.path), PYTHONPATH=str(REPOSITORY))

    def log_in(self) -> None:
        """The manager listens elsewhere since it was started."""
        port = self.cloud.manager.ports[0].getHost().port
        self.wawel("login", "--use", "--profile", f"p{port}", "--url", f"http://127.0.0.1:{port}", "--login", "admin",
                   "--password-file", "-", standard_input=PASSWORD + "\n")  # fmt: skip


@pytest.fixture
def machine(postgres: PrivatePostgres, tmp_path: Path) -> Iterator[Machine]:
    postgres.create_database("walked", template="wawel_template")
    made = Machine(postgres, tmp_path)
    yield made
    made.cloud.stop()
    postgres.drop_database("walked")


def test_page(machine: Machine) -> None:
    """A dump, VMs made, stopped and destroyed after it, the restore, VMs made then, and the adoption of the unknown."""
    cloud = machine.cloud
    backing_up, restoring, waiting, looking, adopting = blocks()

    def running(name: str) -> dict[str, Any]:
        return cloud.wait(cloud.create(name=name)["vm_id"], "running")

    kept, gone = running("kept"), running("gone")
    for line in backing_up:
        machine.run(line)
    since = [running(f"since {number}") for number in range(2)]
    cloud.call("user.vm.destroy", [[gone["vm_id"]]])
    cloud.wait(gone["vm_id"], "destroyed")
    keys = {name: (machine.state / name).read_bytes() for name in ("cluster.key", "session.key")}
    before = {domain.uuid for node in cloud.memory.values() for domain in node.hypervisor.domains()}
    for line in restoring:
        if "--extract" in line:
            for name in keys:
                (machine.state / name).unlink()
        machine.run(line)
    assert {name: (machine.state / name).read_bytes() for name in keys} == keys
    until(lambda: cloud.sql("SELECT bool_and(coalesce(seen_at > :s, false)) FROM node",
                            s=cloud.sql("SELECT min(started_at) FROM worker WHERE id = (SELECT max(id) FROM worker)")))
    machine.log_in()
    assert all(name in machine.run(waiting[0]) for name in ("n1", "n2"))
    assert {domain.uuid for node in cloud.memory.values() for domain in node.hypervisor.domains()} == before

    # What is made now clashes with nothing.
    after = [running(f"after {number}") for number in range(2)]
    old = [kept, *since]
    assert not {vm["vm_id"] for vm in after} & {vm["vm_id"] for vm in old}
    assert not {str(vm["leases"]) for vm in after} & {str(vm["leases"]) for vm in old}

    # What the passes find is what the page says.
    listed = [machine.run(line, **{"1": str(cloud.storage_id)}) for line in looking]
    assert all(vm["uuid"] in listed[0] for vm in [*since, gone])
    found = {row["subject"]: row for row in json.loads(machine.wawel("drift", "ls", "-o", "json"))}
    assert {uuid: found[uuid]["kind"] for uuid in found if "/" not in uuid} == {
        **{vm["uuid"]: "unknown_domain" for vm in since},
        gone["uuid"]: "missing_domain",
    }
    kinds = {row["subject"].partition("/")[2]: row["kind"] for row in found.values() if "/" in row["subject"]}
    assert kinds[f"vm-{gone['uuid']}-root.qcow2"] == "missing_volume"
    assert all("leave it" in found[subject]["proposal"] for subject in found
               if any(f"/vm-{vm['uuid']}" in subject for vm in since))  # fmt: skip

    (adopt,) = adopting
    for vm in since:
        machine.run(adopt, **{"17": str(found[vm["uuid"]]["drift_id"]), "anna": "user"})
        now = cloud.wait(vm["vm_id"], "running")
        assert (now["uuid"], now["name"], now["leases"]) == (vm["uuid"], vm["name"], vm["leases"])
    machine.wawel("drift", "apply", str(found[gone["uuid"]]["drift_id"]))
    cloud.wait(gone["vm_id"], "stopped")
    cloud.call("user.vm.destroy", [[gone["vm_id"]]])
    cloud.wait(gone["vm_id"], "destroyed")
    machine.run(looking[1], **{"1": str(cloud.storage_id)})
    assert json.loads(machine.wawel("drift", "ls", "-o", "json")) == []
    assert cloud.leaks() == []
