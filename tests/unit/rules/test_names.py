"""Names on nodes: each form has an inverse, and what others made is not taken for ours."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rules import names
from node_hooks import consoles

ROOT = Path(__file__).resolve().parents[3]
UUID1 = "00000000-0000-4000-8000-000000000001"
ids = st.integers(1, 10**18 - 1)
uuids = st.uuids()
labels = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}", fullmatch=True)
near = st.one_of(
    st.text(),
    st.from_regex(r"(vm|wawel|image)-?[0-9 +\n]{0,5}", fullmatch=True),
    st.from_regex(r"(vm|image|VM)-[0-9A-Fa-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{11,13}([-.][a-z.0-9\n]*)?", fullmatch=True),
)


def test_forms() -> None:
    """The forms are fixed: nodes in the field and databases carry them."""
    assert (names.domain_name(7), names.pool_name(3), names.network_name("lan")) == ("vm-7", "wawel-3", "wawel-lan")
    assert names.root_volume(UUID1) == f"vm-{UUID1}-root.qcow2"
    assert names.console_volume(UUID(UUID1)) == f"vm-{UUID1}-console.log"
    assert names.image_volume(UUID1, "iso") == f"image-{UUID1}.iso"
    assert names.unmade_volume(UUID1) == f"image-{UUID1}.new"


@given(ids, labels)
def test_return(number: int, label: str) -> None:
    """Of a domain and a network the name tells whose it is."""
    assert names.vm_of_domain(names.domain_name(number)) == number
    assert names.network_of(names.network_name(label)) == label


@given(uuids, st.sampled_from(["qcow2", "raw", "iso"]), st.integers(0, 999))
def test_volumes_return(uuid: UUID, ending: str, number: int) -> None:
    """So it does of each volume, and of a console log that was put aside."""
    made = {
        names.root_volume(uuid): names.VolumeKind.VM,
        names.console_volume(uuid): names.VolumeKind.VM,
        f"{names.console_volume(uuid)}.{number}": names.VolumeKind.VM,
        names.image_volume(uuid, ending): names.VolumeKind.IMAGE,
        names.unmade_volume(uuid): names.VolumeKind.IMAGE,
        names.object_volume(uuid): names.VolumeKind.OBJECT,
    }
    for name, kind in made.items():
        found = names.volume_of(name)
        assert found is not None and (found.kind, found.uuid, str(found)) == (kind, str(uuid), name)
    aside = names.volume_of(f"{names.console_volume(uuid)}.{number}")
    assert aside is not None and str(aside.base) == names.console_volume(uuid)
    image = names.volume_of(f"image-{uuid}-console.log.{number}")
    assert image is not None and image.base == image


@given(near)
def test_foreign(text: str) -> None:
    """Whatever is read back is the very text that was made; anything else is nobody's."""
    number = names.vm_of_domain(text)
    assert number is None or names.domain_name(number) == text
    network = names.network_of(text)
    assert network is None or names.network_name(network) == text
    volume = names.volume_of(text)
    assert volume is None or str(volume) == text


@pytest.mark.parametrize(
    "name", ["vm-0", "vm-007", "vm-7\n", "vm-٧", "vm-", "vm-7-root.qcow2", "web", "vm-1234567890123456789", "VM-7"]
)
def test_foreign_domains(name: str) -> None:
    assert names.vm_of_domain(name) is None


@pytest.mark.parametrize(
    "name",
    [
        f"vm-{UUID1}",
        f"vm-{UUID1}x",
        f"disk-{UUID1}.raw",
        f"a-vm-{UUID1}.raw",
        "image-1.raw",
        f"image-{UUID1[:-1]}A.raw",
        "vm-7-root.qcow2",
    ],
)
def test_foreign_volumes(name: str) -> None:
    assert names.volume_of(name) is None


@given(uuids)
def test_node_agrees(uuid: UUID) -> None:
    """What runs on a node knows a console log by its name; of what was put aside it is virtlogd's to take care."""
    assert consoles.NAME.fullmatch(names.console_volume(uuid))
    assert not consoles.NAME.fullmatch(names.root_volume(uuid))


def test_one_place() -> None:
    """No other module of the manager makes or reads such a name, in Python or in SQL."""
    form = re.compile(r"\b(vm|image|wawel)-(\{|\(|'|\"|\[|$)|-(root\.qcow2|console\.log)")
    found = []
    for package in ("cm", "contextualization"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path == ROOT / "cm/rules/names.py":
                continue
            tree = ast.parse(path.read_text())
            documents = {
                id(node.body[0].value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and node.body
                and isinstance(node.body[0], ast.Expr)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
                    if form.search(node.value):
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:60]}")
    assert not found, found
