"""What a cluster has still to be told of people: the plan converges, whatever is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clm.rules.sync import NO_QUOTAS, QUOTAS, Account, agrees, applied, plan, without_newer

ids = st.integers(1, 6)
quota = st.none() | st.integers(0, 3)
wanted_accounts = st.builds(
    Account,
    user_id=st.just(0),
    login=st.sampled_from("ab"),
    name=st.sampled_from("xy"),
    active=st.booleans(),
    version=st.integers(1, 5),
    quotas=st.tuples(*[quota] * len(QUOTAS)),
)
seen_accounts = st.builds(
    Account,
    user_id=st.just(0),
    login=st.sampled_from("ab"),
    name=st.sampled_from("xy"),
    active=st.booleans(),
    version=st.integers(0, 9),
    quotas=st.tuples(*[st.integers(0, 3)] * len(QUOTAS)),
)


def known(accounts: dict[int, Account]) -> dict[int, Account]:
    from dataclasses import replace

    return {user_id: replace(account, user_id=user_id) for user_id, account in accounts.items()}


def told(wanted: dict[int, Account], seen: dict[int, Account]) -> tuple[dict[int, Account], dict[int, Account]]:
    """Both sides after one plan."""
    from dataclasses import replace

    made = plan(wanted, seen)
    ours = {
        user_id: replace(account, version=made.raised.get(user_id, account.version))
        for user_id, account in wanted.items()
    }
    theirs = dict(seen)
    for put in made.puts:
        after = applied(put, theirs.get(put.user_id))
        assert after is not None
        defaults = tuple(1 if each is None else each for each in after.quotas)
        theirs[put.user_id] = replace(after, quotas=defaults)
    return ours, theirs


@given(st.dictionaries(ids, wanted_accounts), st.dictionaries(ids, seen_accounts))
def test_converges(wanted: dict[int, Account], seen: dict[int, Account]) -> None:
    """Told once, the cluster is as it should be, and a second plan is empty."""
    ours, theirs = told(known(wanted), known(seen))
    assert plan(ours, theirs).is_empty
    for user_id, account in ours.items():
        assert agrees(account, theirs[user_id])
    for user_id, account in theirs.items():
        assert user_id in ours or not account.active


@given(st.dictionaries(ids, wanted_accounts), st.dictionaries(ids, seen_accounts))
def test_touches_what_differs(wanted: dict[int, Account], seen: dict[int, Account]) -> None:
    """What agrees is not sent."""
    wanted, seen = known(wanted), known(seen)
    for put in plan(wanted, seen).puts:
        there, account = seen.get(put.user_id), wanted.get(put.user_id)
        assert there is None or account is None or not agrees(account, there)


def test_backup() -> None:
    """A cluster that knows a later record than we do, since ours came from a backup, gets ours with a later version."""
    ours = Account(1, "ann", "Ann", True, 2)
    theirs = Account(1, "ann", "Ann", False, 5, (1,) * len(QUOTAS))
    made = plan({1: ours}, {1: theirs})
    assert made.raised == {1: 6} and made.puts[0].version == 6 and made.puts[0].active


def test_stranger() -> None:
    """Somebody whom only the cluster knows is blocked there, once."""
    made = plan({}, {3: Account(3, "eve", "", True, 4, (1,) * len(QUOTAS))})
    assert made.strangers == {3} and not made.puts[0].active and made.puts[0].quotas == NO_QUOTAS
    assert plan({}, {3: Account(3, "eve", "", False, 5, (1,) * len(QUOTAS))}).is_empty


def test_a_cluster_of_an_earlier_release() -> None:
    """What it does not tell of a user agrees with whatever is wanted; it can be told of the rest."""
    ours, theirs = Account(1, "ann", "", True, 2, (1, 2, 3, 4, 5)), Account(1, "ann", "", True, 2, (1, 2, 3, 4, None))
    assert agrees(ours, theirs) and without_newer(ours).quotas == theirs.quotas
    assert plan({1: ours}, {1: Account(1, "ann", "", True, 2, (1, 2, 3, 4, 6))}).puts == (ours,)
