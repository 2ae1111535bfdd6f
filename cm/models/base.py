"""What all mappings of a cluster share."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from cm.runtime.columns import NAMES, TYPES, Empty, Key, NewUuid, No, Now, Yes, Zero

__all__ = ["Base", "Empty", "Key", "NewUuid", "No", "Now", "Yes", "Zero"]


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = TYPES
