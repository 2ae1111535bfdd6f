"""A reader of the graph: what they are told makes what there is, and nothing is told for nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cm.rpc import picture
from cm.rpc.picture import Picture, Told, by_uuid

GRAPHS = st.lists(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["x", "y", "two\nlines", "é"]), max_size=6), max_size=6
)


def text_of(graph: dict[str, str]) -> bytes:
    objects = [{"type": "VM", "UUID": uuid, "name_label": name} for uuid, name in graph.items()]
    return json.dumps(objects, ensure_ascii=False).encode()


def told(events: list[Told]) -> list[tuple[str, dict[str, Any]]]:
    read = [(each.name, json.loads(each.data)) for each in events]
    assert all(name == event["type"] for name, event in read) and not any(b"\n" in each.data for each in events)
    return [(name, event["items"]) for name, event in read]


@given(GRAPHS, st.booleans())
def test_what_there_is(graphs: list[dict[str, str]], small: bool) -> None:
    """Whoever does what they are told has what there is; what enters is told before what exits, and each thing once."""
    was, picture.PIECE_BYTES = picture.PIECE_BYTES, 60 if small else picture.PIECE_BYTES
    try:
        seen: dict[str, str] = {}
        read = Picture()
        for graph in graphs:
            events = told(list(read.turn(by_uuid(text_of(graph)))))
            names = [name for name, _ in events]
            assert names == sorted(names)  # "enter" is before "exit"
            items = [uuid for _, each in events for uuid in each]
            assert len(items) == len(set(items))
            for name, each in events:
                for uuid, item in each.items():
                    if name == "enter":
                        assert seen.get(uuid) != item["name_label"]
                        seen[uuid] = item["name_label"]
                    else:
                        assert item == 0
                        del seen[uuid]
            assert seen == graph
    finally:
        picture.PIECE_BYTES = was


def test_nothing() -> None:
    """Of what came and went in between nothing is told, nor of what is as it was."""
    read = Picture()
    there = by_uuid(text_of({"a": "x"}))
    assert len(list(read.turn(there))) == 1
    assert list(read.turn(there)) == []
