"""
The picture of docs/style.md, who may import whom, as a table that is held against every import statement of the tree:
at the head of a module, within a function and for type checkers alike.

Where a module needs an arrow that the picture lacks, it stands in ``EXCEPTIONS`` with its reason.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("cm", "clm", "contextualization", "node_hooks", "sql")

WORDS = {"cm.rpc.vocabulary", "cm.rpc.errors"}
COMMON = WORDS | {"cm.rules", "cm.runtime"}

# A module belongs to the longest of these names that it begins with, and may import that layer and the named ones.
MAY_IMPORT: dict[str, set[str]] = {
    "cm.rpc.vocabulary": set(),
    "cm.rpc.errors": set(),
    "cm.rpc": WORDS | {"cm.runtime"},
    "cm.runtime": WORDS,
    "cm.rules": WORDS,
    "cm.results": WORDS | {"cm.rules", "cm.rpc.fields"},
    "cm.models": WORDS | {"cm.rules", "cm.runtime.columns"},
    "cm.interfaces": COMMON,
    "cm.drivers": COMMON | {"cm.interfaces"},
    "cm.store": COMMON | {"cm.models", "cm.results"},
    "cm.services": COMMON | {"cm.rpc", "cm.results", "cm.store", "cm.interfaces"},
    "cm.operations": COMMON | {"cm.services"},
    # A view is on the wire, hence all of cm.rpc; what is a query and nothing else it asks of the store, without a
    # use case in between that would only pass it on.
    "cm.views": COMMON | {"cm.rpc", "cm.results", "cm.services", "cm.store"},
    "cm.daemon": {"cm", "sql.cm"},  # wires the whole; sql.cm is where Alembic's versions are
    "contextualization": COMMON | {"cm.rpc", "cm.services", "cm.store", "cm.models"},
    "contextualization.guest.agent": set(),  # a program for guests
    # It refuses a schema that is not its own.
    "contextualization.daemon": COMMON | {"contextualization", "cm.rpc", "cm.services", "cm.store", "sql.cm"},
    "node_hooks": set(),  # copied to nodes alone
    # A cluster is reached through an ICaller; of cm.runtime nothing is about clusters.
    "clm": {"cm.rpc", "cm.runtime"},
    "clm.rules": WORDS,
    "clm.models": WORDS | {"clm.rules", "cm.runtime.columns"},
    "clm.results": WORDS | {"clm.rules", "cm.rpc.fields"},
    "clm.drivers": {"cm.rpc", "cm.runtime", "clm.rules"},
    "clm.store": {"cm.rpc", "cm.runtime", "clm.rules", "clm.results", "clm.models"},
    "clm.services": {"cm.rpc", "cm.runtime", "clm.rules", "clm.results", "clm.store", "clm.drivers"},
    "clm.views": {"cm.rpc", "cm.runtime", "clm.rules", "clm.results", "clm.store", "clm.services"},
    "clm.ec2": {"cm.rpc", "cm.runtime", "clm.rules", "clm.services"},  # a front: it asks views, by the dispatcher
    "clm.portal": {"cm.rpc", "cm.runtime"},  # a front: it calls by the wire's names
    "clm.daemon": {"cm.rpc", "cm.runtime", "clm", "sql.clm"},
    "sql": set(),
    "sql.cm": {"cm.models"},
    "sql.clm": {"clm.models"},
}

# Arrows beyond the table: (who, whom) → why.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("cm.daemon.app", "contextualization.daemon.app"): "the endpoint may live in the manager's process",
    ("contextualization", "node_hooks.signature"): "both ends of one signature agree to the byte",
    ("contextualization.endpoint", "node_hooks.qemu_hook"): "HOOK_VERSION: which hook it tells nodes to have",
    ("cm.operations", "cm.store"): "each step is a transaction of its own, written where the step is",
    ("cm.operations", "cm.interfaces"): "a step makes the specifications that drivers take, and sorts their errors",
    ("cm.operations.image_file", "cm.drivers.images"): "what is done to a file happens on the manager, on no node",
    ("cm.operations.seeding", "cm.drivers.images.iso"): "a seed is made on the manager, in memory",
    ("cm.operations.disk_format", "cm.drivers.images"): "likewise of a disk that is made there",
    ("cm.services.found_volume", "cm.drivers.images"): "a header's reader: pure, over bytes that a node was asked for",
    ("cm.services.raw_data", "cm.drivers.raw_data"): "likewise, of what is added to one",
    ("cm.services.managed", "cm.drivers.definition"): "a reader of definitions: pure, over text that a caller gave",
    ("cm.store.managed", "cm.interfaces"): "makes rows of what was seen: frozen records, no calls",
    ("cm.views", "cm.interfaces.managed"): "which of libvirt's calls a view means: enumerations, no calls",
    ("cm.operations.uploading", "cm.drivers.images.receive"): "a file of the manager's, as an import's is",
    ("cm.operations.storing", "cm.drivers.images.receive"): "likewise: what comes of an object",
    ("cm.operations.storing", "cm.rpc.caller"): "whose request it is goes with it to each of its transactions",
    ("cm.operations.staging", "cm.drivers.images.packing"): "a staged file is known by what it was packed in",
    ("cm.store.domain", "cm.interfaces"): "builds DomainSpec out of rows: frozen records, no calls",
    ("cm.store.storage", "cm.interfaces"): "builds StorageSpec out of rows: frozen records, no calls",
    ("clm.rules.limits", "cm.rpc.address"): "whom an address counts for: pure, and the same for all that is counted",
    ("cm.runtime.logins", "cm.rpc.address"): "whom an address counts for: pure, and the same for all that is counted",
    ("cm.runtime.execute", "cm.rpc"): "what stands between the wire and the database, the same in both managers",
    ("cm.runtime.settings", "cm.rpc.types"): "Secret and how it is decoded; that module imports the vocabulary alone",
}

# The hook takes Python's own digest of 3.12 and later, without the price of hashlib.
NEWER_STANDARD_LIBRARY = {"_sha2"}

# What only some may know, whoever else it would be harmless for: a name → who imports it, and why nobody else.
RESERVED: dict[str, tuple[set[str], str]] = {
    "twisted.internet.reactor": (
        {"cm.daemon", "contextualization.daemon", "clm.daemon"},
        "importing it installs it; everyone else is handed the part they use",
    ),
    "txjsonrpc_ng": ({"cm.rpc.http_caller", "cm.rpc.server"}, "one library's ways are known in one place"),
    "libvirt": ({"cm.drivers.libvirt"}, "its handles and errors stay on their side of IHypervisor"),
    "sqlalchemy": (
        {"cm.models", "cm.store", "cm.runtime", "clm.models", "clm.store", "sql"},
        "statements stand in the store; who runs in a transaction is handed its session",
    ),
    "time": (
        {"cm.runtime", "cm.rpc", "cm.drivers", "clm.drivers", "clm.console", "node_hooks",
         "contextualization.guest.agent"},
        "what decides has its time from cm.runtime.wall, so that the simulation's clock is the only one in it",
    ),
    "contextualization": ({"contextualization", "cm.daemon.app"}, "a program of its own, which the manager may host"),
    "clm": ({"clm", "sql.clm"}, "the cloud knows its clusters, and they do not know it"),
}  # fmt: skip

# Of those, single names that others may know all the same, as types of what they are handed.
HANDED: dict[str, set[str]] = {
    "sqlalchemy.orm.Session": {"cm.services", "cm.operations", "cm.views", "cm.daemon", "contextualization",
                               "clm.services", "clm.views", "clm.daemon"},
    "sqlalchemy.Engine": {"cm.daemon", "clm.daemon"},
    "sqlalchemy.engine.make_url": {"cm.runtime.loop"},  # its connection holds locks, and is in no pool
}  # fmt: skip

# Packages with no library beside Python's own: rules are pure, the wire's names are for everyone, and a node has
# nothing installed.
STANDARD_LIBRARY_ONLY = (
    "node_hooks", "contextualization.guest.agent", "cm.rules", "cm.rpc.vocabulary", "cm.rpc.errors",
)  # fmt: skip

# Importing by a name that is computed hides from this test; these collect the modules of a package they are given.
BY_NAME = {"cm.rpc.view", "cm.operations"}


@dataclass(frozen=True)
class Import:
    """:ivar target: as far as it is a module, when it is ours; with the imported name, when it is not."""

    module: str
    target: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.module} imports {self.target}"


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, Path]:
    # Versions of a schema are named by their revision, which need not be a module's name.
    paths = [path for program in PROGRAMS for path in sorted((ROOT / program).rglob("*.py"))]
    return {module_of(path): path for path in paths if path.parent.name != "versions"}


def found_in(text: str, module: str, package: str, where: str = "") -> Iterator[Import]:
    """
    Every import of a module's text.

    :param package: what a relative import is relative to.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            targets = [ours_or_all(base, alias.name) for alias in node.names]
        else:
            continue
        for target in targets:
            yield Import(module, target, f"{where}:{node.lineno}")


