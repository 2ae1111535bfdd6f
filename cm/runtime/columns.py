"""What the mappings of every database share: the naming rule of constraints, Python's types as columns, shorthands."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Final

from sqlalchemy import BigInteger, DateTime, Identity, Text, Uuid, text
from sqlalchemy.orm import mapped_column

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
TYPES: Final[dict[Any, Any]] = {
    str: Text,
    int: BigInteger,
    datetime: DateTime(timezone=True),
    uuid.UUID: Uuid,
}

Key = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
NewUuid = Annotated[uuid.UUID, mapped_column(Uuid, unique=True, server_default=text("gen_random_uuid()"))]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]
Zero = Annotated[int, mapped_column(BigInteger, server_default=text("0"))]
No = Annotated[bool, mapped_column(server_default=text("false"))]
Empty = Annotated[str, mapped_column(Text, server_default=text("''"))]
