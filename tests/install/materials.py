"""
What the machine of the test is made of, kept in the state directory: a Debian, the packages and wheels that the page
needs, and ours, built from this tree and from the release before it.

Downloads go by apt's, debootstrap's and pip's ordinary ways; what is built and tested has no network at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import page

from lab.places import REPOSITORY, LabProblem, environment, find_program, state_dir
from lab.processes import tail

# The release before this one: the last commit that called itself 0.1.0.
PREVIOUS = "f54bcb4"
SOURCES = ("cm", "clm", "contextualization", "node_hooks", "sql", "debian", "docs", "pyproject.toml", "setup.py",
           "constraints.txt", "README.md")  # fmt: skip
PROGRAMS = ("systemd-nspawn", "debootstrap", "nsenter", "lintian")
# What our packages depend on.
OURS_NEED = ("adduser", "dnsmasq-base", "iproute2", "libpq5", "libvirt0", "nftables", "qemu-utils", "python3")
# Beyond the page: man, for its pages, and what the base of a container lacks of any Debian.
OTHERS = ("man-db", "groff-base")


def lacking() -> list[str]:
    """What keeps a container from being booted here."""
    if os.geteuid() != 0:
        return ["containers need root"]
    reasons = [f"{name} is missing; bin/bootstrap install brings it" for name in PROGRAMS if not find_program(name)]
    if not any(line.split()[2] == "cgroup2" for line in Path("/proc/mounts").read_text().splitlines()):
        reasons.append("no cgroup2 is mounted")
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
    )
    if done.returncode:
        reasons.append("namespaces and mounts are not allowed here: " + done.stderr.decode().strip()[-100:])
    return reasons


def place() -> Path:
    made = state_dir() / "install"
    made.mkdir(exist_ok=True)
    return made


def run(*command: str, log: Path, **options: object) -> None:
    """:raises LabProblem: it failed; with the end of what it said."""
    with log.open("a") as file:
        file.write(f"+ {' '.join(command)}\n")
        file.flush()
        done = subprocess.run(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, timeout=1800,
                              **{"env": environment(), **options})  # type: ignore[call-overload]  # fmt: skip
    if done.returncode:
        raise LabProblem(f"{' '.join(command)[:100]} failed:\n{tail(log, 30)}")


def kept(name: str, make: Callable[[Path], None], several: bool = False) -> Path:
    """
    A directory that is made once, whole or not at all.

    :param several: older ones of its kind stay; otherwise they make room for it.
    """
    with alone():
        made = place() / name
        if not made.is_dir():
            new = place() / f"new-{name}"
            remove(new)
            new.mkdir()
            make(new)
            if not several:
                for older in place().glob(f"{name.split('-')[0]}-*"):
                    remove(older)
            new.rename(made)
        return made


_depth = 0


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time makes something: there is one builder."""
    global _depth
    with (place() / "lock").open("w") as lock:
        if _depth == 0:
            fcntl.flock(lock, fcntl.LOCK_EX)
        _depth += 1
        try:
            yield
        finally:
            _depth -= 1


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


def digest(*parts: str | bytes) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(part.encode() if isinstance(part, str) else part)
    return made.hexdigest()[:12]


def debian_sources() -> tuple[str, list[str]]:
    """Where this machine's apt gets Debian from: the archive for debootstrap, and the lines of a sources.list."""
    form = "$(ORIGIN) $(CODENAME) $(SUITE) $(COMPONENT) $(REPO_URI) $(RELEASE)"
    told = subprocess.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], text=True, check=True,
                          capture_output=True).stdout  # fmt: skip
    archive, lines = "", []
    for line in sorted(set(told.splitlines())):
        origin, codename, _, component, uri, release = line.split(" ", 5)
        if origin != "Debian" or component != "main":
            continue
        lines.append(f"deb {uri} {release} main")
        if codename == suite():
            archive = uri
    if not archive:
        raise LabProblem(f"this machine's apt knows no Debian {suite()}; bin/bootstrap asks it")
    return archive, lines


def suite() -> str:
    told = Path("/etc/os-release").read_text()
    return next(line.split("=")[1].strip('"') for line in told.splitlines() if line.startswith("VERSION_CODENAME="))


