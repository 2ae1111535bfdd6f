"""
Objects of the graph, with the names and units of Xen Orchestra's model of 2013: bytes and per cent. ``$`` is before
what follows from other objects.
"""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from cm.rpc.fields import Address, Bytes, Named, Prose, Uuid
from cm.rules.object import ObjectType


class Cpu(TypedDict):
    """One CPU."""

    usage: Annotated[float | None, Meta(examples=[14], description="Per cent; null: not measured.")]


class Memory(TypedDict):
    """RAM."""

    size: Bytes
    usage: Bytes


Label = Annotated[Named, Meta(description="Of all but xo, PBD and VBD, as name_description.")]
Tags = Annotated[list[Named], Meta(description="Of pool, host, VM and SR; a VM's are key=value, or the key alone.")]
Cpus = Annotated[list[Cpu], Meta(description="Of host and VM; of a host each has the mean.")]
Uuids = Annotated[list[Uuid], Meta(description="Of objects that the caller gets, too.")]

# By the function, since no class has a member whose name begins with ``$``.
GraphObject = TypedDict(
    "GraphObject",
    {
        "type": ObjectType,
        "UUID": Uuid,
        "name_label": NotRequired[Label],
        "name_description": NotRequired[Prose],
        "tags": NotRequired[Tags],
        "pools": NotRequired[Annotated[Uuids, Meta(description="Of xo.")]],
        "SRs": NotRequired[Annotated[Uuids, Meta(description="Of pool: those that are shared; of host: its own.")]],
        "default_SR": NotRequired[Annotated[Uuid | None, Meta(description="Of pool.")]],
        "HA_enabled": NotRequired[Annotated[bool, Meta(description="Of pool.")]],
        "hosts": NotRequired[Annotated[Uuids, Meta(description="Of pool.")]],
        "master": NotRequired[
            Annotated[Uuid, Meta(description="Of pool: whom to talk to, which is its cluster manager: its own UUID.")]
        ],
        "VMs": NotRequired[
            Annotated[Uuids, Meta(description="Of pool and host: those that it contains, as their $container says.")]
        ],
        "address": NotRequired[Annotated[Address | None, Meta(description="Of host and VM; null: it has none.")]],
        "controller": NotRequired[Annotated[Uuid | None, Meta(description="Of host: no VM is one.")]],
        "CPUs": NotRequired[Cpus],
        "enabled": NotRequired[Annotated[bool, Meta(description="Of host: it is not locked.")]],
        "hostname": NotRequired[Annotated[Named, Meta(description="Of host.")]],
        "iSCSI_name": NotRequired[Annotated[Named | None, Meta(description="Of host: none has one.")]],
        "memory": NotRequired[Annotated[Memory, Meta(description="Of host and VM.")]],
        "power_state": NotRequired[
            Annotated[
                str,
                Meta(examples=["Running"], description="Running, Halted; of a VM also Paused, Suspended."),
            ]
        ],
        "SR_type": NotRequired[Annotated[Named, Meta(examples=["dir"], description="Of SR: a storage's kind.")]],
        "physical_usage": NotRequired[Annotated[Bytes, Meta(description="Of SR: what its VDIs take.")]],
        "usage": NotRequired[
            Annotated[
                Bytes | None,
                Meta(description="Of SR: the sizes of its VDIs; of VDI: what it takes, null: not looked at yet."),
            ]
        ],
        "size": NotRequired[Annotated[Bytes, Meta(description="Of SR and VDI.")]],
        "VDIs": NotRequired[Annotated[Uuids, Meta(description="Of SR.")]],
        "attached": NotRequired[Annotated[bool, Meta(description="Of PBD.")]],
        "host": NotRequired[Annotated[Uuid, Meta(description="Of PBD.")]],
        "SR": NotRequired[Annotated[Uuid, Meta(description="Of PBD.")]],
        "VDI": NotRequired[Annotated[Uuid, Meta(description="Of VBD.")]],
        "VM": NotRequired[Annotated[Uuid, Meta(description="Of VBD.")]],
        "$CPUs": NotRequired[Annotated[int, Meta(ge=0, description="Of xo: of all hosts.")]],
        "$running_VMs": NotRequired[
            Annotated[
                int | Uuids, Meta(description="Of xo how many; of pool and host which. Paused ones are among them.")
            ]
        ],
        "$vCPUs": NotRequired[
            Annotated[int | list[Cpu], Meta(description="Of VMs that run: of xo how many, of a host each.")]
        ],
        "$memory": NotRequired[Annotated[Memory, Meta(description="Of xo: of hosts that run.")]],
        "$running_hosts": NotRequired[Annotated[Uuids, Meta(description="Of pool.")]],
        "$VMs": NotRequired[Annotated[Uuids, Meta(description="Of pool: wherever they are.")]],
        "$PBDs": NotRequired[Annotated[Uuids, Meta(description="Of host and SR.")]],
        "$pool": NotRequired[Annotated[Uuid, Meta(description="Of host.")]],
        "$CPU_usage": NotRequired[Annotated[float | None, Meta(description="Of VM: per cent, the mean of its CPUs.")]],
        "$container": NotRequired[
            Annotated[
                Uuid, Meta(description="Of VM: the host where it runs, or whose SR it needs; else the pool. Of SR.")
            ]
        ],
        "$VBDs": NotRequired[Annotated[Uuids, Meta(description="Of VM.")]],
        "$SR": NotRequired[Annotated[Uuid, Meta(description="Of VDI.")]],
        "$VBD": NotRequired[Annotated[Uuid | None, Meta(description="Of VDI: its first.")]],
    },
)
GraphObject.__doc__ = "Any object of the graph: which members one has follows from its type."