def ours_or_all(base: str, name: str) -> str:
    """``from package import name``: the name may be a module; else, of our modules, the package alone is meant."""
    whole = f"{base}.{name}"
    ours = base.split(".")[0] in PROGRAMS
    return whole if not ours or whole in sources() or any(within(each, whole) for each in sources()) else base


@cache
def imports() -> tuple[Import, ...]:
    return tuple(
        found
        for module, path in sources().items()
        for found in found_in(
            path.read_text(), module, module if path.name == "__init__.py" else module.rpartition(".")[0],
            str(path.relative_to(ROOT)),
        )
    )  # fmt: skip


def layer_of(module: str) -> str | None:
    return max((layer for layer in MAY_IMPORT if within(module, layer)), key=len, default=None)


def excepted(found: Import) -> bool:
    return any(within(found.module, who) and within(found.target, whom) for who, whom in EXCEPTIONS)


def allowed(found: Import) -> bool:
    layer = layer_of(found.module)
    assert layer is not None
    mine = MAY_IMPORT[layer] | {layer}
    return any(within(found.target, package) for package in mine) or excepted(found)


def broken(where: Callable[[Import], bool]) -> str:
    return "\n".join(str(found) for found in imports() if where(found))


def test_every_module_has_a_layer() -> None:
    """The table covers the tree, and nothing that is no longer there."""
    # A package's own page, such as cm/__init__.py, belongs to no layer and imports nothing.
    homeless = [name for name in sources() if layer_of(name) is None and name not in PROGRAMS]
    assert not homeless
    assert not [layer for layer in MAY_IMPORT if not any(within(name, layer) for name in sources())]


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_picture(layer: str) -> None:
    """A layer imports of ours only what the picture lets it."""
    wrong = broken(
        lambda found: layer_of(found.module) == layer
        and found.target.split(".")[0] in PROGRAMS
        and not allowed(found)
    )  # fmt: skip
    assert not wrong, "\n" + wrong


