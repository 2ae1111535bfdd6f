"""
Copies of images from one cluster to another. The one gives out an address, as for a download; the other imports from
it, as from any URL: both as the caller, with their rights and quotas at each, and neither believes the other anything.
"""

from __future__ import annotations

from typing import Final

from clm.results.image import ImageOfCluster
from clm.rules.forward import Row
from clm.rules.image_copy import address_of
from clm.services.context import AsyncCloudCall
from cm.rpc.errors import InvalidParameter, ObjectNotFound

_SEE: Final = Row("user.system_image.get_by_id", False, False, {"image_id": "one"})
_GIVE: Final = Row("user.system_image.create_download", False, True, {"image_id": "one"})
_TAKE: Final = Row("user.system_image.import_url", False, True, secrets=frozenset({"url"}))
# What an image says of itself, but for its family: whoever creates VMs by that goes on getting the one that it means.
_SAYS: Final = (
    "format", "platform", "disk_controller", "network_device", "video_device", "system", "architecture",
    "least_memory_mib", "least_disk_bytes", "default_user", "agent", "imds_tokens", "imds_hop_limit", "imds_enabled",
)  # fmt: skip


async def copy(
    caller: AsyncCloudCall, known: str, target: int | str, name: str, description: str | None
) -> ImageOfCluster:
    """
    Begin a copy: the import at the target, which fetches from the source, tells how far it is, and can be given up.

    :param known: the image's uuid.
    :param description: None: the image's.
    :raises InvalidParameter: the image is at the target already.
    :raises ObjectNotFound: AccessNeeded: it is no system image that the caller may use.
    :raises ClusterUnavailable: one of both did not answer; to be repeated with its request_id.
    """
    services = caller.services
    to = (await services.clusters.get(target)).facts.name
    found = await services.forwarder.find(caller, [known])
    if not found:
        raise ObjectNotFound("system_image", known)
    place = {"image_id": found[0]["id"], "cluster": found[0]["cluster"]}
    if place["cluster"] == to:
        raise InvalidParameter("target", f"the image is at {to} already: user.system_image.copy copies it there")
    image = (await services.forwarder.forward(_SEE, caller, dict(place))).decode()
    given = (await services.forwarder.forward(_GIVE, caller, dict(place))).decode()
    wanted = {
        **{each: image[each] for each in _SAYS},
        "name": name,
        "description": image["description"] if description is None else description,
        "url": address_of(given, services.policy.public_url),
        "cluster": to,
    }
    if image["volume_sha256"]:
        wanted["sha256"] = image["volume_sha256"]
    work = (await services.forwarder.forward(_TAKE, caller, wanted)).decode()
    return {"cluster": to, "image_id": work["image_id"], "operation_id": work["operation_id"]}
