"""Domains as libvirt has them on nodes, whoever made them: the managed-node model's class Domain."""

from __future__ import annotations

from typing import Annotated, cast

from msgspec import Meta

from cm.interfaces.managed import DomainVerb
from cm.results.managed import Description, ManagedDomain
from cm.rpc.types import Id, Limit, matching
from cm.rpc.view import admin_view
from cm.rules import managed as names
from cm.services import managed as service
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.managed import XML_MAX
from cm.store.managed import find_objects

DomainId = Annotated[
    str,
    Meta(
        max_length=80,
        pattern=matching(names.DOMAIN, "it must be a domain's object_id, as a list tells it"),
        examples=[f"domain:{names.EXAMPLE}"],
    ),
]
Value = Annotated[str, Meta(max_length=200)]
Filename = Annotated[str, Meta(min_length=1, max_length=200, description="A path on the node.")]
XmlDesc = Annotated[str, Meta(min_length=1, max_length=XML_MAX, description="XML, as libvirt documents it.")]
HostAccess = Annotated[
    bool, Meta(description="Whether it may have what is the host's; it is refused otherwise, and the audit has it.")
]


@admin_view
def lookup(
    caller: ClusterCall,
    node_id: Id | None = None,
    uuid: Value | None = None,
    name: Value | None = None,
    id: Value | None = None,
    state: Value | None = None,
    limit: Limit = 1000,
    after: Id | None = None,
) -> list[ManagedDomain]:
    """
    Domains of all nodes with these properties, as they were seen in the last seconds.

    :param id: libvirt's number of its present run.
    :param after: the last ``feed_id`` of the page before.
    """
    asked = {"uuid": uuid, "name": name, "id": id, "state": state}
    return find_objects(caller.session, "domain", asked, node_id=node_id, after=after, limit=limit)


@admin_view
def get(caller: ClusterCall, domain: DomainId) -> ManagedDomain:
    """One domain, as it was seen in the last seconds."""
    about = names.reference(domain)
    return cast(ManagedDomain, service.get_object(caller.session, "domain", domain, about.node_id, about.uuid))


@admin_view(changing=True)
async def create(caller: AsyncClusterCall, domain: DomainId) -> None:
    """Start a domain that is off. A VM's is refused, with the name of the call for VMs, here and below."""
    await service.act(caller, domain, DomainVerb.CREATE)


@admin_view(changing=True)
async def destroy(caller: AsyncClusterCall, domain: DomainId) -> None:
    """Cut a domain's power. One without a definition is gone then."""
    await service.act(caller, domain, DomainVerb.DESTROY)


@admin_view(changing=True)
async def undefine(caller: AsyncClusterCall, domain: DomainId) -> None:
    """Forget a domain's definition; no disk is deleted. A running one goes on, and is gone when it is off."""
    await service.act(caller, domain, DomainVerb.UNDEFINE)


@admin_view(changing=True)
async def suspend(caller: AsyncClusterCall, domain: DomainId) -> None:
    """Stop a domain's CPUs; its memory stays where it is."""
    await service.act(caller, domain, DomainVerb.SUSPEND)


@admin_view(changing=True)
async def resume(caller: AsyncClusterCall, domain: DomainId) -> None:
    """Let a suspended domain go on."""
    await service.act(caller, domain, DomainVerb.RESUME)


@admin_view(changing=True)
async def save(caller: AsyncClusterCall, domain: DomainId, filename: Filename) -> None:
    """Write a running domain's memory to a file on its node; it is off then."""
    await service.save(caller, domain, filename)


@admin_view(changing=True)
async def restore(
    caller: AsyncClusterCall,
    domain: DomainId,
    filename: Filename,
    again: bool = False,
    host_access: HostAccess = False,
) -> None:
    """
    Have a saved domain go on, once: its disks have gone on since, and a second time would damage them.

    :param again: the disks are as they were when it was saved, so a second time is right.
    """
    await service.restore(caller, domain, filename, again, host_access)


@admin_view(changing=True)
async def shutdown(caller: AsyncClusterCall, domain: DomainId) -> None:
    """Press a domain's power button, which its guest may ignore."""
    await service.act(caller, domain, DomainVerb.SHUTDOWN)


@admin_view(changing=True)
async def reboot(caller: AsyncClusterCall, domain: DomainId) -> None:
    """
    Have a domain's guest start again, if it obeys: by QEMU's agent where libvirt has one that is connected, else by its
    power button. By that, libvirt starts it again at its next end from within, whenever that comes, be it meant as one
    (``on_poweroff``). A VM's is refused: ``user.vm.reboot`` does not do so.
    """
    await service.act(caller, domain, DomainVerb.REBOOT)


@admin_view
async def xml_desc(caller: AsyncClusterCall, domain: DomainId) -> Description:
    """A domain's definition as libvirt has it now, without passwords; also a VM's."""
    return await service.domain_xml(caller, domain)
