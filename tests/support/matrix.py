"""
The matrix of authorization: every view with an id among its parameters × everybody who may call × every kind of object
that the id may mean. What it walks is the registry, so a new view is in it from its first day.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cm.rpc.caller import RawJSON
from cm.rpc.errors import CloudError
from cm.rpc.introspection import described_types
from cm.rpc.parameters import Parameter
from cm.rpc.types import ID_MAX
from cm.rpc.view import Registry, View
from cm.rpc.vocabulary import DiskFormat
from cm.rules.access import NEEDS, RANK, Level, Shared, enough
from cm.rules.names import object_volume
from cm.rules.operation import SPECS, OperationKind
from cm.services.mirror import look_at
from cm.store.managed import take_looks
from support.cloud import MemoryCloud, run
from tests.contract.managed import pool_xml, volume_xml

NOBODYS = 10**12  # an id that nothing has
KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7LpQ8eG1Sfbm5cLyZxmDnIM6oUOHpCyDRDmpjVXhRG somebody"
# Values of parameters that are required and no ids: by view and parameter, by parameter, else by their schema.
SAMPLES: dict[str, Any] = {
    "login": "somebody",
    "name": "matrix",
    "description": "",
    "password": "Correct-horse-7",
    "old_password": "Correct-horse-7",
    "new_password": "Correct-horse-8",
    "url": "https://images.example.org/a.qcow2",
    "path": "/nowhere/a.qcow2",
    "network": "10.77.0.0/24",
    "uri": "qemu+tls://n9.example.org/system",
    "address": "192.0.2.9",
    "level": "user",
    "kind": "vm",
    "topic": "topic",
    "text": "text",
    "content": "content",
    "method": "user.vm.get_list",
    "parameters": [{}],
    "known": "debian-12",
    "hostname": "web",
    "hosts": "10.0.0.5 db",
    "user.vm.mount_share.kind": "nfs",
    "source": "nas:/srv",
    "mountpoint": "/srv/data",
    **dict.fromkeys(
        (f"user.{noun}.{verb}_keys.keys" for noun in ("vm", "instance") for verb in ("install", "remove")), KEY
    ),
    "size_bytes": 1_048_576,
    "user.bucket.create.name": "matrix",
    "user.multipart.begin.key": "key",
    "user.system_image.import_object.key": "key",
    "user.stored_object.delete.keys": ["key"],
    "key": KEY,
}


@dataclass(frozen=True)
class Case:
    """One view and one of its id parameters; ``many``: the parameter takes a list."""

    view: View
    parameter: Parameter
    many: bool

    def __str__(self) -> str:
        return f"{self.view.name}({self.parameter.name})"


def is_id(view: View, parameter: Parameter) -> tuple[bool, bool]:
    """Whether a parameter names objects, and whether it names several."""
    name = parameter.name
    if view.name == "cloud.quota.edit" and name == "networks":
        return False, False  # how many
    if name in ("iso_list", "disk_list", "networks", "public_ip_id_list") or name.endswith("_ids"):
        return True, True
    if name == "cluster":
        return parameter.required, False  # optional, it says where to look for what the others name
    if name == "key_id":
        return not view.name.startswith("admin.trust."), False  # there it is the words that a key goes by
    return name.endswith("_id") and name != "external_id", False


def cases(registry: Registry) -> Iterator[Case]:
    for view in registry:
        for parameter in view.parameters:
            named, many = is_id(view, parameter)
            if named:
                yield Case(view, parameter, many)


def without_ids(registry: Registry) -> list[View]:
    """The views that no case is about."""
    return [view for view in registry if not any(is_id(view, parameter)[0] for parameter in view.parameters)]


# Ids that no case is made of: a place in a list that is the caller's own anyway; groups, all the caller's or refused;
# the cluster that a call is passed on to.
PLACES = {"before", "after", "groups", "cluster"}


def overlooked(registry: Registry) -> list[str]:
    """Parameters that take an object's id and are in no case: ``is_id`` has to know them, or ``PLACES``."""
    found = []
    for view in registry:
        for parameter in view.parameters:
            (schema,), components = described_types([parameter.annotation])
            if _takes_id(schema, components) and not is_id(view, parameter)[0] and parameter.name not in PLACES:
                found.append(f"{view.name}({parameter.name})")
    return found


