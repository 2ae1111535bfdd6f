"""Which views there are, and which of them the simulation does not call, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cm.rpc.view import Registry

# Reading views.
NOT_READ: Final[Mapping[str, str]] = {
    "guest.session.login": "a password takes a second of true time to check; tests/postgres and tests/functional do",
    "guest.oidc.begin": "takes a provider; tests/postgres has one",
    "guest.oidc.finish": "takes a provider; tests/postgres has one",
    "admin.cloud.get_users": "the cloud manager itself calls it each time it compares its people with the cluster's",
    "guest.user.check_token": "its tokens come by mail, which is not in it; tests/postgres",
}


def reading() -> frozenset[str]:
    """The names of all views that change nothing, of both managers."""
    return frozenset(
        view.name for package in ("cm.views", "clm.views") for view in Registry.collect(package) if not view.changing
    )


def unread(called: Iterable[str]) -> list[str]:
    """What is wrong with a list of the reading views that were called."""
    names, called = reading(), frozenset(called)
    wrong = [f"{name} was never called, and no reason is told" for name in names - called - NOT_READ.keys()]
    wrong += [f"{name} is said not to be called, and was" for name in NOT_READ.keys() & called]
    return sorted(wrong + [f"{name} is no reading view" for name in NOT_READ.keys() - names])
