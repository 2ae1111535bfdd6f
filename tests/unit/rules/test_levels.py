"""Levels: the tables are total, more grants never take away, and nobody gives what they do not stand above."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cm.rules.access import (
    NEEDS,
    RANK,
    Action,
    Grant,
    Level,
    Person,
    Shared,
    enough,
    highest,
    level_of,
    needed_to_grant,
)
from cm.rules.operation import SPECS, ObjectKind, OperationKind

IDS = st.integers(1, 4)
ISSUERS = st.sampled_from(["clm-a", "clm-b"])
LEVELS = st.sampled_from(Level)
GRANTS = st.one_of(
    st.builds(Grant, LEVELS, account_id=IDS),
    st.builds(Grant, LEVELS, issuer=ISSUERS, group_id=IDS),
)
PERSONS = st.builds(Person, IDS, st.one_of(st.just(""), ISSUERS), st.frozensets(IDS))
MAYBE = st.one_of(st.none(), LEVELS)


def rank(level: Level | None) -> int:
    return 0 if level is None else RANK[level]


def test_every_operation_has_an_action() -> None:
    """What is done to VMs and images needs a level, by its kind; storages are nobody's, a farm is its VMs."""
    actions = {kind: spec.action for kind, spec in SPECS.items() if spec.action is not None}
    assert set(OperationKind) - set(actions) == {
        OperationKind.STORAGE_ATTACH,
        OperationKind.IMAGE_CACHE,
        OperationKind.VOLUME_DELETE,
        OperationKind.NODE_EVACUATE,
        OperationKind.FARM_LAUNCH,
    }
    for kind, action in actions.items():
        about = SPECS[kind].holds + SPECS[kind].shares
        assert (Shared.VM if ObjectKind.VM in about else Shared.IMAGE, action) in NEEDS


def test_every_action_is_somebodys() -> None:
    """No action stands in no row, and whoever sees an object is at least its user."""
    assert {action for _, action in NEEDS} == set(Action)
    for shared in Shared:
        assert NEEDS[shared, Action.SEE] is Level.USER


@given(PERSONS, IDS, st.lists(GRANTS), GRANTS, st.booleans())
def test_more_never_lowers(person: Person, owner: int, grants: list[Grant], more: Grant, public: bool) -> None:
    """One more grant, or being public, leaves everybody at least what they had."""
    before = rank(level_of(person, owner, grants, public))
    assert rank(level_of(person, owner, [*grants, more], public)) >= before
    assert rank(level_of(person, owner, grants, True)) >= before


@given(PERSONS, st.lists(GRANTS), st.booleans())
def test_own_account(person: Person, grants: list[Grant], public: bool) -> None:
    """An object's own account is its owner, whatever was granted or taken away."""
    assert level_of(person, person.account_id, grants, public) is Level.OWNER
    assert level_of(person, person.account_id, []) is Level.OWNER


@given(PERSONS, IDS, st.lists(GRANTS))
def test_only_what_is_meant(person: Person, owner: int, grants: list[Grant]) -> None:
    """Grants for others, for groups one is not in, or for another issuer's group of that number, are nothing."""
    theirs = [
        grant
        for grant in grants
        if grant.account_id == person.account_id
        or (grant.group_id in person.groups and grant.issuer == person.issuer and person.issuer)
    ]
    expected = Level.OWNER if person.account_id == owner else highest(grant.level for grant in theirs)
    assert level_of(person, owner, grants) is expected


@given(MAYBE, MAYBE)
def test_granting(was: Level | None, becomes: Level | None) -> None:
    """Who may change a level stands above the old and the new; only owners make and unmake their equals."""
    needs = needed_to_grant(was, becomes)
    assert enough(needs, Level.OPERATOR)
    for level in (was, becomes):
        if level is not None and level is not Level.OWNER:
            assert RANK[needs] > RANK[level]
    assert needed_to_grant(becomes, was) is needs
    if Level.OWNER in (was, becomes) or Level.OPERATOR in (was, becomes):
        assert needs is Level.OWNER


@given(MAYBE, LEVELS)
def test_enough(level: Level | None, needs: Level) -> None:
    """Nobody without a level has enough; a higher level is always enough."""
    assert enough(level, needs) == (rank(level) >= RANK[needs])
    assert enough(Level.OWNER, needs) and not enough(None, needs)
