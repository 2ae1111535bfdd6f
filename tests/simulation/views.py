"""
What there is, and what of it the simulation does not do, each with the reason: views, kinds of work, calls to nodes.
Whoever adds one finds out here where it has to be put in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cm.interfaces.block_job import IBlockJobs
from cm.interfaces.disks import IDisks
from cm.interfaces.guest_agent import IGuestAgents
from cm.interfaces.hypervisor import IHypervisor
from cm.interfaces.managed import IManaged
from cm.interfaces.migration import IMigrations
from cm.interfaces.network import INetworks
from cm.interfaces.nics import INics
from cm.interfaces.sizing import ISizing
from cm.interfaces.snapshot import ISnapshots
from cm.interfaces.stream import IStreams
from cm.interfaces.suspension import ISuspensions
from cm.interfaces.volume import IPools, IVolumes
from cm.rpc.view import Registry
from cm.rules.operation import OperationKind
from simulation.effects import EXPECTED
from simulation.kinds import KINDS
from simulation.model import IMAGE_VIEWS, VM_VIEWS
from simulation.world import LOOKS

_PASSWORD: Final = "takes a password, whose hash is slow on purpose, in true time; tests/postgres"
_TOTP: Final = "a second factor is asked for at a log-in, and people here show sessions; tests/postgres"
_MAIL: Final = "its tokens come by mail, or it sends some, and there is no mailer in it; tests/postgres"
_START: Final = "done once, as each simulation begins, and not by its workload"
_CLUSTER: Final = "a simulation's one cluster stays the cloud's, as it was added; tests/postgres"
_ACCOUNT: Final = "it makes or ends people: those of a simulation stay; tests/postgres"
_ROLES: Final = "who is an administrator of what is settled as each simulation begins; tests/postgres"
_SESSION: Final = "people go on showing their session until cloud.user.end_sessions ends it; tests/postgres"

_AGENT: Final = "asked of guests that run, under way, as their agents answer; tests/postgres/test_guest_agents.py"

# What asks for changes.
SOURCES: Final = (
    "workload", "addressing", "cards", "carries", "chores", "expiries", "farmers", "fencers", "guarding", "haste",
    "insiders", "jobs", "keepers", "moves", "points", "senders", "sites", "sizes", "sleepers", "spare",
    "templates", "travels",
)  # fmt: skip

_FARMS: Final = "as user.farm.destroy, which is called; tests/postgres/test_farms.py"
_CC1: Final = "CC1's name of what is called by ours; tests/postgres/test_public.py"

# Of the managed-node model: it changes nothing of ours, which its own test holds.
_MANAGED: Final = "libvirt's own is followed at no simulated node; tests/postgres/test_managed.py"
_LOOKUPS: Final = (
    *(f"admin.{noun}.{verb}" for noun in ("node", "domain", "pool", "volume") for verb in ("lookup", "get")),
    *(f"admin.{noun}.xml_desc" for noun in ("domain", "pool", "volume")),
    *(f"admin.pool.lookup_volume_by_{what}" for what in ("name", "key", "path")),
    "admin.node.get_free_memory",
)
_ACTS: Final = (
    *(f"admin.domain.{verb}" for verb in ("create", "destroy", "undefine", "suspend", "resume", "shutdown", "reboot")),
    *(f"admin.domain.{verb}" for verb in ("save", "restore")),
    *(f"admin.pool.{verb}" for verb in ("create", "destroy", "create_volume_xml")),
    *(f"admin.node.{verb}_xml" for verb in ("define_domain", "storage_pool_define", "storage_pool_create")),
)
_S3: Final = "files come to buckets in its own tests, tests/simulation/test_buckets.py; tests/postgres/test_s3.py"
_RAW: Final = "no node there reads definitions; tests/postgres/test_raw_data.py"
_CPU: Final = "all nodes there have one CPU, and no VM asks for it; tests/postgres/test_machines.py"
_EC2: Final = "kept for EC2's clients, and no other call tells of it; tests/postgres/test_ec2_more.py"

_TRANSFERS: Final = "one transaction, without work at a node; tests/postgres/test_transfers.py races it"

_CIRCLES: Final = "as of user.vm, which is called: it is CIRCLE's name of the same; tests/postgres/test_instances.py"

# Reading views.
NOT_READ: Final[Mapping[str, str]] = {
    "guest.session.login": _PASSWORD,
    "guest.oidc.begin": "takes a provider; tests/postgres has one",
    "guest.oidc.finish": "takes a provider; tests/postgres has one",
    "admin.cloud.get_users": "the cloud manager itself calls it each time it compares its people with the cluster's",
    "guest.user.check_token": _MAIL,
    "guest.expiry.get": _MAIL,
    **dict.fromkeys(("user.launch_template.get_list", "user.launch_template.list_versions"), _EC2),
    **dict.fromkeys(
        ("user.bucket.get_list", "user.stored_object.get_page", "user.multipart.get_list", "user.multipart.get_parts"),
        _S3,
    ),
    **dict.fromkeys(("user.tag.get", "user.tag.get_list"), "nothing there has tags; tests/postgres/test_tags.py"),
    **dict.fromkeys(("user.public_ip.get_list", "admin.public_ip.get_list"), _CC1),
    **dict.fromkeys(("user.monia.vm_stats", "admin.monia.vm_stats"), "CC1's name; tests/postgres/test_monitoring.py"),
    **dict.fromkeys(
        ("user.resource_pool.get_list",
         "admin.resource_pool.get_list", "admin.resource_pool.get_by_id", "admin.resource_pool.get_grants",
         "user.cloud_service.svc_new"),
        "there are none; tests/postgres/test_cloud_service.py",
    ),
    **dict.fromkeys(
        ("user.farm.get_list", "user.farm.get_by_id", "admin.farm.get_list", "admin.farm.get_by_id"),
        "sums of what is told of their VMs, which are read; tests/postgres/test_farms.py",
    ),
    **dict.fromkeys(
        (*(f"{role}.instance.{view}" for role in ("user", "admin")
           for view in ("get_list", "get_by_id", "get_activities", "get_operations")),
         "user.instance.screenshot"), _CIRCLES,
    ),
    **dict.fromkeys(
        ("user.transfer.get_list", "user.transfer.get_by_id", "user.transfer.find", "admin.transfer.get_list"),
        "nobody there offers anything; tests/postgres/test_transfers.py",
    ),
    **dict.fromkeys(
        ("user.change_request.get_list", "user.change_request.get_by_id", "admin.change_request.get_list"),
        "nobody there asks for anything; tests/postgres/test_change_requests.py",
    ),
    "user.vm.guest_info": _AGENT,
    "admin.cluster.cpu_baseline": _CPU,
    "admin.vm.get_raw_data": _RAW,
    "admin.drift.plan": "a table's answer to admin.drift.get_list, which is read; tests/postgres/test_nodes.py",
    **dict.fromkeys(_LOOKUPS, _MANAGED),
}
_SERVER = "takes a server; tests/postgres has one; all but the fetching is import_file's, which is called"
_ALIKE: Final = "as of the other kinds, which are called; tests/postgres"
# Changing views.
NOT_CALLED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (*(f"user.instance.{view}" for view in (
            "deploy", "destroy", "recover", "reset", "shutdown", "shut_off", "sleep", "wake_up", "save_as_template",
            "renew", "rename", "edit", "resources_change", "add_interface", "remove_interface", "add_port",
            "remove_port", "create_disk", "resize_disk", "remove_disk", "password_reset", "install_keys",
            "remove_keys", "reboot", "abort")),
         *(f"admin.instance.{view}" for view in ("deploy", "shut_off", "sleep", "wake_up", "destroy", "recover",
                                                 "migrate", "edit"))), _CIRCLES,
    ),
    **dict.fromkeys(("admin.user.set_password", "user.account.set_password", "cloud.user.set_password"), _PASSWORD),
    **dict.fromkeys(("admin.user.add", "admin.user.delete", "cloud.user.add", "cloud.user.delete"), _ACCOUNT),
    "cloud.user.activate": _ACCOUNT,
    **dict.fromkeys(("cloud.user.set_admin", "cloud.user.set_permissions"), _ROLES),
    **dict.fromkeys(("admin.administrator.add", "admin.administrator.delete"), _ROLES),
    **dict.fromkeys(("guest.user.activate", "guest.user.register", "guest.user.reset_password_mail"), _MAIL),
    **dict.fromkeys(("guest.user.set_password_token", "cloud.mail.retry", "user.issue.send"), _MAIL),
    "guest.expiry.renew": _MAIL,
    **dict.fromkeys(("user.totp.begin", "user.totp.confirm", "user.totp.disable", "cloud.user.reset_totp"), _TOTP),
    **dict.fromkeys(("admin.storage.add", "admin.trust.add", "cloud.cluster.add"), _START),
    **dict.fromkeys(("cloud.cluster.edit", "cloud.cluster.check", "cloud.cluster.delete"), _CLUSTER),
    **dict.fromkeys(("cloud.cluster.lock", "cloud.cluster.unlock", "admin.trust.delete"), _CLUSTER),
    **dict.fromkeys(("user.api_key.create", "user.api_key.delete"), "people here show sessions; tests/postgres"),
    **dict.fromkeys(("user.session.delete", "user.session.logout"), _SESSION),
    "user.vm.open_console": "its ticket is of true chance, and used over a true socket; tests/postgres/test_console.py",
    "admin.cloud.put_users": "the cloud manager itself calls it, for each change of its people",
    "admin.cloud.drop_groups": "the cloud manager itself calls it, for each group that ends",
    "admin.storage.delete": "the workload has need of its storages; tests/postgres",
    "admin.storage.scan": "it has a pass come sooner that comes anyway; tests/postgres/test_xo_session.py",
    **dict.fromkeys(("admin.system_image.import_url", "admin.system_image.import_known"), _SERVER),
    "user.system_image.copy_to_cluster": "likewise, the other cluster's; tests/postgres/test_image_copies.py",
    **dict.fromkeys(
        ("user.system_image.create_download", "user.storage_image.create_download", "user.iso_image.create_download",
         "user.disk.create_download"),
        "what it gives out is read over a true socket by true threads; tests/postgres/test_downloads.py",
    ),
    **dict.fromkeys(("user.iso_image.import_url", "user.iso_image.upload"), _ALIKE),
    **dict.fromkeys(
        ("user.storage_image.create", "user.storage_image.edit", "user.storage_image.attach",
         "user.storage_image.detach", "user.iso_image.edit", "user.iso_image.attach", "user.iso_image.detach"),
        "CC1's name of what is called by ours; tests/postgres/test_attaching.py",
    ),
    **dict.fromkeys(
        (*(f"user.public_ip.{view}" for view in ("request", "assign", "unassign", "release")),
         *(f"admin.public_ip.{view}" for view in ("add", "delete", "unassign", "release"))), _CC1,
    ),
    **dict.fromkeys(("user.tag.set", "user.tag.remove"), "no other call tells of tags; tests/postgres/test_tags.py"),
    **dict.fromkeys(
        (*(f"user.transfer.{view}" for view in ("create", "accept", "decline", "withdraw")),
         *(f"admin.transfer.{view}" for view in ("create", "withdraw"))), _TRANSFERS,
    ),
    **dict.fromkeys(
        (*(f"user.change_request.{view}" for view in ("ask_resize", "ask_expiry", "ask_quota", "withdraw")),
         *(f"admin.change_request.{view}" for view in ("accept", "decline"))),
        "what accepting does is asked for by itself; tests/postgres/test_change_requests.py",
    ),
    **dict.fromkeys(_ACTS, _MANAGED),
    **dict.fromkeys(
        (f"user.launch_template.{view}"
         for view in ("create", "add_version", "set_default", "tag", "delete_version", "delete")), _EC2,
    ),
    "user.key.tag": _EC2,
    **dict.fromkeys(
        ("user.bucket.create", "user.bucket.delete", "user.stored_object.delete", "user.multipart.begin",
         "user.multipart.abort", "user.system_image.import_object"), _S3,
    ),
    **dict.fromkeys(
        (f"admin.resource_pool.{view}" for view in ("add", "edit", "delete", "grant", "revoke")),
        "they lead to no work; tests/postgres/test_cloud_service.py",
    ),
    "user.cloud_service.svc_create": "as user.vm.create, which is called; tests/postgres/test_cloud_service.py",
    "admin.template.load": "as admin.template.add and edit, which are called; tests/postgres/test_templates.py",
    "user.vm.set_policy": "its VMs have a policy from when they are made; test_effects.py, tests/postgres/test_ends.py",
    "user.vm.set_imds": "no guest there reads EC2's metadata; tests/postgres/test_guests.py",
    "admin.cluster.set_cpu_baseline": _CPU,
    "admin.farm.destroy": _FARMS,
    "admin.vm.set_raw_data": _RAW,
    "admin.drift.apply_all": "as admin.drift.apply, which is called; tests/postgres/test_nodes.py",
    "admin.vm.set_traits": "a VM whose node has to have some starts nowhere there; tests/postgres/test_traits.py",
    "user.system_image.copy": "as the administrators', which is called; tests/postgres/test_ec2_more.py",
    "user.key.generate": "its pair is made of true chance, which no seed repeats; tests/postgres",
}
# Kinds of work that no manager is killed at each point of.
# Kinds of work of which no seed has any.
NOT_SEEN: Final[Mapping[str, str]] = {}
NOT_WALKED: Final[Mapping[str, str]] = {
    "volume_delete": "what a move opens as it ends, when its walk is over; fixed seeds kill managers in it",
    "disk_flatten": "no call asks for it: a loop does; fixed seeds kill managers in it",
    "node_evacuate": "the walk of vm_move asks for it, and kills at its points too",
}
# Calls to nodes that change something, and at which no manager dies in the fixed seeds.
NOT_MADE: Final[Mapping[str, str]] = {
    "remove": "no manager calls it: a network stays on its nodes; tests/contract",
    "thaw": "only agents that freeze too late are told to; tests/postgres/test_snapshots.py, tests/contract",
    **dict.fromkeys(
        ("domain_define_xml", "domain_act", "domain_save", "domain_restore", "pool_define_xml", "pool_create_xml",
         "pool_act", "volume_create_xml"), _MANAGED,
    ),
    "console": "a guest's answers take true threads and true time; tests/contract, tests/postgres",
}
# Calls that few seeds make: fixed ones may make none of them.
SELDOM: Final[Mapping[str, str]] = {
    **dict.fromkeys(("switch", "cancel"), "few guests write faster than is sent; tests/postgres/test_migrating.py"),
    "medium": "few change a CD while its VM runs; the crash walk's vm_cd, tests/simulation/test_effects.py",
}
# Calls that change something, and that no fault has fail.
NOT_FAILED: Final[Mapping[str, str]] = {
    **NOT_MADE,
    **dict.fromkeys(
        ("remove_keys", "set_time", "press_keys"), "as add_keys and reboot do; tests/postgres/test_guest_agents.py"
    ),
    "subscribe": "it goes with its connection, which each fault of a node breaks",
}


def views(*, changing: bool) -> frozenset[str]:
    """The names of all views of both managers that change something, or of those that do not."""
    collected = (view for package in ("cm.views", "clm.views") for view in Registry.collect(package))
    return frozenset(view.name for view in collected if view.changing is changing)


def asked_for() -> frozenset[str]:
    """The changing views that the workload has calls of: by their whole name, or by a pattern and their last word."""
    source = "".join((Path(__file__).parent / f"{name}.py").read_text() for name in SOURCES)
    source += "".join(f'"{name}"' for name in (*VM_VIEWS, *IMAGE_VIEWS))
    words = set(re.findall(r'"([a-z_.]+)"', source))
    patterns = [re.sub(r"\\\{.*?\\\}", "[a-z_]+", re.escape(text)) for text in re.findall(r'f"([a-z_.{}]+)"', source)]
    return frozenset(
        name
        for name in views(changing=True)
        if name in words
        or (name.rpartition(".")[2] in words and any(re.fullmatch(pattern, name) for pattern in patterns))
    )


def driver_calls() -> frozenset[str]:
    """The calls to nodes that change something, as they are named where a manager may die."""
    parts = (
        IHypervisor, IPools, IVolumes, IBlockJobs, IDisks, IMigrations, INetworks, INics, IStreams, ISnapshots,
        ISuspensions, IManaged, IGuestAgents, ISizing,
    )  # fmt: skip
    return frozenset(name for part in parts for name in vars(part) if not name.startswith("_")) - LOOKS


def forgotten(names: Iterable[str], done: Iterable[str], reasons: Mapping[str, str]) -> list[str]:
    """What is neither done nor has a reason, what has a reason and is done, and reasons for what is not there."""
    names, done = frozenset(names), frozenset(done)
    wrong = [f"{name} was never done, and no reason is told" for name in names - done - reasons.keys()]
    wrong += [f"{name} is said not to be done, and was" for name in reasons.keys() & done]
    return sorted(wrong + [f"{name} has a reason, and is not there" for name in reasons.keys() - names])


def unwalked() -> list[str]:
    """Kinds of work of which the crash walk has none."""
    walked = {kind.name.partition(",")[0] for kind in KINDS}
    shown = {"vm_save_and_shutdown": "vm_save"}
    kinds = {shown.get(kind.value, kind.value) for kind in OperationKind}
    return forgotten(kinds, {name for name in walked if name in kinds}, NOT_WALKED)


def unseen() -> list[str]:
    """Kinds of work of which nothing is expected to be seen to be done."""
    shown = {"vm_save_and_shutdown": "vm_save"}
    kinds = {shown.get(kind.value, kind.value) for kind in OperationKind}
    return forgotten(kinds, {name.partition(" ")[0] for name in EXPECTED} & kinds, NOT_SEEN)
