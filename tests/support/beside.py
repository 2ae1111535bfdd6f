"""A connection to the database that is nobody's but the test's."""

from __future__ import annotations

from typing import Any

import psycopg2
from sqlalchemy.engine import make_url


def connect_beside(url: str) -> Any:
    """
    psycopg2's own connection, whose statements are committed one by one.

    :param url: as SQLAlchemy takes it.
    """
    connection = psycopg2.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    connection.autocommit = True
    return connection
