"""Use cases of images that are made of what is in buckets."""

from __future__ import annotations

from typing import Any, Final

from cm.results.image import ImageWork
from cm.rpc.vocabulary import ImageAccess, SourceFormat
from cm.services.bucket import find_readable
from cm.services.context import ClusterCall
from cm.services.image import begin_import, refuse_many
from cm.services.storage import chosen_storage

FILENAME_MAX: Final = 255


def import_object(
    caller: ClusterCall, bucket_id: int, key: str, format: SourceFormat | None, values: dict[str, Any]
) -> ImageWork:
    """
    Import what is in a bucket of the caller's, as it is now.

    :raises ObjectNotFound: there is no such bucket or object of theirs.
    :raises TooManyAtOnce: NoStorage: StorageFull: as ``image.import_own``.
    """
    refuse_many(caller)
    row, _ = find_readable(caller.session, caller.account_id, bucket_id, key)
    storage_id = chosen_storage(caller, row.size_bytes)
    arguments = {"object": row.uuid, "filename": key.rpartition("/")[2][:FILENAME_MAX], "format": format}
    return begin_import(caller, storage_id, {**values, "access": ImageAccess.PRIVATE}, arguments)
