"""What anybody may know of the cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

from cm.rpc.view import guest_view
from cm.services.context import ClusterCall


@cache
def _version() -> str:
    try:
        return metadata.version("wawel")
    except metadata.PackageNotFoundError:
        return "unreleased"


@guest_view
def get_info(caller: ClusterCall) -> dict[str, Any]:
    """The cluster's name, its version and its clock."""
    return {"name": caller.policy.name, "version": _version(), "time": datetime.now(UTC)}
