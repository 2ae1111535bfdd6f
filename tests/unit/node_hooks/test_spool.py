"""Reading, acknowledging and bounding the spool."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_endpoint import UUID, write_records

from node_hooks.spool import CorruptRecord, Spool, parse_record

GOOD: dict[str, Any] = {
    "sequence": 5, "boot_id": "b", "domain_uuid": UUID, "domain_name": "vm", "operation": "release",
    "sub_operation": "end", "extra": "-", "time": 1.5, "xml_sha256": "",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=2)
)


def test_order_and_acknowledge(spool: Spool) -> None:
    """Records come in order of their numbers and go up to what is acknowledged, never beyond what was sent."""
    write_records(spool.directory, 12)
    records, _ = spool.read(5)
    assert [record.sequence for record in records] == [1, 2, 3, 4, 5]
    assert spool.acknowledge(records, 3) == 3
    assert spool.acknowledge(records, 999) == 2
    assert spool.numbers() == [6, 7, 8, 9, 10, 11, 12]


def test_corrupt(spool: Spool) -> None:
    """A corrupt record is set aside and reported; the others are read as if it were not there."""
    write_records(spool.directory, 4)
    (spool.directory / "000000000000002.json").write_bytes(b"")
    (spool.directory / "000000000000003.json").unlink()
    (spool.directory / "000000000000003.json").mkdir()
    records, problems = spool.read(10)
    assert [record.sequence for record in records] == [1, 4]
    assert len(problems) == 2 and problems[0].startswith("000000000000002.json")
    assert spool.state().corrupt == 2 and spool.numbers() == [1, 4]


def test_reject(spool: Spool) -> None:
    """What the endpoint never takes is set aside; numbers that are not there are ignored."""
    write_records(spool.directory, 3)
    assert spool.reject([2, 77]) == 1
    assert spool.numbers() == [1, 3] and os.listdir(spool.corrupt) == ["000000000000002.json"]


def test_trim(tmp_path: Path) -> None:
    """A full spool gives up its oldest beginnings first, then its oldest endings."""
    spool = Spool(tmp_path / "spool", limit=4)
    spool.ensure()
    write_records(spool.directory, 2, operation="start")
    write_records(spool.directory, 2, operation="release")
    write_records(spool.directory, 1, operation="prepare")
    write_records(spool.directory, 1, operation="stopped")
    assert spool.trim() == 2 and spool.numbers() == [3, 4, 5, 6]
    write_records(spool.directory, 2, operation="release")
    assert spool.trim() == 2 and spool.numbers() == [4, 6, 7, 8]
    assert spool.trim() == 0


def test_absent(tmp_path: Path) -> None:
    """No spool is an empty spool to its reader."""
    spool = Spool(tmp_path / "none")
    assert spool.numbers() == [] and spool.read(5) == ([], []) and spool.adopt() == 0 and spool.state().depth == 0


def test_sweep(spool: Spool) -> None:
    """Leftovers of killed hooks go after a minute; a record being written stays."""
    old, new = spool.directory / ".000000000000001.json.tmp", spool.directory / ".000000000000002.json.tmp"
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (1, 1))
    assert spool.sweep() == 1 and new.exists() and not old.exists()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(GOOD)), json_values, max_size=3), st.sampled_from([*sorted(GOOD), ""]))
def test_parse_strict(changes: dict[str, Any], dropped: str) -> None:
    """Whatever stands in the fields: a record with all its types right, or CorruptRecord, and nothing else."""
    fields = {name: value for name, value in (GOOD | changes).items() if name != dropped}
    try:
        record = parse_record(json.dumps(fields).encode(), 5)
    except CorruptRecord:
        return
    assert record.sequence == 5 and 0 < record.time < 1e11
    assert json.loads(json.dumps(record.to_wire())) == record.to_wire()
    assert set(record.to_wire()) == set(GOOD)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_parse_garbage(content: bytes) -> None:
    """Bytes that are no record are CorruptRecord."""
    with pytest.raises(CorruptRecord):
        parse_record(content, 1)


@pytest.mark.parametrize("content", [b"[" * 60000, b'{"time": ' + b"9" * 5000 + b"}", b"null", b'{"sequence": 1}'])
def test_parse_hostile(content: bytes) -> None:
    """Neither depth nor length gets through."""
    with pytest.raises(CorruptRecord):
        parse_record(content, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(acknowledged=st.lists(st.integers(0, 8), max_size=5), count=st.integers(1, 4))
def test_nothing_lost(tmp_path_factory: pytest.TempPathFactory, acknowledged: list[int], count: int) -> None:
    """However reading and acknowledging interleave, what is gone was acknowledged, in order."""
    spool = Spool(tmp_path_factory.mktemp("spool"))
    spool.ensure()
    write_records(spool.directory, 6)
    expected = list(range(1, 7))
    for through in acknowledged:
        records, _ = spool.read(count)
        spool.acknowledge(records, through)
        expected = [n for n in expected if n > through or n not in [record.sequence for record in records]]
        assert spool.numbers() == expected
