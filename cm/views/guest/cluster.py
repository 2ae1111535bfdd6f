"""What anybody may know of the cluster."""

from __future__ import annotations

from cm.results.cluster import ClusterInfo, IdentityCertificate
from cm.rpc.view import guest_view
from cm.rpc.vocabulary import PROTOCOL
from cm.runtime.program import release
from cm.runtime.wall import utc_now
from cm.services.context import ClusterCall
from cm.store.identity import find_identity


@guest_view
def get_info(caller: ClusterCall) -> ClusterInfo:
    """The cluster's name, its version, the version of what it and its cloud manager say to each other, its clock."""
    now = utc_now()
    return {"name": caller.policy.name, "version": release(), "protocol": PROTOCOL, "time": now}


@guest_view
def get_identity_certificate(caller: ClusterCall) -> IdentityCertificate:
    """The certificate that the signatures of guests' identity documents, as of AWS's instances, are verified by."""
    found = find_identity(caller.session)
    return {"certificate": None if found is None else found.certificate}
