"""How a call finds its cluster."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.forward import (
    Place,
    Row,
    check_everywhere,
    fits,
    id_shape,
    noun,
    reason_left_out,
    settle,
    uuids_in,
    with_uuid,
)
from cm.rpc.errors import InvalidParameter, ObjectNotFound

ID = {"type": "integer", "minimum": 1}
NULL = {"type": "null"}
ROW = Row("user.vm.x", False, True, {"vm_id": "one", "disk_list": "many"})
LIST = Row("user.vm.get_list", False, False, {"node_id": "one"})

uuids = st.uuids().map(str)
values = st.one_of(st.integers(), uuids, st.text(max_size=5), st.none())


@pytest.mark.parametrize(
    "name, schema, shape",
    [
        ("vm_id", ID, "one"),
        ("node_id", {"anyOf": [ID, NULL]}, "one"),
        ("vm_ids", {"type": "array", "items": ID}, "many"),
        ("iso_list", {"anyOf": [{"type": "array", "items": ID}, NULL]}, "many"),
        ("group_id", ID, None),
        ("request_id", {"type": "string"}, None),
        ("limit", ID, None),
        ("before", ID, None),
    ],
)
def test_id_shape(name: str, schema: dict[str, Any], shape: str | None) -> None:
    """Ids of a cluster's objects are known by name and type; groups are the cloud's own."""
    assert id_shape(name, schema) == shape


def test_with_uuid() -> None:
    """An id's schema takes a uuid too, and keeps what it took."""
    text = {"type": "string", "format": "uuid"}
    assert with_uuid(ID, "one") == {"anyOf": [ID, text]}
    assert with_uuid({"anyOf": [ID, NULL], "description": "d"}, "one") == {
        "anyOf": [ID, text, NULL],
        "description": "d",
    }
    many = with_uuid({"type": "array", "items": ID, "maxItems": 3}, "many")
    assert many == {"type": "array", "items": {"anyOf": [ID, text]}, "maxItems": 3}


@pytest.mark.parametrize(
    "named, kind, good",
    [
        ("vm", "vm", True),
        ("vm", "image", False),
        ("image", "system_image", True),
        ("iso", "image", True),
        ("disk", "vm", False),
        ("disk", "image", False),
        ("disk", "disk", True),
        (noun("disk_list", {}), "image", True),
        (noun("disk_list", {}), "disk", False),
        ("user", "user", True),
    ],
)
def test_fits(named: str, kind: str, good: bool) -> None:
    """An object of another kind has an id that means another object: it does not fit."""
    assert fits(named, kind) is good


@given(one=values, many=st.lists(values, max_size=6), clusters=st.integers(1, 3))
def test_settle(one: Any, many: list[Any], clusters: int) -> None:
    """Every uuid is replaced by its id, everything else stays, and the cluster is the one that all are in."""
    arguments = {"vm_id": one, "disk_list": many, "name": "x"}
    found = uuids_in(ROW, arguments)
    places = {known: Place(1, "vm" if named == "vm" else "image", 7) for known, named in found.items()}
    if not found:
        return
    made, where = settle(ROW, arguments, places, {1: "alpha"})
    assert where == 1 and made["name"] == "x" and not uuids_in(ROW, made)
    assert [a for a in many if a not in found] == [
        b for a, b in zip(many, made["disk_list"], strict=True) if a not in found
    ]


@given(first=uuids, second=uuids)
def test_two_clusters(first: str, second: str) -> None:
    """Objects of two clusters are in no call together."""
    if first == second:
        return
    places = {first: Place(1, "vm", 1), second: Place(2, "image", 1)}
    with pytest.raises(InvalidParameter, match="two clusters, alpha and beta"):
        settle(ROW, {"vm_id": first, "disk_list": [second]}, places, {1: "alpha", 2: "beta"})


def test_wrong_kind() -> None:
    """The uuid of an image is no VM's, whatever its id."""
    known = str(uuid.uuid4())
    with pytest.raises(ObjectNotFound) as refused:
        settle(ROW, {"vm_id": known}, {known: Place(1, "image", 3)}, {1: "alpha"})
    assert (refused.value.kind, refused.value.object_id) == ("vm", known)


def test_kind_beside() -> None:
    """Where the kind is said beside the id, a uuid of another kind is not found: its id would be another object's."""
    row = Row("user.acl.set", False, True, {"object_id": "one"})
    known = str(uuid.uuid4())
    places = {known: Place(1, "image", 3)}
    made, where = settle(row, {"kind": "image", "object_id": known}, places, {1: "alpha"})
    assert (made["object_id"], where) == (3, 1)
    with pytest.raises(ObjectNotFound):
        settle(row, {"kind": "vm", "object_id": known}, places, {1: "alpha"})


def test_forms_of_a_uuid() -> None:
    """Upper case and braces are the same uuid; an integer in text is none."""
    known = str(uuid.uuid4())
    assert uuids_in(ROW, {"vm_id": known.upper()}) == {known: "vm"}
    assert uuids_in(ROW, {"vm_id": "12", "disk_list": ["3", 4, None]}) == {}


def test_everywhere() -> None:
    """Lists alone are of all clusters, without ids and pages."""
    check_everywhere(LIST, {"limit": 3, "node_id": None})
    for row, arguments in ((ROW, {}), (LIST, {"node_id": 3}), (LIST, {"before": 3})):
        with pytest.raises(InvalidParameter):
            check_everywhere(row, arguments)


def test_left_out() -> None:
    """Whoever reads the table finds the reason."""
    assert reason_left_out("guest.session.login") and reason_left_out("admin.trust.add")
    assert reason_left_out("user.vm.create") is None


def test_noun() -> None:
    """What is not there is called as its parameter is; ``object_id`` as another parameter says."""
    assert noun("vm_ids", {}) == "vm" and noun("iso_list", {}) == "iso" and noun("name", {}) == "name"
    assert noun("object_id", {"kind": "image"}) == "image" and noun("object_id", {"kind": 3}) == "object"
