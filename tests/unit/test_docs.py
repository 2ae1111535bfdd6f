"""The documentation says what the code says: its tables, and every file, test, method and setting it names."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(page: Path) -> str:
    return page.name


def quoted(page: Path) -> list[str]:
    """What stands in backquotes on a page, code blocks aside."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M))


def test_generated(capsys: pytest.CaptureFixture[str]) -> None:
    """What is made from the code is what the code says now: tables of pages, the cloud's table, the console's cut."""
    assert generator().main(["--check"]) == 0, capsys.readouterr().out


def test_old_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is old or absent is named, left alone by --check, and renewed once without it."""
    made = generator()
    page, table = tmp_path / "docs" / "api.md", tmp_path / "table.json"
    page.parent.mkdir()
    page.write_text("old")
    monkeypatch.setattr(made, "DOCS", page.parent)
    monkeypatch.setattr(made, "generated", lambda: {page: b"new", table: b"new"})
    assert made.main(["--check"]) == 1
    assert page.read_text() == "old" and not table.exists()
    told = "docs/api.md: old; run bin/generate\ntable.json: old; run bin/generate\n"
    assert capsys.readouterr().out == told
    for renewed in ("docs/api.md: renewed\ntable.json: renewed\n", ""):
        assert made.main([]) == 0
        assert capsys.readouterr().out == renewed
        assert page.read_text() == table.read_text() == "new"
    assert made.main(["--check"]) == 0


@pytest.mark.parametrize("name", generator().PAGES)
def test_tables(name: str) -> None:
    """A page that is renewed has tables to renew, and to renew it again changes nothing."""
    text = generator().renewed((DOCS / name).read_text())
    assert "<!-- begin " in text
    assert generator().renewed(text) == text


def test_meanings() -> None:
    """Every setting has a meaning, and no meaning is of a setting that is gone."""
    made = generator()
    every = (made.Settings, made.contextualization.Settings, made.cloud.Settings)
    keys = {key for each in every for key, _ in made.settings_of(each)}
    assert set(made.MEANINGS) == keys


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links(page: Path) -> None:
    """Every page and heading that a page links to is there."""
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", page.read_text()):
        found = page.parent / target if target else page
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in headings(found), f"{page.name} links to {target}#{anchor}"


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


TREES = "cm|clm|contextualization|node_hooks|bin|docs|sql|tests|benchmarks|debian"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files(page: Path) -> None:
    """Every file of the repository that a page names is there, and every test in it."""
    for text in quoted(page):
        found = re.fullmatch(rf"((?:{TREES})/[\w./*-]+|[\w-]+\.(?:toml|txt))((?:::\w+)*)", text)
        if found is None:
            continue
        path, tests = found[1], found[2].split("::")[1:]
        if "/" not in path and path not in ("pyproject.toml", "constraints.txt"):
            continue
        assert list(REPOSITORY.glob(path)), f"{page.name} names {path}"
        if tests:
            assert set(tests) <= defined(REPOSITORY / path), f"{page.name} names {text}"


def defined(path: Path) -> set[str]:
    """The classes and functions of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_methods(page: Path) -> None:
    """Every method that a page names can be called."""
    methods = {view.name for view in (*generator().views(), *generator().cloud_views())}
    nouns = {name.rpartition(".")[0] for name in methods}
    for name in re.findall(r"\b(?:guest|user|admin|cloud|system)\.[a-z]\w*\.\w+", page.read_text()):
        if name.rpartition(".")[0] in nouns:
            assert name in methods, f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings(page: Path) -> None:
    """Every setting that a page names is one."""
    known = set(generator().MEANINGS)
    tables = {key.partition(".")[0] for key in known} - {"log", "database"}
    for text in quoted(page):
        if re.fullmatch(rf"(?:{'|'.join(tables)})\.\w+", text) and text not in ("cluster.key", "cloud.key"):  # files
            assert text in known, f"{page.name} names {text}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_slugs(page: Path) -> None:
    """Tables of errors elsewhere than in api.md name slugs that exist."""
    slugs = {case.code for program in ("cm", "clm") for case in generator().cases(program)}
    for block in re.findall(r"^\| slug \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.M):
        for slug in re.findall(r"^\| \**`(\w+)`", block, re.M):
            assert slug in slugs, f"{page.name} names {slug}"
