"""
What ``cm/views/errors.json`` and ``clm/views/errors.json`` hold: for each view the errors that it can answer with. What
its code raises is read by ``raises.py``; what stands between the wire and every view is listed here.

``PYTHONPATH=. python docs/errors.py FILE`` names those that no test met: of what views do themselves, by what the tests
gathered in ``WAWEL_ERRORS_SEEN=FILE`` (``tests/support/answers.py``).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

from clm.rules.permission import GATES, PermissionNeeded
from clm.rules.scope import SESSION_ONLY, ScopeNeeded, SessionNeeded
from clm.services.authenticator import CloudAuthenticator
from clm.services.forward import Forwarder
from clm.views.forward import forwarded_views
from cm.operations import register_kinds
from cm.rpc.errors import (
    CloudError,
    DatabaseUnavailable,
    DeadlineExceeded,
    DiskHeld,
    Incident,
    InUse,
    InvalidParameter,
    MalformedRequest,
    NotAuthenticated,
    NotSupported,
    ObjectNotFound,
    Overloaded,
    RateLimited,
    RequestIdReused,
    RoleNeeded,
    Stopping,
    TooLarge,
    TooManyAtOnce,
    TooManySnapshots,
    UnknownMethod,
    VersionChanged,
    VMBusy,
    WrongDiskState,
    WrongImageState,
    WrongVMState,
)
from cm.rpc.introspection import MULTICALL
from cm.rpc.view import Registry, View
from cm.rpc.vocabulary import Role
from cm.rules.access import AccessNeeded
from cm.runtime.database import CommitUnknown
from cm.services.authenticator import DatabaseAuthenticator
from raises import Raises
from values import Bound

Errors = Set[type[CloudError]]

WIRE: Errors = {
    InvalidParameter, NotAuthenticated, TooLarge, TooManyAtOnce, Overloaded, Stopping, DeadlineExceeded,
    DatabaseUnavailable, Incident,
}  # fmt: skip
CHANGING: Errors = {RateLimited, RequestIdReused, CommitUnknown}
OWN: Mapping[str, Errors] = {
    "system.methodSignature": {UnknownMethod},
    "system.methodHelp": {UnknownMethod},
    MULTICALL: {MalformedRequest},
}


# What the reading cannot know of a view: pattern → what cannot happen, though some way through its code leads there.
NEVER: Mapping[str, tuple[Errors, str]] = {
    r"(user|admin)\.vm\.(?!create|adopt|save$)": (
        {WrongImageState, InUse},
        "their operations have a VM to themselves, and of that kind of object VMBusy is told",
    ),
    r"(?!admin\.system_image\.copy)\w+\.(\w+_image|storage)\.(?!attach_or_create)": (
        {VMBusy},
        "their operations are about no VM, but for copies of what is a VM's disk",
    ),
    r"admin\.storage\.|admin\.node\.evacuate": ({WrongImageState}, "their operations are about no image"),
    r"user\.disk\.operations": (
        {
            AccessNeeded, DiskHeld, InUse, NotSupported, ObjectNotFound, TooManySnapshots, VMBusy, WrongDiskState,
            WrongVMState,
        },
        "they are told in its answer",
    ),  # fmt: skip
    r"user\.(snapshot|system_image)\.operations": ({AccessNeeded, ObjectNotFound}, "likewise"),
    r"admin\.": ({AccessNeeded}, "an administrator has every level on every object"),
}


_read: dict[str, frozenset[type[CloudError]]] = {}  # before that is left out


def superfluous() -> list[str]:
    """Of ``NEVER`` what would not be read off the code anyway."""
    return [
        f"{pattern}: {error.code}"
        for pattern, (errors, _) in NEVER.items()
        for error in errors
        if not any(error in found for name, found in _read.items() if re.match(pattern, name))
    ]


def cluster_cases() -> str:
    """A cluster manager's."""
    register_kinds()
    raises = Raises()
    every = WIRE | raises.of(Bound(DatabaseAuthenticator.authenticate, DatabaseAuthenticator))
    known: Errors = {RoleNeeded}
    own = {view.name: _own(view, raises, every | known) for view in Registry.collect("cm.views")}
    return _text(every, known, {**own, **OWN}, set())


def cloud_cases() -> str:
    """A cloud manager's. What a cluster answers besides to a call that is passed on stands in the clusters' table."""
    raises = Raises()
    every = WIRE | raises.of(Bound(CloudAuthenticator.authenticate, CloudAuthenticator))
    known: Errors = {RoleNeeded, ScopeNeeded}
    registry = Registry.collect("clm.views")
    own: dict[str, Errors] = {view.name: _own(view, raises, every | known) for view in registry}
    for view in (*registry, *forwarded_views(registry)):
        more: Errors = {RateLimited} if view.role is Role.GUEST else set()
        more |= {PermissionNeeded} if view.name in GATES else set()
        more |= {SessionNeeded} if view.name in SESSION_ONLY else set()
        if more:
            own[view.name] = own.get(view.name, set()) | more
    passed_on = raises.of(Bound(Forwarder.forward, Forwarder)) - every - known
    return _text(every, known, {**own, **OWN}, passed_on)


def _own(view: View, raises: Raises, common: Errors) -> Errors:
    found = raises.of(view.function, *([view.outside[1]] if view.outside else [])) - common
    _read[view.name] = frozenset(found)
    for pattern, (errors, _) in NEVER.items():
        if re.match(pattern, view.name):
            found -= errors
    if view.changing:
        found -= CHANGING
        # There is no plan of what is asked outside.
        return found | ({NotSupported} if view.is_async or view.outside else set())
    return found - {VersionChanged}  # of what changes nothing no version can be asked for


def _text(every: Errors, known: Errors, views: Mapping[str, Errors], passed_on: Errors) -> str:
    used = set().union(every, known, CHANGING, passed_on, *views.values())
    groups = {"every": every, "known": known, "changing": CHANGING, "passed_on": passed_on}
    cases = (f"{_line(each.code)}: {_line(told(each))}" for each in sorted(used, key=lambda each: each.code))
    lines = (f"{_line(name)}: {_line(_codes(found))}" for name, found in sorted(views.items()))
    heads = "".join(f'"{name}": {_line(_codes(found))},\n' for name, found in groups.items())
    return f'{{"cases": {{\n{_lines(cases)}\n}},\n{heads}"views": {{\n{_lines(lines)}\n}}}}\n'


def told(error: type[CloudError]) -> dict[str, object]:
    more = {"retry": True} if error.retry else {}
    return {"number": error.number, "message": error.message, **more}


def _codes(found: Errors) -> list[str]:
    return sorted(each.code for each in found)


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lines(lines: Iterable[str]) -> str:
    return ",\n".join(lines)


def unseen(lines: Iterable[str]) -> list[str]:
    """Of what views can answer with by what they do: how much was met, and what was not."""
    met = {tuple(line.split()) for line in lines}
    every = {(view.name, case.code) for name in ("cm", "clm") for view in Registry.collect(f"{name}.views")
             for case in view.errors}  # fmt: skip
    rest = sorted(every - met)
    return [f"{len(every) - len(rest)} of {len(every)} were met; not:", *(f"{name} {code}" for name, code in rest)]


if __name__ == "__main__":
    print("\n".join(unseen(Path(sys.argv[1]).read_text().splitlines())))
