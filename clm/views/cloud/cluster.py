"""The clusters that the cloud consists of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.cluster import Cluster
from clm.services import cluster as service
from clm.services.context import AsyncCloudCall, CloudCall
from clm.store.cluster import get_cluster, list_clusters
from cm.rpc.types import Id, Login, Secret
from cm.rpc.view import cloud_view

ClusterName = Annotated[str, Meta(min_length=1, max_length=63, description="A DNS label.")]
Url = Annotated[str, Meta(min_length=1, max_length=500, description="https://host:port; http on loopback alone.")]
Pem = Annotated[
    str, Meta(max_length=100_000, description="Certificates of its authorities, in PEM; else the system's.")
]


@cloud_view(changing=True)
async def add(
    caller: AsyncCloudCall,
    name: ClusterName,
    url: Url,
    login: Login | None = None,
    password: Secret | None = None,
    ca: Pem | None = None,
) -> Cluster:
    """
    Add a cluster. It is asked for its name, which must be this one, and its version; then it has to believe a call of
    this cloud's. Only when all that has gone well is anything written.

    :param login: of an administrator of the cluster, with ``password``: in their name the cluster is told to trust this
        cloud's key. They are not kept. Without them, the cluster's operator has done so: see ``[trust]`` there.
    """
    return await service.add(caller, name, url, login, password, ca)


@cloud_view(changing=True)
async def edit(
    caller: AsyncCloudCall,
    cluster_id: Id,
    name: ClusterName | None = None,
    url: Url | None = None,
    ca: Pem | None = None,
    login: Login | None = None,
    password: Secret | None = None,
) -> Cluster:
    """
    Change what is not null. With another address, name or authority the cluster has to prove itself again.

    :param login: of an administrator of the cluster, with ``password``: it is told to trust this cloud's key again, as
        it has lost it, or the cloud has another.
    """
    return await service.edit(caller, cluster_id, name, url, ca, login, password)


@cloud_view(changing=True)
async def delete(caller: AsyncCloudCall, cluster_id: Id) -> None:
    """
    Take a cluster out of the cloud; it goes on running with all that is on it. Users whose default it was get another.
    """
    await service.delete(caller, cluster_id)


@cloud_view(changing=True)
def lock(caller: CloudCall, cluster_id: Id) -> Cluster:
    """Pass no calls on to a cluster, whoever makes them."""
    return service.set_locked(caller, cluster_id, True)


@cloud_view(changing=True)
def unlock(caller: CloudCall, cluster_id: Id) -> Cluster:
    """Pass calls on again; the cluster is told of all users anew."""
    return service.set_locked(caller, cluster_id, False)


@cloud_view(changing=True)
async def check(caller: AsyncCloudCall, cluster_id: Id) -> Cluster:
    """Look at a cluster now: whether it answers, in which version, and whether it believes this cloud."""
    return await service.check_now(caller, cluster_id)


@cloud_view
def get_list(caller: CloudCall) -> list[Cluster]:
    """The clusters, by name, with their health; ``accounts_due``: users it has still to be told of."""
    return list_clusters(caller.session)


@cloud_view
def get_by_id(caller: CloudCall, cluster_id: Id) -> Cluster:
    """One cluster."""
    return get_cluster(caller.session, cluster_id)
