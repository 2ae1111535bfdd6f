"""What a VM template says and has of its parents; chains without end; names of versions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import NAME_MAX, TemplateField
from cm.rules.vm_template import DEPTH_MAX, check_parent, effective, next_version

SAID = st.fixed_dictionaries({name.value: st.none() | st.integers() for name in TemplateField})


@given(st.lists(SAID, min_size=1, max_size=DEPTH_MAX))
def test_the_nearest_says(chain: list[dict[str, Any]]) -> None:
    """Each field is that of the first that says it, and is always there."""
    told = effective(chain)
    assert set(told) == {name.value for name in TemplateField}
    for name, value in told.items():
        said = [link[name] for link in chain if link[name] is not None]
        assert value == said[0] if said else value in (None, [], {})


def test_an_empty_list_is_said() -> None:
    """Whoever says that there are none does not ask its parent."""
    nothing = {name.value: None for name in TemplateField}
    assert effective([{**nothing, "new_disks": []}, {**nothing, "new_disks": [64]}])["new_disks"] == []


def test_parents() -> None:
    """A chain has neither itself in it nor more than the bound."""
    check_parent(None, range(1, DEPTH_MAX))
    check_parent(9, [1, 2], DEPTH_MAX - 2)
    for wrong in ((1, [1], 1), (1, [2, 1], 1), (None, range(1, DEPTH_MAX + 1), 1), (9, [1, 2], DEPTH_MAX - 1)):
        with pytest.raises(InvalidParameter):
            check_parent(*wrong)


@given(st.text(min_size=1, max_size=NAME_MAX), st.integers(0, 5))
def test_versions_go_up(name: str, saved: int) -> None:
    """Each name is new, and fits."""
    taken = {name}
    for _ in range(saved + 1):
        made = next_version(name, taken)
        assert made not in taken and len(made) <= NAME_MAX
        taken.add(made)


def test_versions() -> None:
    assert next_version("web", {"web"}) == "web v1"
    assert next_version("web v1", {"web v1"}) == "web v2"
    assert next_version("web", {"web v1", "web v2"}) == "web v3"
    assert next_version("web v09", ()) == "web v10"