def _takes_id(schema: Mapping[str, Any], components: Mapping[str, Any]) -> bool:
    if "$ref" in schema:
        return _takes_id(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return any(_takes_id(part, components) for part in schema["anyOf"] if part.get("type") != "null")
    if schema.get("type") == "array":
        return _takes_id(schema.get("items", {}), components)
    return bool(schema.get("type") == "integer" and schema.get("minimum") == 1 and schema.get("maximum") == ID_MAX)


def sample(view: View, parameter: Parameter, samples: Mapping[str, Any]) -> Any:
    """A value that the parameter takes."""
    for key in (f"{view.name}.{parameter.name}", parameter.name):
        if key in samples:
            return samples[key]
    (schema,), components = described_types([parameter.annotation])
    return _of_schema(schema, components)


def _of_schema(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _of_schema(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return _of_schema(next(part for part in schema["anyOf"] if part.get("type") != "null"), components)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(each for each in kind if each != "null")
    if kind == "integer":
        return schema.get("minimum", 1)
    if kind == "number":
        return float(schema.get("minimum", 1))
    if kind == "boolean":
        return False
    if kind == "array":
        return [_of_schema(schema.get("items", {}), components)] * schema.get("minItems", 0)
    if kind == "object":
        return {}
    return "x" * max(schema.get("minLength", 1), 1)


def arguments(
    case: Case, object_id: Any, ids: Mapping[str, Any], samples: Mapping[str, Any], *, dry_run: bool
) -> dict[str, Any]:
    """The case's id, and what else is required: other ids are the caller's own objects."""
    named = {case.parameter.name: [object_id] if case.many else object_id}
    return {**filled(case.view, ids, samples, dry_run=dry_run), **named}


def filled(view: View, ids: Mapping[str, Any], samples: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """What a view requires, and what the samples have for it by its own name."""
    values: dict[str, Any] = {}
    for parameter in view.parameters:
        named, many = is_id(view, parameter)
        if named and parameter.required:
            known = ids.get(key_of(view, parameter.name), NOBODYS)
            values[parameter.name] = [known] if many else known
        elif parameter.required or f"{view.name}.{parameter.name}" in samples:
            values[parameter.name] = sample(view, parameter, samples)
    if dry_run and view.changing:
        values["dry_run"] = True
    return values


def key_of(view: View, name: str) -> str:
    """Which of the ids a parameter means: images are of the kind that the view's noun says."""
    kinds = {"iso_image": "iso_list", "storage_image": "disk_list"}
    return kinds.get(view.name.split(".")[1], name) if name == "image_id" else name


def outcome(call: Callable[[], Any]) -> str:
    """
    The slug of how a call ended: "ok", an error's, or that of the one entry of a list with one entry per object. An
    empty list is "empty"; a dry run whose plan has no step is "nothing".
    """
    try:
        result = call()
    except CloudError as error:
        return error.code
    assert not isinstance(result, RawJSON)
    if isinstance(result, dict) and result.get("dry_run"):
        if not result["plan"]:
            return "nothing"
        refused = [step["status"] for step in result["plan"] if step.get("status", "ok") != "ok"]
        return refused[0] if refused else "ok"
    if result == []:
        return "empty"
    if isinstance(result, list) and isinstance(result[0], dict):
        status = result[0].get("status", "ok")
        if isinstance(status, str):
            return status
    return "ok"


# Ids of what is not shared by levels.
UNSHARED = {"template_id", "storage_id", "public_ip_id", "group_id", "message_ids"}
UNSHARED |= {"public_address_id", "public_ip_id_list", "lease_id"}
UNSHARED |= {"affinity_group_id", "security_group_id", "security_group_ids", "remote_group_id", "rule_id"}
UNSHARED |= {"farm_id", "farm_ids", "worker_ids", "head_template_id", "worker_template_id"}
UNSHARED |= {"job_id", "job_run_id"}
UNSHARED |= {"bucket_id", "multipart_id", "vm_profile_id", "resource_pool_id", "parent_pool_id", "transfer_id"}
UNSHARED |= {"change_request_id"}


# What goes by the table of images: a disk by that of its entry.
_OF_IMAGES: Final = (
    "image_id", "image_ids", "iso_list", "disk_list", "disk_id", "disk_ids", "iso_image_id",
    "snapshot_id", "snapshot_ids",
)  # fmt: skip
_OF_NETWORKS: Final = ("network_id", "networks")
_OF_EXPIRY: Final = ("expiry_id",)
_OF_TEMPLATES: Final = ("vm_template_id", "parent_template_id")
CLUSTERS: Final = Registry.collect("cm.views")


def shared_kind(name: str) -> Shared:
    """What a parameter's object is shared as."""
    if name in _OF_NETWORKS:
        return Shared.NETWORK
    if name in _OF_EXPIRY:
        return Shared.EXPIRY
    if name in _OF_TEMPLATES:
        return Shared.VM_TEMPLATE
    return Shared.IMAGE if name in _OF_IMAGES else Shared.VM


def needs_level(case: Case, work: OperationKind = OperationKind.VM_CREATE) -> Level:
    """
    Which level a case needs: by what its view declares to do with the object, and the table of ``rules/access.py``.

    :param work: of the operation, where one is named; it is a VM's.
    """
    # What a cloud passes on to a cluster is declared there.
    name = case.parameter.name
    declared = CLUSTERS.get(case.view.name).on
    assert name in declared, f"{case}: say in on= what the view does with the object, or in UNSHARED that nothing"
    # What else is required is the same owner's, on which the caller holds the same level.
    named = {name} | {each.name for each in case.view.parameters if each.required} & declared.keys()
    actions = {each: declared[each] or SPECS[work].action for each in named}
    needs = (NEEDS[shared_kind(each), action] for each, action in actions.items() if action is not None)
    return max(needs, key=RANK.__getitem__)


def fits(told: str, held: Level | None, needs: Level) -> bool:
    """Whether an outcome is what somebody with this level is to be told."""
    if held is None:
        return told in ("object_not_found", "empty")
    if not enough(held, needs):
        return told == "access_needed"
    return told not in ("access_needed", "object_not_found", "empty", "role_needed", "incident", "internal_error")


def insert_public(cloud: MemoryCloud, vm_id: int, account_id: int) -> int:
    """A public address of an account's, by which a VM is reached; beside it port 1 of the VM's by a shared one."""
    made: int = cloud.sql(
        "INSERT INTO public_address (address, account_id, nic_id)"
        " SELECT '203.0.113.7', :a, min(id) FROM nic WHERE vm_id = :v RETURNING id",
        a=account_id, v=vm_id,
    )  # fmt: skip
    cloud.sql(
        "WITH shared AS (INSERT INTO public_address (address, shared) VALUES ('203.0.113.8', true) RETURNING id)"
        " INSERT INTO public_port (address_id, protocol, port, nic_id, guest_port)"
        " SELECT shared.id, 'tcp', 20001, (SELECT min(id) FROM nic WHERE vm_id = :v), 1 FROM shared",
        v=vm_id,
    )
    return made


def insert_job(cloud: MemoryCloud, account_id: int) -> tuple[int, int]:
    """An account's job, and a run of it that is over."""
    job_id: int = cloud.sql(
        "INSERT INTO job (account_id, name, method, params) VALUES (:a, 'kept', 'user.vm.get_list', '[{}]')"
        " RETURNING id",
        a=account_id,
    )
    run_id: int = cloud.sql(
        "INSERT INTO job_run (job_id, method, state, finished_at)"
        " VALUES (:j, 'user.vm.get_list', 'done', now()) RETURNING id",
        j=job_id,
    )
    cloud.sql(
        "INSERT INTO job_call (run_id, number, params, status) VALUES (:r, 1, '{}', 'ok') RETURNING number", r=run_id
    )
    return job_id, run_id


def insert_expiry(cloud: MemoryCloud, vm_id: int, account_id: int) -> int:
    """An account's expiry lease, which a VM has."""
    made: int = cloud.sql(
        "INSERT INTO expiry (name, account_id, suspend_s) VALUES ('kept', :a, 864000) RETURNING id", a=account_id
    )
    cloud.sql(
        "INSERT INTO vm_expiry (vm_id, expiry_id, suspend_s, suspend_at)"
        " VALUES (:v, :e, 864000, now() + interval '10 days')",
        v=vm_id, e=made,
    )  # fmt: skip
    return made


def insert_network(cloud: MemoryCloud, name: str, prefix: str, account_id: int) -> int:
    """An account's network, as one that was cut from a pool, with one address for guests."""
    made: int = cloud.sql(
        "WITH pool AS (INSERT INTO address_pool (id, name, kind, network, locked)"
        " VALUES (nextval('network_id_seq'), :n, 'vxlan', :p, true) RETURNING *)"
        " INSERT INTO network (id, account_id, pool_id, kind, name, prefix, gateway, bridge)"
        " SELECT id, :a, id, kind, name, network, CAST(host(network) AS inet) + 1, 'wn' || id FROM pool"
        " RETURNING id",
        n=name,
        p=prefix,
        a=account_id,
    )
    lease = "INSERT INTO network_lease (network_id, address) SELECT id, gateway + 1 FROM network WHERE id = :n"
    cloud.sql(lease, n=made)
    return made


def insert_snapshot(cloud: MemoryCloud, disk_id: int) -> int:
    """A snapshot of a disk, which goes on in a volume above it."""
    made: int = cloud.sql(
        "WITH above AS (INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, made)"
        " SELECT u.storage_id, 'above-' || u.name, 'qcow2', 'overlay', u.id, u.size_bytes, true FROM volume u"
        " JOIN disk k ON k.volume_id = u.id WHERE k.id = :d RETURNING id, backing_id), turned AS ("
        " UPDATE image SET volume_id = above.id FROM above, disk k WHERE k.id = :d AND image.id = k.image_id),"
        " own AS (UPDATE disk SET volume_id = above.id FROM above WHERE disk.id = :d AND disk.image_id IS NULL)"
        " INSERT INTO snapshot (disk_id, volume_id, name, consistency, taken_at)"
        " SELECT :d, backing_id, 'kept', 'off', now() FROM above RETURNING id",
        d=disk_id,
    )
    return made


class Objects:
    """
    One object of each kind that an id may name, in a quiet cluster; what can belong to somebody belongs to the owner.

    :ivar ids: by parameter; ``deleted`` those of objects that are gone.
    """

    # Tables that no refused call may touch, and what passes over nodes write there by and by.
    KEPT = (
        *("job", "job_run", "job_call"),
        *("farm", "vm_template", "vm_profile", "resource_pool", "resource_pool_grant"),
        *("vm", "image", "account", "template", "storage", "node", "network", "operation", "attachment"),
        *("affinity_group", "security_group", "security_rule", "nic_group", "public_address", "public_port"),
        *("bucket", "stored_object", "multipart", "multipart_part", "expiry", "vm_expiry"),
        *("acl", "object_tag", "message", "drift", "trusted_key", "volume", "disk", "snapshot", "free_volume"),
        "cached_image", "vm_event", "guest_command", "transfer", "change_request",
    )
    SEEN = (
        *("seen_at", "passed_at", "info", "state_reason", "checked_at", "used_bytes", "free_bytes"),
        *("host_uuid", "host_label", "seen_host_uuid", "seen_host_label", "machine_id", "machine_label"),
    )
    _ROWS = " UNION ALL ".join(
        f"SELECT '{table}' || (to_jsonb(t) - CAST(%(seen)s AS text[]))::text FROM {table} t" for table in KEPT
    )

    def __init__(self, cloud: MemoryCloud, owner_id: int, vm_id: int, gone_id: int, group_id: int) -> None:
        """
        :param vm_id: the owner's running VM; ``gone_id`` a destroyed one.
        """
        self.cloud = cloud
        self.owner_id = owner_id
        image, disk, iso = (self._image(f"{kind}-kept", kind) for kind in ("system", "storage", "iso"))
        affinity_group = cloud.sql(
            "INSERT INTO affinity_group (account_id, name, affinity) VALUES (:a, 'kept', 'apart') RETURNING id",
            a=owner_id,
        )
        security_group = cloud.sql(
            "INSERT INTO security_group (account_id, name) VALUES (:a, 'kept') RETURNING id", a=owner_id
        )
        templates = [
            cloud.sql("INSERT INTO vm_template (account_id, name) VALUES (:a, :n) RETURNING id", a=owner_id, n=name)
            for name in ("kept", "parent")
        ]
        bucket = cloud.sql("INSERT INTO bucket (account_id, name) VALUES (:a, 'kept') RETURNING id", a=owner_id)
        multipart = self._object(bucket)
        public = insert_public(cloud, vm_id, owner_id)
        for node in cloud.memory.values():
            node.world.keyless = True  # no guest does what it is asked, as none has an agent: it would be on record
        cloud.sql("UPDATE node SET makes_links = true")  # so that a card on the owner's network is no question of nodes
        self.ids: dict[str, Any] = {
            "vm_id": vm_id,
            "vm_ids": vm_id,
            "to_vm_id": vm_id,
            "object_id": vm_id,
            "image_id": image,
            "iso_list": iso,
            "disk_list": disk,
            "iso_image_id": iso,
            "disk_id": cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=disk),
            "disk_ids": cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=disk),
            "snapshot_id": insert_snapshot(cloud, cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=disk)),
            "image_ids": image,
            **dict.fromkeys(("template_id", "head_template_id", "worker_template_id"), cloud.template_id),
            **dict.fromkeys(("farm_id", "farm_ids"), self._farm(vm_id)),
            "worker_ids": vm_id,
            "operation_id": cloud.sql("SELECT min(id) FROM operation WHERE vm_id = :v", v=vm_id),
            "parent_id": self._evacuation(vm_id),
            "node_id": cloud.node_ids[0],
            "node_ids": cloud.node_ids[0],
            "storage_id": cloud.storage_id,
            "storage_ids": cloud.storage_id,
            "volume_id": self._free_volume(),
            "pool_id": cloud.sql("SELECT min(id) FROM network"),
            "network_id": insert_network(cloud, "first", "10.66.0.0/28", owner_id),
            "networks": insert_network(cloud, "second", "10.66.1.0/28", owner_id),
            "user_id": owner_id,
            **dict.fromkeys(("public_address_id", "public_ip_id", "public_ip_id_list"), public),
            "lease_id": cloud.sql(
                "SELECT l.id FROM network_lease l JOIN nic c ON c.id = l.nic_id WHERE c.vm_id = :v", v=vm_id
            ),
            "group_id": group_id,
            "group_ids": group_id,
            "bucket_id": bucket,
            "multipart_id": multipart,
            "affinity_group_id": affinity_group,
            **dict(zip(("job_id", "job_run_id"), insert_job(cloud, owner_id), strict=True)),
            "expiry_id": insert_expiry(cloud, vm_id, owner_id),
            **dict(zip(_OF_TEMPLATES, templates, strict=True)),
            "security_group_id": security_group,
            "security_group_ids": security_group,
            "remote_group_id": security_group,
            "rule_id": cloud.sql(
                "INSERT INTO security_rule (group_id, direction, protocol) VALUES (:g, 'in', 'any') RETURNING id",
                g=security_group,
            ),
            **dict.fromkeys(("resource_pool_id", "parent_pool_id"), self._pool()),
            "vm_profile_id": cloud.sql(
                "INSERT INTO vm_profile (account_id, name, vm_template_id, template_id)"
                " VALUES (:a, 'kept', :v, :t) RETURNING id",
                a=owner_id,
                v=templates[0],
                t=cloud.template_id,
            ),
            "change_request_id": cloud.sql(
                "INSERT INTO change_request (account_id, kind, wanted) VALUES (:a, 'quota', '{\"quota_cpu\": 99}')"
                " RETURNING id",
                a=owner_id,
            ),
            "transfer_id": cloud.sql(
                "INSERT INTO transfer (kind, object_id, name, account_id, to_account_id, expires_at)"
                " VALUES ('vm_template', :t, 'kept', :a, :b, now() + interval '1 day') RETURNING id",
                t=templates[0],
                a=owner_id,
                b=cloud.admin_id,
            ),
            "drift_id": cloud.sql(
                "INSERT INTO drift (kind, node_id, subject, evidence) VALUES ('wrong_definition', :n, :s, '{}')"
                " RETURNING id",
                n=cloud.node_ids[0],
                s="00000000-0000-4000-8000-000000000001",
            ),
            "message_ids": cloud.sql(
                "INSERT INTO message (account_id, level, code, params) VALUES (:a, 'info', 'test', '{}') RETURNING id",
                a=owner_id,
            ),
        }
        cloud.sql(
            "INSERT INTO login (first_at, last_at, count, login, account_id, remote, how, outcome)"
            " VALUES (now(), now(), 1, 'owner', :a, '192.0.2.9', 'password', 'ok')",
            a=owner_id,
        )
        self.ids["snapshot_ids"] = self.ids["snapshot_id"]
        self._cached(image)
        # Somebody brought it, and nobody knows it.
        volumes = next(iter(cloud.memory.values())).volumes
        volumes.create_empty(f"wawel-{cloud.storage_id}", "brought.raw", DiskFormat.RAW, 2**20)
        insert_snapshot(cloud, cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm_id))
        self.deleted = {"vm_id": gone_id, "vm_ids": gone_id, "image_id": self._image("deleted", "system", deleted=True)}

    def target(self, case: Case) -> Any:
        """What a view is about: images are of the kind that the view's noun says."""
        return self.ids[key_of(case.view, case.parameter.name)]

    def shared(self) -> list[tuple[Shared, int]]:
        """What can be granted levels on: the VM, an image of each kind, and networks."""
        names = ("vm_id", "image_id", "disk_list", "iso_list", *_OF_NETWORKS, *_OF_EXPIRY, *_OF_TEMPLATES)
        return [(shared_kind(name), self.ids[name]) for name in names]

    def _object(self, bucket_id: int) -> int:
        """An object ``key`` of a bucket. :return: another, of which one part has come."""
        sql, whose = self.cloud.sql, {"b": bucket_id, "a": self.owner_id}
        name, storage_id = object_volume(uuid.uuid4()), self.cloud.storage_id
        volume_id = sql(
            "INSERT INTO volume (storage_id, name, format, size_bytes, made) VALUES (:s, :n, 'raw', 8192, true)"
            " RETURNING id", s=storage_id, n=name,
        )  # fmt: skip
        for node in self.cloud.memory.values():
            node.volumes.create_empty(f"wawel-{storage_id}", name, DiskFormat.RAW, 8192)
        sql(
            "INSERT INTO stored_object (bucket_id, account_id, key, volume_id, state, size_bytes)"
            " VALUES (:b, :a, 'key', :v, 'ok', 4096) RETURNING id", v=volume_id, **whose,
        )  # fmt: skip
        multipart_id: int = sql(
            "INSERT INTO multipart (bucket_id, account_id, key, place, expires_at)"
            " VALUES (:b, :a, 'kept', '', now() + interval '1 day') RETURNING id", **whose,
        )  # fmt: skip
        sql(
            "INSERT INTO multipart_part (multipart_id, number, size_bytes, etag) VALUES (:m, 1, 1, 'x') RETURNING id",
            m=multipart_id,
        )
        return multipart_id

    def _evacuation(self, vm_id: int) -> int:
        """An operation that others' moves belonged to."""
        ended = "'done', now(), now()"
        parent: int = self.cloud.sql(
            "INSERT INTO operation (kind, node_id, state, finished_at, deadline)"
            f" VALUES ('node_evacuate', :n, {ended}) RETURNING id",
            n=self.cloud.node_ids[0],
        )
        self.cloud.sql(
            "INSERT INTO operation (kind, vm_id, parent_id, state, finished_at, deadline)"
            f" VALUES ('vm_move', :v, :p, {ended})",
            v=vm_id,
            p=parent,
        )
        return parent

    def _farm(self, vm_id: int) -> int:
        """The owner's farm, of which this VM is the head."""
        made: int = self.cloud.sql(
            "WITH f AS (INSERT INTO farm (account_id, name, host, public_key, worker_template_id)"
            " VALUES (:a, 'kept', 'kept', '', :t) RETURNING id)"
            " UPDATE vm SET farm_id = f.id, farm_number = 0 FROM f WHERE vm.id = :v RETURNING f.id",
            a=self.owner_id,
            t=self.cloud.template_id,
            v=vm_id,
        )
        return made

    def _pool(self) -> int:
        """A resource pool that the owner makes VMs in."""
        made: int = self.cloud.sql(
            "WITH p AS (INSERT INTO resource_pool (name) VALUES ('kept') RETURNING id)"
            " INSERT INTO resource_pool_grant (pool_id, privilege, account_id)"
            " SELECT id, 'cloud_create', :a FROM p RETURNING pool_id",
            a=self.owner_id,
        )
        return made

    def _free_volume(self) -> int:
        free: int = self.cloud.sql(
            "WITH u AS (INSERT INTO volume (storage_id, name, format, size_bytes, made)"
            " VALUES (:s, 'free.qcow2', 'qcow2', 1048576, true) RETURNING id)"
            " INSERT INTO free_volume (volume_id) SELECT id FROM u RETURNING volume_id",
            s=self.cloud.storage_id,
        )
        return free

    def _cached(self, image_id: int) -> None:
        """A node has a storage of its own, and there a copy of an image."""
        cloud, node_id = self.cloud, self.cloud.node_ids[0]
        own = {"name": "own", "kind": "dir", "path": "/srv/own", "capacity_bytes": 2**40, "node_id": node_id}
        storage_id = cloud.call("admin.storage.add", own, account="admin")["storage_id"]
        cloud.call("admin.storage.attach", {"storage_id": storage_id, "node_id": node_id}, account="admin")
        attached = "SELECT count(*) FROM storage_attachment WHERE storage_id = :s AND state = 'attached'"
        cloud.until(lambda: cloud.sql(attached, s=storage_id) == 1, "the node's own storage is attached")
        cloud.sql(
            "WITH u AS (INSERT INTO volume (storage_id, name, format, size_bytes, made)"
            " VALUES (:s, 'copy.qcow2', 'qcow2', 1048576, true) RETURNING id)"
            " INSERT INTO cached_image (image_id, volume_id, state) SELECT :i, id, 'ok' FROM u RETURNING id",
            s=storage_id,
            i=image_id,
        )

    def _image(self, name: str, kind: str, deleted: bool = False) -> int:
        return self.cloud.image(
            name, account_id=self.owner_id, name=name, kind=kind, state="deleted" if deleted else "ok"
        )

    def digest(self) -> str:
        """Of all rows of the tables kept, by one statement: it is asked for twice in each of thousands of tests."""
        with self.cloud.manager.database.engine.begin() as connection:
            rows = connection.exec_driver_sql(self._ROWS, {"seen": list(self.SEEN)}).scalars().all()
        return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def have_foreign(cloud: MemoryCloud) -> None:
    """Have what nodes have be known, and each have a pool with a volume that are none of ours."""
    manager = cloud.manager
    manager.database.transact_now(take_looks, 0.0, 1.0)
    for node_id in cloud.node_ids:
        run(lambda node_id=node_id: look_at(manager.services, node_id))
        told = {"node_id": node_id, "xml_desc": pool_xml("matrix", str(uuid.uuid4()), "/srv/matrix")}
        pool = cloud.call("admin.node.storage_pool_create_xml", told, account="admin")
        told = {**pool, "xml_desc": volume_xml("a.raw")}
        cloud.call("admin.pool.create_volume_xml", told, account="admin")
