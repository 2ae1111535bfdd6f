"""
docs/install.md, followed word by word on a Debian that boots: built, installed, a VM that runs, upgraded from the
release before, removed. ``page.py`` takes the blocks from the page, ``materials.py`` has what is downloaded and built.

What stands in for the world outside: a directory for Debian's mirror, one of wheels for PyPI, and a tiny Linux for the
image; apt answers its questions by yes and leaves out recommended packages.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import materials
import page
import pytest
from machine import Machine

from lab import image
from lab.places import LabProblem

MANAGER = "The cluster manager"
VERSIONS = "wawel-cm --version; runuser -u wawel -- psql -tA wawel_cm -c 'SELECT * FROM alembic_version'"
DOMAINS = "virsh -q list; cat /run/libvirt/qemu/*.pid"  # which run, and by which process
DONE_BY_A_BUILDER = "Build the packages"


@pytest.fixture(scope="session", autouse=True)
def possible() -> None:
    if lacking := materials.lacking():
        pytest.skip("no container can be booted here: " + "; ".join(lacking))


@pytest.fixture(scope="session")
def packages() -> Path:
    """Those of this tree, built as the page says."""
    return materials.current()


def start(packages: Path) -> Machine:
    return Machine(packages, {"debian.qcow2": image.build().disk})


def vms(machine: Machine) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(machine.ask("wawel vm ls -o json"))
    return told


def test_lintian(packages: Path) -> None:
    """Nothing is wrong with the packages that lintian knows of."""
    changes = next(packages.glob("*.changes"))
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", str(changes)], text=True,
                          capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_units(packages: Path, tmp_path: Path) -> None:
    """Every file and page that a unit names is in a package, as it is named."""
    for deb in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(deb), str(tmp_path)], check=True)
    units = sorted((tmp_path / "lib/systemd/system").glob("wawel-*.service"))
    assert [unit.stem for unit in units] == ["wawel-clm", "wawel-cm", "wawel-contextualization", "wawel-node"]
    for unit in units:
        text = unit.read_text()
        (documentation,) = [line.split("=", 1)[1] for line in text.splitlines() if line.startswith("Documentation=")]
        for each in documentation.split():
            if each.startswith("file://"):
                assert (tmp_path / each.removeprefix("file:///")).is_file(), f"{unit.name} names {each}"
            else:
                assert each == f"man:{unit.stem}(8)"
                assert (tmp_path / f"usr/share/man/man8/{unit.stem}.8.gz").is_file()
        assert "Type=notify" in text
    assert (tmp_path / "usr/share/man/man1/wawel.1.gz").is_file()


@pytest.fixture(scope="class")
def machine(packages: Path) -> Iterator[Machine]:
    with start(packages) as made:
        yield made
        print("\n".join(f"{seconds:6.1f} s  {what}" for what, seconds in made.seconds))


class TestInstalled:
    """One machine on which this tree's packages get installed; it has ended when another begins."""

    def test_install(self, machine: Machine) -> None:
        """From a bare Debian to a VM that runs, by the page; a start returns when the manager answers."""
        machine.follow(*page.below(MANAGER))
        assert machine.ask("systemctl show -P StatusText wawel-cm").startswith("listens on 127.0.0.1:8001")
        assert "cluster manager of a private cloud" in machine.ask("apt install man-db >/dev/null; man -f wawel-cm")
        machine.follow(*page.below("A node"), *page.below("The first VM"))
        (vm,) = vms(machine)
        assert (vm["name"], vm["state"]) == ("first", "running")

    def test_cloud(self, machine: Machine) -> None:
        """A cloud manager beside it, which the cluster trusts from then on."""
        assert "cluster" in machine.follow(*page.below("A cloud manager"))
        (cluster,) = json.loads(machine.ask("wawel --profile cloud cluster ls -o json"))
        assert cluster["name"] == "cluster"

    def test_state_dir(self, machine: Machine) -> None:
        """Another state directory is refused with what helps, before anything starts; with that, an image gets in."""
        (move,) = page.below("A state directory elsewhere")
        refused, helped = move.script.split("install -d /etc/systemd")
        machine.ask(refused)
        assert "failed" in machine.ask("systemctl start wawel-cm 2>&1 || true")
        assert "ReadWritePaths=/srv/wawel-state" in machine.ask("journalctl -u wawel-cm --no-pager -n 40")
        machine.ask("install -d /etc/systemd" + helped)
        machine.ask("wawel image import /srv/images/debian.qcow2 --name again --storage main --wait")

    def test_remove(self, machine: Machine) -> None:
        """Nothing is left of it afterwards: no process, file, account, database or volume."""
        machine.follow(*page.below("Remove"))
        assert machine.ask("dpkg-query -W -f '${Package}\\n' 'wawel*' 2>/dev/null || true") == ""
        found = machine.ask("find / -xdev -name '*wawel*' -not -path '/srv/packages*' -not -path '/proc/*' "
                            "-not -path '/var/log/*' -not -path '/var/lib/apt/*'")  # fmt: skip
        known = "/etc/libvirt/", "/var/lib/libvirt/", "/run/libvirt/"  # networks and pools stay, as the page says
        assert [path for path in found.split() if not path.startswith(known)] == []
        assert machine.ask("grep -al '/usr/bin/wawe[l]' /proc/[0-9]*/cmdline || true") == ""
        assert "wawel" not in machine.ask("getent passwd; runuser -u postgres -- psql -ltqA")


def patient(block: page.Block) -> page.Block:
    """For the release before, whose starts returned some seconds before anybody listened."""
    script = block.script
    for start, there in (
        (r"systemctl (?:enable --now|restart) wawel-cm", "curl --fail --silent http://127.0.0.1:8001/health"),
        (r"systemctl restart wawel-node", "wawel-node status"),
    ):
        script = re.sub(rf"^({start})$", rf"\1; until {there}; do sleep 0.2; done", script, flags=re.M)
    return replace(block, script=script)


def test_upgrade(packages: Path) -> None:
    """From the release before: databases are brought along, managers started again, VMs run on, nothing else comes."""
    try:
        before = materials.previous()
    except LabProblem as problem:
        pytest.skip(str(problem))
    with start(before) as machine:
        for heading in (MANAGER, "A node", "The first VM"):
            machine.follow(*map(patient, page.below(heading)))
        was = machine.ask(VERSIONS)
        domain = machine.ask(DOMAINS)
        machine.give(packages)
        machine.follow(*page.below("Upgrade"))
        now = machine.ask(VERSIONS)
        assert was.split("\n")[0] != now.split("\n")[0]
        assert "listens on" in machine.ask("systemctl show -P StatusText wawel-cm")
        assert "at" in machine.ask("runuser -u wawel -- wawel-cm migrate")
        assert machine.ask(DOMAINS) == domain
        (vm,) = vms(machine)
        assert (vm["name"], vm["state"]) == ("first", "running")
        known = machine.ask("dpkg-query -W -f '${db:Status-Status} ${Package}\\n' 'wawel-c*'").splitlines()
        assert [line.split()[1] for line in known if line.startswith("installed ")] == ["wawel-cm", "wawel-common"]
        log = machine.ask("journalctl -u wawel-cm -o cat --no-pager")
        assert "not at this version's schema" not in log, "it was started before its database was brought along"


def test_page() -> None:
    """Every block of the page belongs to one of the tests above."""
    done = (DONE_BY_A_BUILDER, MANAGER, "A node", "The first VM", "A cloud manager", "A state directory elsewhere",
            "Upgrade", "Remove")  # fmt: skip
    assert {block.heading for block in page.blocks()} == set(done)
    assert shutil.which("bash")
