"""What API keys are good for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.permission import DEFAULT, GATES, KNOWN, PermissionNeeded, require_permission, unknown
from clm.rules.scope import SESSION_ONLY, allows, wrong_items
from cm.rpc.view import Registry

NAMES = st.from_regex(r"(user|admin|cloud)\.[a-z_]{1,8}\.[a-z_]{1,8}", fullmatch=True)
ITEMS = st.from_regex(r"(user|admin|cloud)\.([a-z_]{1,8}|\*)\.([a-z_]{0,4}\*?)", fullmatch=True)


@given(st.lists(ITEMS | st.sampled_from(["all", "read"]), max_size=4), NAMES, st.booleans())
def test_monotonous(scope: list[str], view: str, changing: bool) -> None:
    """More items never allow less; what changes nothing is never less allowed; nothing allows nothing."""
    assert not allows([], view, changing)
    if allows(scope[:-1], view, changing):
        assert allows(scope, view, changing)
    if allows(scope, view, True):
        assert allows(scope, view, False)
    assert allows([*scope, "all"], view, changing)


@given(NAMES, NAMES, st.booleans())
def test_exact(item: str, view: str, changing: bool) -> None:
    """A name stands for that view alone: neither dots nor anything else in it is a pattern."""
    assert allows([item], view, changing) == (item == view)
    assert allows([item], item, changing)


@given(NAMES, st.booleans())
def test_patterns(view: str, changing: bool) -> None:
    role, noun, function = view.split(".")
    assert allows([f"{role}.{noun}.*"], view, changing) and allows([f"{role}.*"], view, changing)
    assert allows([f"*.{function}"], view, changing) and allows([f"{role}.*.{function}"], view, changing)
    assert not allows([f"{role}x.*"], view, changing) and not allows([f"{role}.{noun}"], view, changing)
    assert allows(["read"], view, changing) == (not changing)


@pytest.mark.parametrize(
    ("item", "good"),
    [("all", True), ("user.vm.*", True), ("*.get_list", True), ("user.vm.create", True), ("", False),
     ("user.vm.create.more", False), ("user vm", False), ("user.vm.*\n", False), ("[a-z]", False)],
)  # fmt: skip
def test_items(item: str, good: bool) -> None:
    assert (wrong_items([item]) == []) == good


@given(st.text(max_size=30), NAMES)
def test_no_item_breaks(item: str, view: str) -> None:
    """Whatever is stored as a scope, asking it is no error, and without a star or a word it is a name."""
    if "*" not in item and item not in ("all", "read"):
        assert allows([item], view, True) == (item == view)
    else:
        allows([item], view, True)


def test_permissions() -> None:
    """Each gate needs its permission and no other; what has none is open to all."""
    for view, needed in GATES.items():
        require_permission(view, frozenset({needed}))
        with pytest.raises(PermissionNeeded):
            require_permission(view, frozenset(KNOWN) - {needed})
    require_permission("user.vm.get_list", frozenset())
    assert set(GATES.values()) == set(KNOWN) == set(DEFAULT)
    assert unknown(["share", "fly", "cloud_create"]) == ["fly"]


def test_names_are_views() -> None:
    """What is kept from keys by name is there under that name."""
    names = set(Registry.collect("clm.views").names())
    assert names >= SESSION_ONLY
    own = {name for name in GATES if name.split(".")[1] in ("group", "api_key")}
    assert names >= own
