"""Where a new disk comes from: what is used again, what is made where, and why not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import DiskFormat, Match, StorageRefusal
from cm.rules.attach_or_create import (
    RESERVE,
    STEP_BYTES,
    TOLERANCE_BYTES,
    FreeVolume,
    Place,
    Want,
    creatable,
    makes,
    reusable,
    rounded,
)

GIB = 2**30
sizes = st.one_of(st.integers(1, 40 * GIB), st.integers(1, 10_000).map(lambda n: n * STEP_BYTES))
places = st.lists(
    st.builds(
        Place,
        id=st.integers(1, 6),
        name=st.just("s"),
        kind=st.sampled_from(["dir", "logical", "iscsi"]),
        locked=st.booleans(),
        attached=st.booleans(),
        reachable=st.booleans(),
        capacity_bytes=st.integers(0, 100 * GIB),
        limit_bytes=st.integers(0, 400 * GIB),
        claimed_bytes=st.integers(0, 200 * GIB),
        unmade_bytes=st.integers(0, 50 * GIB),
        available_bytes=st.none() | st.integers(0, 100 * GIB),
        default=st.booleans(),
        priority=st.integers(-2, 2),
        draining=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda place: place.id,
)
wants = st.builds(
    Want,
    size_bytes=sizes,
    account_id=st.integers(1, 2),
    match=st.sampled_from(Match),
    format=st.none() | st.sampled_from(DiskFormat),
    storages=st.frozensets(st.integers(1, 6), max_size=3),
    without=st.frozensets(st.integers(1, 6), max_size=2),
)
accounts = st.none() | st.integers(1, 2)


@st.composite
def volumes(draw: st.DrawFn, want: Want) -> list[FreeVolume]:
    """Free volumes, most of about the size that is wanted."""
    near = st.sampled_from([0, 1, -1, STEP_BYTES, TOLERANCE_BYTES, TOLERANCE_BYTES + 1, want.size_bytes // 10])
    size = st.one_of(near.map(lambda by: max(1, want.size_bytes + by)), st.just(rounded(want.size_bytes)))
    one = st.builds(
        FreeVolume,
        id=st.integers(1, 30),
        storage_id=st.integers(1, 6),
        size_bytes=size,
        format=st.sampled_from(DiskFormat),
        account_id=accounts,
        writer_id=accounts,
        clean=st.booleans(),
    )
    return draw(st.lists(one, max_size=12, unique_by=lambda volume: volume.id))


@given(st.data(), wants, places)
def test_reuse(data: st.DataObject, want: Want, there: list[Place]) -> None:
    """All that may be used again is, and nothing else: of a usable storage, nobody else's, of the right size; the
    smallest first."""
    free = data.draw(volumes(want))
    usable = {p.id for p in there if not p.locked and p.attached and p.reachable} & (want.storages or {*range(7)})
    at_most = (
        max(want.size_bytes + TOLERANCE_BYTES, int(want.size_bytes * 1.1))
        if want.match is Match.AT_LEAST
        else rounded(want.size_bytes)
    )
    writable = {p.id: tuple(DiskFormat) if (can := makes(p.kind)) is None else can.written for p in there}
    found = reusable(want, free, there)
    for volume in free:
        fits = (
            volume.storage_id in usable
            and volume.account_id in (None, want.account_id)
            and want.format in (None, volume.format)
            and volume.format in writable[volume.storage_id]
            and want.size_bytes <= volume.size_bytes <= at_most
            and (want.match is Match.AT_LEAST or volume.size_bytes in (want.size_bytes, at_most))
        )
        assert (volume in found) == fits
    assert [volume.size_bytes for volume in found] == sorted(volume.size_bytes for volume in found)


@given(wants, places)
def test_create(want: Want, there: list[Place]) -> None:
    """Each storage that is meant either has room for it in truth, or says why it has not; none does both."""
    fitting, refused = creatable(want, there)
    meant = {place.id for place in there if not want.storages or place.id in want.storages}
    assert {place.id for place in fitting} | {each.storage_id for each in refused} == meant
    assert not {place.id for place in fitting} & {each.storage_id for each in refused}
    for place in fitting:
        assert makes(place.kind) and not place.locked and not place.draining and place.attached and place.reachable
        assert place.claimed_bytes + rounded(want.size_bytes) <= place.limit_bytes
        assert place.id not in want.without
        if place.available_bytes is not None:
            left = place.available_bytes - place.unmade_bytes - rounded(want.size_bytes)
            assert left >= int(place.capacity_bytes * RESERVE)
    by_id = {place.id: place for place in there}
    for each in refused:
        place = by_id[each.storage_id]
        can = makes(place.kind)
        cannot = can is None or (want.format is not None and want.format not in can.written)
        assert (each.reason is StorageRefusal.WRONG_TYPE) == cannot
        if each.reason is StorageRefusal.INSUFFICIENT:
            assert place.id in want.without or place.room_bytes < rounded(want.size_bytes)
    order = [(not place.default, -place.priority, -place.room_bytes, place.id) for place in fitting]
    assert order == sorted(order)


@given(wants, places)
def test_more_room_never_hurts(want: Want, there: list[Place]) -> None:
    """What fits in a storage fits when less is asked for, and when more is there."""
    fitting = {place.id for place in creatable(want, there)[0]}
    smaller = replace(want, size_bytes=max(1, want.size_bytes // 2))
    assert fitting <= {place.id for place in creatable(smaller, there)[0]}
    emptier = [place._replace(claimed_bytes=0, unmade_bytes=0) for place in there]
    assert fitting <= {place.id for place in creatable(want, emptier)[0]}


@given(st.integers(1, 2), accounts, st.booleans(), st.booleans())
def test_wipe(account_id: int, writer_id: int | None, clean: bool, keep_data: bool) -> None:
    """Nobody finds what another account wrote; their own they find only if they ask for it."""
    volume = FreeVolume(1, 1, GIB, DiskFormat.RAW, None, writer_id, clean)
    unwiped = not volume.needs_wipe(account_id, keep_data=keep_data)
    assert unwiped == (clean or (keep_data and writer_id == account_id))
