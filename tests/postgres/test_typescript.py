"""What servers tell of themselves is valid OpenRPC, and a client generated from it compiles and makes a VM's life."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clm.views.forward import add_forwarded
from cm.rpc.codec import plain
from cm.rpc.introspection import introspection, openrpc
from cm.rpc.typescript import main, typescript
from cm.rpc.view import Registry
from support.cloud import MemoryCloud

SOURCES = Path(__file__).parents[1] / "typescript"
INSTALLED = Path(sys.prefix) / "typescript" / "node_modules"  # by bin/bootstrap
NODE = Path(sys.prefix) / "bin" / "node"
PASSWORD = "correct horse battery"


def run(work: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NODE, *command], cwd=work, capture_output=True, text=True, timeout=120)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory with the sources and what is installed for them."""
    assert INSTALLED.is_dir(), "bin/bootstrap venv installs what this needs"
    work = tmp_path / "typescript"
    shutil.copytree(SOURCES, work)
    (work / "node_modules").symlink_to(INSTALLED)
    return work


def document(registry: Registry) -> dict[str, object]:
    made: dict[str, object] = plain(openrpc([*registry, *introspection(registry, "")], "Wawel"))
    return made


def write_documents(work: Path) -> None:
    for name, registry in (
        ("cluster", Registry.collect("cm.views")),
        ("cloud", add_forwarded(Registry.collect("clm.views"))),
    ):
        told = document(registry)
        (work / f"{name}.json").write_text(json.dumps(told))
        (work / f"{name}.ts").write_text(typescript(told))


def test_document_valid(work: Path) -> None:
    """Both documents follow the specification's meta-schema, and each schema is one, patterns and defaults included."""
    write_documents(work)
    checked = run(work, "check.mjs", "cluster.json", "cloud.json")
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_document_faults_found(work: Path) -> None:
    """The check above finds a pattern that ECMAScript cannot read, an enumeration without type and a wrong default."""
    write_documents(work)
    told = json.loads((work / "cluster.json").read_text())
    method = next(each for each in told["methods"] if each["name"] == "user.vm.create")
    by_name = {each["name"]: each["schema"] for each in method["params"]}
    by_name["name"]["pattern"] = r"\A[a-z]*\Z"
    by_name["description"].clear()
    by_name["description"].update({"enum": ["a"], "minLength": 1})
    by_name["vnc"]["default"] = "no"
    (work / "cluster.json").write_text(json.dumps(told))
    checked = run(work, "check.mjs", "cluster.json")
    assert checked.returncode == 1
    for part in ("name:", "description:", "vnc: its default"):
        assert f"user.vm.create {part}" in checked.stdout


def test_client(work: Path, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The clients of both managers compile strictly; the cluster's, made over the wire, makes a VM's life."""
    write_documents(work)
    cloud = MemoryCloud(database_url, tmp_path / "state", rpc="127.0.0.1:0")
    try:
        cloud.call("admin.user.set_password", [cloud.user_id, PASSWORD], account="admin")
        url = f"http://127.0.0.1:{cloud.manager.ports[0].getHost().port}"
        assert main([url]) == 0
        (work / "cluster.ts").write_text(capsys.readouterr().out)
        compiled = run(work, INSTALLED / "typescript" / "bin" / "tsc", "-p", ".")
        assert (compiled.stdout, compiled.returncode) == ("", 0)
        ids = (str(cloud.image_id), str(cloud.template_id))
        lived = run(work, "life.ts", url, "user", PASSWORD, *ids)
        assert (lived.stderr, lived.returncode) == ("", 0)
        refusal, listed = lived.stdout.splitlines()
        assert refusal.startswith("object_not_found {") and "999999" in refusal and listed == "true"
    finally:
        cloud.stop()
