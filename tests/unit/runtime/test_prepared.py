"""Prepared statements: their names, and that their results and errors are what SQLAlchemy's are."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import clm
import cm
import contextualization
from cm.runtime import prepared
from cm.runtime.prepared import Prepared, Result


def test_names_are_unique() -> None:
    """A connection knows a statement by its name: no two of the whole program have one name."""
    before = len(prepared._names)
    for program in (cm, clm, contextualization):
        for module in pkgutil.walk_packages(program.__path__, f"{program.__name__}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    assert len(prepared._names) >= max(before, 50)
    Prepared("test_names", "SELECT 1")
    for statement in ("SELECT 1", "SELECT 2"):  # the same one under one name is a copy
        with pytest.raises(ValueError, match="test_names"):
            Prepared("test_names", statement)


def test_parameters() -> None:
    """Casts and array slices are no parameters; a parameter that comes twice is one; digits belong to names."""
    made = Prepared("test_parameters", "SELECT :a::text, CAST(:b2 AS int), :a, '12:30'")
    assert made.parameters == ["a", "b2"]
    assert made._prepare == "PREPARE test_parameters AS SELECT $1::text, CAST($2 AS int), $1, '12:30'"


def test_results() -> None:
    """What is asked of no row, one and two."""
    none, one, two = (Result([("x", 1)] * count, count) for count in range(3))
    assert (none.first(), one.first(), none.scalar(), two.scalars()) == (None, ("x", 1), None, ["x", "x"])
    assert one.scalar_one() == "x"
    for wrong in (none, two):
        with pytest.raises(Exception, match="row"):
            wrong.one()