@pytest.mark.parametrize("name", RESERVED)
def test_reserved(name: str) -> None:
    """A library with ways of its own, and a program that may be absent, are known where the table says."""
    who, why = RESERVED[name]
    wrong = broken(
        lambda found: within(found.target, name)
        and not any(within(found.module, each) for each in who | HANDED.get(found.target, set()))
    )
    assert not wrong, f"{why}\n{wrong}"


@pytest.mark.parametrize("package", STANDARD_LIBRARY_ONLY)
def test_standard_library_only(package: str) -> None:
    """Of what is not ours, Python's own library is all that is imported."""
    known = {*sys.stdlib_module_names, *NEWER_STANDARD_LIBRARY, *PROGRAMS}
    wrong = broken(lambda found: within(found.module, package) and found.target.split(".")[0] not in known)
    assert not wrong, "\n" + wrong


@pytest.mark.parametrize("pair", EXCEPTIONS, ids=" to ".join)
def test_exception_is_needed(pair: tuple[str, str]) -> None:
    """An exception that nobody needs any longer is struck off."""
    who, whom = pair
    assert any(within(found.module, who) and within(found.target, whom) for found in imports())


def test_no_import_by_computed_name() -> None:
    """Nobody goes round the table by ``import_module``, except the collectors of packages."""
    wrong = [
        f"{path}:{node.lineno}"
        for module, path in sources().items()
        if module not in BY_NAME
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
        in ("import_module", "__import__")
    ]
    assert not wrong


def targets_of(text: str, module: str = "cm.rules.sample", package: str = "cm.rules") -> set[str]:
    return {found.target for found in found_in(text, module, package)}


def test_ways_to_import() -> None:
    """Every form of an import statement is seen, wherever it stands."""
    assert targets_of("import cm.rpc.errors as e, json") == {"cm.rpc.errors", "json"}
    assert targets_of("from cm.rpc import errors, nothing") == {"cm.rpc.errors", "cm.rpc"}
    assert targets_of("from cm import drivers") == {"cm.drivers"}
    assert targets_of("from cm.models import VM") == {"cm.models"}
    assert targets_of("from twisted.internet import reactor as r") == {"twisted.internet.reactor"}
    assert targets_of("from . import vm\nfrom ..rpc.errors import CloudError") == {"cm.rules.vm", "cm.rpc.errors"}
    assert targets_of("def f():\n    if x:\n        import libvirt") == {"libvirt"}


def test_a_wrong_arrow_is_seen() -> None:
    """The table refuses what it is there to refuse."""
    for module, target in [
        ("cm.rules.vm", "cm.runtime.log"), ("cm.models.vm", "cm.runtime.database"), ("cm.rpc.errors", "cm.rpc.types"),
        ("cm.rpc.server", "cm.services.vm"), ("cm.store.vm", "cm.services.vm"), ("cm.drivers.open", "cm.store.vm"),
        ("cm.services.vm", "cm.drivers.open"), ("cm.services.vm", "cm.operations.base"), ("clm.views.vm", "cm.store"),
        ("node_hooks.agent", "cm.rpc.errors"), ("cm.services.guest", "contextualization.guest.requests"),
    ]:  # fmt: skip
        assert not allowed(Import(module, target, "")), (module, target)
