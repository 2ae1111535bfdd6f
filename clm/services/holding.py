"""What somebody still has on the clusters."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, FirstError, gatherResults

from clm.drivers.cluster import ClusterConnection
from clm.services.connection import service_identity
from clm.services.context import Services


async def holdings(services: Services, user_id: int) -> dict[str, str]:
    """
    By the name of the cluster, in words; only where there is something. All clusters are asked, locked ones too.

    :raises Unavailable: one of them does not answer, so that nobody knows.
    """
    connections = services.clusters.all()
    asked = [Deferred.fromCoroutine(_on(connection, user_id)) for connection in connections]
    try:
        told = await gatherResults(asked, consumeErrors=True)
    except FirstError as error:
        raise error.subFailure.value from None
    return {connection.facts.name: what for connection, what in zip(connections, told, strict=True) if what}


async def _on(connection: ClusterConnection, user_id: int) -> str:
    # The one account that follows the number before theirs: theirs, if the cluster knows them.
    params: dict[str, Any] = {"limit": 1, **({"after": str(user_id - 1)} if user_id > 1 else {})}
    answer = await connection.call(service_identity(), "admin.cloud.get_users", params)
    found = connection.read_as(answer, list[dict[str, Any]])
    if not found or found[0]["external_id"] != str(user_id):
        return ""
    answer = await connection.call(service_identity(), "admin.user.check_quota", [found[0]["user_id"]])
    quota = connection.read_as(answer, dict[str, Any])
    vms, storage_mib = quota["used_vms"], quota["used_storage_mib"]
    return f"{vms} VMs and {storage_mib} MiB" if vms or storage_mib else ""
