"""What storages can do, and where a new volume goes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import DiskFormat, StorageKind, VolumeMode
from cm.rules.storage import CAPABILITIES, EXTENT_BYTES, Candidate, capabilities, choose, is_full

MIB = 2**20
candidates = st.builds(
    Candidate,
    id=st.integers(1, 99),
    kind=st.sampled_from(StorageKind),
    default=st.booleans(),
    priority=st.integers(-3, 3),
    room_bytes=st.integers(-10, 100) | st.integers(0, 50).map(lambda n: n * EXTENT_BYTES),
)
several = st.lists(candidates, max_size=6, unique_by=lambda each: each.id)
sizes = st.integers(0, 120) | st.integers(0, 60).map(lambda n: n * MIB)


def test_every_kind() -> None:
    """Each kind has its row, and what it says of it is possible."""
    assert set(CAPABILITIES) == set(StorageKind)
    for can in CAPABILITIES.values():
        assert can.written and set(can.written) <= set(can.formats) and can.unit_bytes >= 1
        assert not (can.files and DiskFormat.RAW in can.written), "libvirtd would believe what a guest writes"
        assert can.snapshots <= can.overlays, "a snapshot of a running disk is an overlay"
        assert can.overlays <= (DiskFormat.QCOW2 in can.formats)


def test_logical() -> None:
    """A volume group has raw volumes of whole extents, and full copies in place of overlays."""
    can = capabilities("logical")
    assert can.format is DiskFormat.RAW and can.best(DiskFormat.QCOW2) is DiskFormat.RAW
    assert can.mode(VolumeMode.OVERLAY) is VolumeMode.COPY
    assert can.mode(VolumeMode.WHOLE) is VolumeMode.WHOLE
    assert [can.whole(size) for size in (0, 1, 4 * MIB, 4 * MIB + 1)] == [0, 4 * MIB, 4 * MIB, 8 * MIB]
    files = capabilities(StorageKind.DIR)
    assert files.best(DiskFormat.RAW) is DiskFormat.QCOW2 and files.kept(DiskFormat.RAW) is DiskFormat.RAW
    assert files.mode(VolumeMode.OVERLAY) is VolumeMode.OVERLAY and files.whole(5) == 5


@given(several, sizes, st.booleans(), st.none() | st.sampled_from(DiskFormat))
def test_choice(found: list[Candidate], size: int, shared: bool, format: DiskFormat | None) -> None:
    """It fits where it goes; of those that it fits it is the default, else the most preferred, else the roomiest."""

    def fits(each: Candidate) -> bool:
        can = CAPABILITIES[each.kind]
        able = (can.shared or not shared) and (format is None or format in can.written)
        return able and can.whole(size) <= each.room_bytes

    chosen = choose(found, size, shared=shared, format=format)
    fitting = [each for each in found if fits(each)]
    assert (chosen is None) == (not fitting)
    if chosen is None:
        return
    assert chosen in fitting
    assert chosen.default or not any(each.default for each in fitting)
    for each in fitting:
        if each.default == chosen.default:
            assert each.priority <= chosen.priority
            if each.priority == chosen.priority:
                assert each.room_bytes <= chosen.room_bytes


@given(several, sizes)
def test_promises_count(found: list[Candidate], size: int) -> None:
    """A storage of which everything is promised is never chosen, however it is preferred."""
    promised = [replace(each, default=True, priority=99, room_bytes=0) for each in found]
    assert choose(promised, size + 1) is None


def test_full() -> None:
    """A small storage is full at a twentieth, a large one at a fixed rest."""
    assert is_full(0, 2**40) and is_full(60 * MIB, 2**40) and not is_full(64 * MIB, 2**40)
    assert is_full(MIB, 40 * MIB) and not is_full(2 * MIB, 40 * MIB)
