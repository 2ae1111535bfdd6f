"""Another size for a VM that runs: what modules it takes, and which are given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import InvalidParameter, NotPrepared
from cm.rules.sizing import (
    MODULE_MIB,
    MODULES_MAX,
    Ceiling,
    Size,
    check_ceiling,
    check_live,
    kept,
    modules_for,
    modules_to_leave,
)

sizes = st.builds(Size, st.integers(1, 16), st.integers(1, 8192))
ceilings = st.builds(Ceiling, st.integers(0, 16), st.integers(0, 8192))


@given(st.integers(0, 2**12), st.integers(0, MODULES_MAX))
def test_modules_for(blocks: int, slots: int) -> None:
    """They are so much altogether, whole blocks, and no more than there are slots, where there is one at all."""
    made = modules_for(blocks * MODULE_MIB, slots)
    assert sum(made) == blocks * MODULE_MIB and all(each % MODULE_MIB == 0 for each in made)
    assert len(made) <= max(slots, 1)


@given(st.lists(st.integers(1, 8).map(lambda n: n * MODULE_MIB), max_size=8), st.integers(1, 32))
def test_modules_to_leave(modules: list[int], blocks: int) -> None:
    """Those that are there, each once, and exactly so much; what was given can be taken."""
    found = modules_to_leave(modules, blocks * MODULE_MIB)
    if found is not None:
        assert sum(found) == blocks * MODULE_MIB
        left = list(modules)
        for each in found:
            left.remove(each)
    given = modules_for(blocks * MODULE_MIB, MODULES_MAX)
    assert modules_to_leave(given, blocks * MODULE_MIB) == given


@given(sizes, sizes, ceilings)
def test_live(now: Size, wanted: Size, ceiling: Ceiling) -> None:
    """Up to what it was prepared for, and in whole steps; what was not is as it is, and never less."""
    fits = wanted.cpu == now.cpu or wanted.cpu <= ceiling.max_cpu
    fits = fits and (wanted.memory_mib == now.memory_mib or wanted.memory_mib <= ceiling.max_memory_mib)
    fits = fits and (wanted.memory_mib - now.memory_mib) % MODULE_MIB == 0
    if fits:
        check_live(now, wanted, ceiling)
    else:
        with pytest.raises(NotPrepared):
            check_live(now, wanted, ceiling)
    check_live(now, now, ceiling)
    assert now.most(wanted).cpu == max(now.cpu, wanted.cpu)


@given(sizes, ceilings)
def test_ceiling(size: Size, ceiling: Ceiling) -> None:
    """Nothing, or as much as the size and whole steps more: then each step can be taken."""
    try:
        check_ceiling(size, ceiling)
    except InvalidParameter:
        return
    check_live(size, size.most(Size(ceiling.max_cpu, ceiling.max_memory_mib)), ceiling)


@given(sizes, ceilings)
def test_kept(size: Size, was: Ceiling) -> None:
    """What goes with another size is taken with it; nothing is made up."""
    left = kept(was, size)
    check_ceiling(size, left)
    assert left.max_cpu in (0, was.max_cpu) and left.max_memory_mib in (0, was.max_memory_mib)
