"""What a disk's volumes stand on, and how a snapshot's goes without anything else being lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cm.rules.snapshot import Removal, Step, Tree, removal

# 9 is an image's volume. A disk with three snapshots; one that was taken back to the first of three.
LINE = Tree(4, {1: 9, 2: 1, 3: 2, 4: 3})
BACK = Tree(5, {1: 9, 2: 1, 3: 2, 5: 1})


def test_line() -> None:
    """What stands on the last takes its content; what stands between is merged down, with what is written to open."""
    assert removal(LINE, 3) == Step(Removal.PULL, 4, 4)
    assert removal(LINE, 2) == Step(Removal.COMMIT, 3, 4)
    assert removal(LINE, 1) == Step(Removal.COMMIT, 2, 4)
    assert removal(LINE, 4) == Step(Removal.FORGET)
    assert LINE.path == [4, 3, 2, 1]


def test_beside() -> None:
    """What two stand on stays; later snapshots that were left are merged without what is written to."""
    assert removal(BACK, 1) is None
    assert removal(BACK, 2) == Step(Removal.PULL, 3, 3)
    assert removal(BACK, 3) == Step(Removal.DROP)
    assert BACK.path == [5, 1]


def test_below_a_fork() -> None:
    """What is below a fork is not merged: of two that stand on what would go only one could be told."""
    assert removal(Tree(5, {1: 9, 2: 1, 3: 2, 4: 3, 5: 2}), 1) is None


Trees = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=12)


def grown(choices: list[tuple[int, bool]]) -> Tree:
    """Volumes that stand on one before them; the disk is written to one that none stands on."""
    backing: dict[int, int | None] = {1: None}
    for number, (below, _) in enumerate(choices, start=2):
        backing[number] = 1 + below % (number - 1)
    leaves = [volume for volume in backing if volume not in backing.values()]
    return Tree(leaves[choices[0][0] % len(leaves)], backing)


def content(tree: Tree, volume: int) -> list[int]:
    """What a volume reads as: all that was written to it and below."""
    found: list[int] = []
    at: int | None = volume
    while at is not None:
        found.append(at)
        at = tree.backing[at]
    return sorted(found)


@given(Trees, st.integers(0, 100))
def test_nothing_is_lost(choices: list[tuple[int, bool]], which: int) -> None:
    """Whatever goes, all others hold what they held; and the disk is written to the same volume."""
    tree = grown(choices)
    volumes = [volume for volume in tree.backing if volume != tree.current]
    if not volumes:
        return
    gone = volumes[which % len(volumes)]
    step = removal(tree, gone)
    above = tree.above(gone)
    if step is None:
        assert len(above) > 1 or len(tree.above(above[0])) > 1
        return
    if step.how is Removal.DROP:
        assert above == []
    else:
        assert above == [step.upper]
        assert step.leaf not in tree.backing.values()  # nothing stands on what is opened to write
        assert gone in content(tree, step.leaf) and step.upper in content(tree, step.leaf)
        assert step.how is (Removal.COMMIT if tree.above(step.upper) else Removal.PULL)
        if step.how is Removal.PULL:
            assert step.leaf == step.upper
    assert step.how is not Removal.FORGET
