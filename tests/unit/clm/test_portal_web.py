"""The portal's pure parts, by Node.js's own test runner: no package is needed for them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "clm" / "portal" / "web" / "src"
NODE = Path(sys.prefix) / "bin" / "node"
PACKAGES = Path(sys.prefix) / "typescript" / "node_modules"  # by bin/bootstrap venv: the compiler, and React's types
# Of a third of a gigabyte of others, which bin/bootstrap portal brings, nothing is known here but that they are.
OTHERS = "".join(f'declare module "{each}";\n' for each in ("@patternfly/*", "@xterm/*", "tus-js-client"))


def test_pure_parts() -> None:
    """What is decided, kept and said by the portal without a browser."""
    tests = sorted(SOURCES.rglob("*.test.ts"))
    assert tests
    done = subprocess.run([NODE, "--test", *tests], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources, as the compiler takes them where it knows nothing of what comes from other packages."""
    assert (PACKAGES / "@types" / "react").is_dir(), "bin/bootstrap venv installs what this needs"
    shutil.copytree(SOURCES, tmp_path / "src")
    (tmp_path / "src" / "others.d.ts").write_text(OTHERS)
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    told = json.loads((SOURCES.parent / "tsconfig.json").read_text())
    # What is handed to functions of ours by components of theirs has no type then.
    told["compilerOptions"]["noImplicitAny"] = False
    (tmp_path / "tsconfig.json").write_text(json.dumps(told))
    return tmp_path


def compiled(copy: Path) -> str:
    """What the compiler says: nothing, where all fits."""
    command = [NODE, PACKAGES / "typescript" / "bin" / "tsc", "-p", copy]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=240).stdout


def test_compiles(copy: Path) -> None:
    """Calls, answers, routes, pages and the texts of both languages fit together."""
    assert compiled(copy) == ""


def test_what_does_not_fit_is_found(copy: Path) -> None:
    """A call with a parameter that there is not, and a text that is in one language alone."""
    page = copy / "src" / "pages" / "Keys.tsx"
    page.write_text(page.read_text().replace("user.key.", "user.keys."))
    polish = copy / "src" / "texts" / "people.pl.ts"
    polish.write_text("".join(line for line in polish.open() if '"keys.add"' not in line))
    said = compiled(copy)
    assert "Keys.tsx" in said and "keys.add" in said


def test_page_files_are_short() -> None:
    """A page that grows past its one thing is taken apart."""
    files = [path for path in SOURCES.rglob("*.ts*") if path.name != "wawel.ts"]  # that one is generated
    assert files and not [path.name for path in files if len(path.read_text().splitlines()) > 300]


def test_administrators_texts() -> None:
    """Pages of everybody's say nothing that is among the texts which come with administrators' pages alone."""
    lines = [line for name in ("admin", "hosts") for line in (SOURCES / "texts" / f"{name}.en.ts").open()]
    keys = [line.split('"')[1] for line in lines if line.startswith('  "')]
    apart = ("texts", "kinds", "pages/cluster", "pages/cloud")
    shared = {"ui/Moves.tsx", "model/fields.ts"}  # parts of administrators' pages
    files = [path for path in SOURCES.rglob("*.ts*") if not path.name.endswith(".test.ts")]
    texts = {path.relative_to(SOURCES).as_posix(): path.read_text() for path in files}
    others = [name for name in texts if not name.startswith(apart) and name not in shared]
    assert keys and not [(name, key) for name in others for key in keys if f'"{key}"' in texts[name]]