def base() -> Path:
    """A Debian with systemd and nothing that is not needed for that."""

    def make(root: Path) -> None:
        archive, lines = debian_sources()
        run("debootstrap", "--variant=minbase", "--include=systemd-sysv,dbus,ca-certificates", suite(), str(root),
            archive, log=place() / "base.log")  # fmt: skip
        (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
        (root / "etc/apt/apt.conf.d/00install").write_text(
            'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\nAPT::Sandbox::User "root";\n'
            'quiet "1";\nDpkg::Use-Pty "false";\nBinary::apt::APT::Keep-Downloaded-Packages "true";\n'
        )

        # What is cut off is made anew.
        (root / "etc/dpkg/dpkg.cfg.d").mkdir(exist_ok=True)
        (root / "etc/dpkg/dpkg.cfg.d/00install").write_text("force-unsafe-io\n")

    return kept(f"base-{digest(suite())}", make)


def builder() -> Path:
    """A Debian in which our packages can be built, as the page says; its archive has all that the machine needs."""
    bare = base()
    control = (REPOSITORY / "debian/control").read_bytes()
    prepare, _ = page.below("Build the packages")
    wanted = [*page.packages(), *OURS_NEED, *OTHERS]

    def make(root: Path) -> None:
        log = place() / "builder.log"
        run("cp", "-a", f"{bare}/.", str(root), log=log)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        (root / "srv/wawel/debian").mkdir(parents=True)
        (root / "srv/wawel/debian/control").write_bytes(control)
        (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        inside = {**environment(), "DEBIAN_FRONTEND": "noninteractive"}
        for script in ("apt-get update", prepare.script, f"apt-get install --download-only {' '.join(wanted)}",
                       "cd /var/cache/apt/archives && dpkg-scanpackages -m . >Packages"):  # fmt: skip
            run("chroot", str(root), "bash", "-ec", f"cd /srv/wawel; {script}", log=log, env=inside)

    return kept(f"builder-{digest(str(bare), control, prepare.script, *wanted)}", make)


def wheels(source: Path) -> Path:
    """What pip would fetch for a tree: Python's packages in the versions of its constraints.txt."""
    project = [line for line in (source / "pyproject.toml").read_text().splitlines() if not line.startswith("version")]
    pins = (source / "constraints.txt").read_text() + "\n".join(project)

    def make(target: Path) -> None:
        run(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-q", "-d", str(target), "-c",
            "constraints.txt", ".", "setuptools", "wheel", log=place() / "wheels.log", cwd=source)  # fmt: skip
        for ours in target.glob("wawel-*"):
            ours.unlink()

    return kept(f"wheels-{digest(pins)}", make, several=True)


def build(source: Path, target: Path) -> None:
    """Our packages from a tree, as the page says, in a clean Debian without a network."""
    root = builder()
    _, packaging = page.below("Build the packages")
    checkout = root / "srv/wawel"
    for left in (root / "srv").iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    shutil.copytree(source, checkout)
    needed = wheels(source)
    run("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--directory", str(root),
        f"--bind-ro={needed}:/wheels", "--setenv=WAWEL_WHEELS=/wheels", "--chdir=/srv/wawel", "--pipe", "bash", "-ec",
        packaging.script, log=place() / "build.log",
        env={**environment(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})  # fmt: skip
    for made in (root / "srv").glob("wawel*_*"):
        shutil.move(made, target)


def current() -> Path:
    """The packages of this tree."""
    told = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *SOURCES], cwd=REPOSITORY, text=True,
                          check=True, capture_output=True).stdout.split("\n")  # fmt: skip
    names = sorted(name for name in told if name and (REPOSITORY / name).is_file())
    # Of the pages only that they are there: a word more in one is no other package to test.
    contents = digest(*(
        part for name in names for part in (name, b"" if name.startswith("docs/") else (REPOSITORY / name).read_bytes())
    ))  # fmt: skip

    def make(target: Path) -> None:
        source = target / "source"
        for name in names:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, source / name)
        build(source, target)
        remove(source)

    return kept(f"current-{contents}", make)


def previous() -> Path:
    """
    The packages of the release before.

    :raises LabProblem: this is no clone with its history.
    """

    def make(target: Path) -> None:
        source = target / "source"
        source.mkdir()
        archive = subprocess.run(["git", "archive", PREVIOUS, *SOURCES], cwd=REPOSITORY, capture_output=True)
        if archive.returncode:
            raise LabProblem(f"the release before, {PREVIOUS}, is not in this clone: {archive.stderr.decode().strip()}")
        subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
        build(source, target)
        remove(source)

    return kept(f"previous-{PREVIOUS}", make)
