"""The schema of a cloud's database: brought to this version."""

from __future__ import annotations

from sqlalchemy import Engine

import sql.clm
from cm.runtime import migrate as runtime


def migrate(engine: Engine) -> tuple[str | None, str | None]:
    """
    Apply what is missing.

    :return: the revision before and after.
    """
    return runtime.migrate(engine, sql.clm)
