"""Unique and exclusion constraints as refusals: the database settles races, and the caller is told who was faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg2 import errorcodes
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cm.rpc.errors import CloudError

_TAKEN = (errorcodes.UNIQUE_VIOLATION, errorcodes.EXCLUSION_VIOLATION)


@contextmanager
def refused_by(session: Session, refusals: Mapping[str, CloudError]) -> Iterator[None]:
    """
    Run the block in a savepoint; what one of these constraints (by name) refuses is raised as the error beside it. The
    transaction can go on after it.
    """
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        refusal = refusals.get(getattr(diagnosis, "constraint_name", None) or "")
        if refusal is None or getattr(error.orig, "pgcode", None) not in _TAKEN:
            raise
        raise refusal from error
