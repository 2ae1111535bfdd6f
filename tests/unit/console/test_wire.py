"""The servers that the console's tests talk to take what real managers take, and no other."""

from __future__ import annotations

import pytest

from cm.rpc.parameters import Parameter
from cm.rpc.view import View

from .cluster import Cluster
from .wire import OWN, real_views, views


def differences(ours: View, real: View) -> list[str]:
    """What a caller of ours could do or leave out that the real one would refuse, or the other way round."""
    mine, its = {p.name: p for p in ours.parameters}, {p.name: p for p in real.parameters}
    found = [f"{ours.name} takes {name}" for name in mine.keys() - its.keys()]
    found += [f"{ours.name} does not need {p.name}" for p in its.values() if p.required and not _needs(mine, p.name)]
    found += [f"{ours.name} needs {p.name}" for p in mine.values() if p.required and _may_lack(its, p.name)]
    both = mine.keys() & its.keys()
    found += [f"{ours.name} takes {name} as {mine[name].kind}" for name in both if mine[name].kind != its[name].kind]
    if (ours.role, ours.changing) != (real.role, real.changing):
        found.append(f"{ours.name} is {ours.role}, changing: {ours.changing}")
    return found


def _needs(parameters: dict[str, Parameter], name: str) -> bool:
    return name in parameters and parameters[name].required


def _may_lack(parameters: dict[str, Parameter], name: str) -> bool:
    return name in parameters and not parameters[name].required


@pytest.mark.parametrize("cloud", [False, True], ids=["lone", "cloud"])
def test_as_real(cloud: bool) -> None:
    """Each view is one of the real manager's, of the same level, and takes what that takes, if not all of it."""
    real = real_views(cloud)
    ours = [view for view in views(lambda _: [Cluster("x")], cloud) if view.name not in OWN]
    assert len(ours) > 20
    assert [view.name for view in ours if view.name not in real] == []
    assert [each for view in ours for each in differences(view, real.get(view.name))] == []
