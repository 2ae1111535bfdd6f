"""
Known defects of what people see, and may do: the books balance with each of them, so that only somebody who looks finds
it.
"""

from __future__ import annotations

from typing import Final

from simulation.edits import Edit, Mutation

ACCESS: Final = "cm/rules/access.py"
CHANGE: Final = "cm/store/feed.py"
FIREWALL: Final = "node_hooks/firewall.py"
SHARING: Final = "cm/services/acl.py"
SPEC: Final = "cm/store/domain.py"
VM: Final = "cm/rules/vm.py"

SIGHTS: Final = (
    Mutation(
        "grant_stays",
        "A grant that is taken back stays.",
        (Edit(SHARING, "        store.delete_grant(session, kind, object_id, subject)\n", ""),),
    ),
    Mutation(
        "exit_untold",
        "Whoever loses sight of something is not told.",
        (
            Edit(
                SHARING,
                '            record_change(session, kind.value, object_id, subject.account_id, "exit")\n',
                "            pass\n",
            ),
        ),
    ),
    Mutation(
        "told_to_all",
        "The feed tells everybody of everything.",
        (
            Edit(
                CHANGE,
                "public=not personal and (seen_by.public or change.kind in _PUBLIC)",
                "public=not personal",
            ),
        ),
    ),
    Mutation(
        "told_to_none",
        "The feed tells nobody but owners.",
        (Edit(CHANGE, "        users |= seen_by.accounts\n", ""),),
    ),
    Mutation(
        "operator_destroys",
        "Operators may destroy what is not theirs.",
        (Edit(ACCESS, "(Shared.VM, Action.DESTROY): Level.OWNER", "(Shared.VM, Action.DESTROY): Level.OPERATOR"),),
    ),
    Mutation(
        "user_starts",
        "Whoever only sees a VM may stop it.",
        (Edit(ACCESS, "(Shared.VM, Action.STOP): Level.OPERATOR", "(Shared.VM, Action.STOP): Level.USER"),),
    ),
    Mutation(
        "equals_made",
        "Operators make others operators.",
        (Edit(ACCESS, "Level.OPERATOR: Level.OWNER, Level.OWNER", "Level.OPERATOR: Level.OPERATOR, Level.OWNER"),),
    ),
    Mutation(
        "existence_told",
        "Of what they do not see people are told that it is there.",
        (
            Edit(
                "cm/services/access.py",
                "    if level is None:\n        raise ObjectNotFound(kind.value, object_id)\n    if not enough",
                "    if not enough",
            ),
        ),
    ),
    Mutation(
        "secrets_told",
        "Everybody who sees a VM is told what its maker handed to its guest.",
        (Edit("cm/services/vm.py", "secrets=enough(level, NEEDS[Shared.VM, Action.SECRETS])", "secrets=True"),),
    ),
    Mutation(
        "private_images_listed",
        "Lists of images have what is being added by others, and what failed.",
        (
            Edit(
                "cm/store/image.py",
                "(i.account_id = :account_id OR (i.access = 'public' AND i.state = 'ok')\"\n    f",
                "(i.account_id = :account_id OR i.access <> 'public'\"\n    f",
            ),
        ),
    ),
    Mutation(
        "whence_untold",
        "The audit does not say from where.",
        (Edit("cm/runtime/execute.py", "remote=call.remote", 'remote=""'),),
    ),
    Mutation(
        "policy_forgotten",
        "A VM that was to be destroyed when its guest powers off is stopped.",
        (Edit(VM, "DESTROY: OperationKind.VM_DESTROY,\n        Pow", "DESTROY: OperationKind.VM_STOP,\n        Pow"),),
    ),
    Mutation(
        "base_saved",
        "A VM is saved as the image that it was made from.",
        (
            Edit(
                "cm/operations/vm_end.py",
                "pool, image_volume, source.volume, source.format",
                "pool, image_volume, source.base or source.volume, source.format",
            ),
        ),
    ),
    Mutation(
        "reset_unpressed",
        "A reset is written down, and nobody presses the button.",
        (Edit("cm/operations/vm_power.py", "    await hypervisor.reset(row.uuid)\n", ""),),
    ),
    Mutation(
        "screen_left_open",
        "A screen that is closed stays open.",
        (Edit("cm/operations/vm_power.py", "place.port, password, row.vnc_enabled)", "place.port, password, True)"),),
    ),
    Mutation(
        "iso_left_out",
        "Images that are attached are not in the domain.",
        (Edit(SPEC, "[disk_plan(row) for row in disks]", "[disk_plan(row) for row in disks if not row.cdrom]"),),
    ),
    Mutation(
        "half_the_memory",
        "A domain gets half of the memory that its VM has.",
        (Edit(SPEC, "memory_mib=vm.memory_mib,", "memory_mib=vm.memory_mib // 2,"),),
    ),
    Mutation(
        "foreign_serves",
        "A guest on a bridge of the site's is a server of DHCP there.",
        (
            Edit(
                FIREWALL,
                '"ether type arp iifname . arp saddr ether @macs accept",\n'
                '            "ether type ip udp sport 67 counter drop",\n',
                '"ether type arp iifname . arp saddr ether @macs accept",\n',
            ),
        ),
    ),
    Mutation(
        "port_too_many",
        "A security group's rule lets one port more in, and out, than it says.",
        (Edit("node_hooks/groups.py", "cuts[number + 1] - 1)", "cuts[number + 1])"),),
    ),
    Mutation(
        "node_reached",
        "Guests reach whatever listens on their node.",
        (Edit("node_hooks/guard.py", 'f"iifname {bridges} goto to_node" if bridges else "",', '"",'),),
    ),
    Mutation(
        "bridge_lacked",
        "VMs are placed on nodes that have not the bridge which their cards are on.",
        (Edit("cm/rules/placement.py", "absent = vm.uplinks - node.uplinks", "absent = frozenset[str]()"),),
    ),
)
