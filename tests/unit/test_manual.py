"""The manual pages that the packages bring: made of the programs' own help, whole, and good input for man."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("man")
    maker = REPOSITORY / "debian" / "manual.py"
    subprocess.run([sys.executable, "-I", str(maker), str(REPOSITORY), str(out), "1.2.3"], check=True, cwd="/")
    return out


def test_every_program(pages: Path) -> None:
    """One page for each program of debian/bin that people call, named where its package takes it from."""
    programs = {path.name for path in (REPOSITORY / "debian/bin").iterdir() if path.name != "upgrade-database"}
    assert {path.stem for path in pages.iterdir()} == programs
    named = {
        line.removeprefix("debian/.build/man/")
        for path in (REPOSITORY / "debian").glob("*.manpages")
        for line in path.read_text().split()
    }
    assert named == {path.name for path in pages.iterdir()}


@pytest.mark.parametrize(
    ("page", "command", "option"),
    [
        ("wawel.1", "wawel vm create", "--wait-guest"),
        ("wawel.1", "wawel login", "--password-file"),
        ("wawel-cm.8", "wawel-cm migrate", "--config"),
        ("wawel-clm.8", "wawel-clm add-admin", "--login"),
        ("wawel-contextualization.8", "wawel-contextualization run", "--config"),
        ("wawel-node.8", "wawel-node enrol", "--token-file"),
    ],
)
def test_commands(pages: Path, page: str, command: str, option: str) -> None:
    """A command stands there with its options."""
    text = (pages / page).read_text().replace("\\-", "-")
    (section,) = re.findall(rf"^\.SS {command} .*?(?=^\.S[SH] )", text, re.M | re.S)
    assert re.search(rf"^\.B .*{option}\b", section, re.M)
    assert ".SH EXIT STATUS" in text and "Wawel 1.2.3" in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_formatted(pages: Path) -> None:
    """groff has nothing to complain of, and no line is taken for a request of its own."""
    for page in pages.iterdir():
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", str(page)], capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "", done.stderr[:2000]
