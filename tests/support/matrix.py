"""
The matrix of authorization: every view with an id among its parameters × everybody who may call × every kind of object
that the id may mean. What it walks is the registry, so a new view is in it from its first day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cm.rpc.caller import RawJSON
from cm.rpc.errors import CloudError
from cm.rpc.introspection import described_types
from cm.rpc.parameters import Parameter
from cm.rpc.view import Registry, View
from support.cloud import MemoryCloud

NOBODYS = 10**12  # an id that nothing has
# Values of parameters that are required and no ids: by view and parameter, by parameter, else by their schema.
SAMPLES: dict[str, Any] = {
    "login": "somebody",
    "name": "matrix",
    "description": "",
    "password": "Correct-horse-7",
    "old": "Correct-horse-7",
    "new": "Correct-horse-8",
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
    "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7LpQ8eG1Sfbm5cLyZxmDnIM6oUOHpCyDRDmpjVXhRG somebody",
}


@dataclass(frozen=True)
class Case:
    """One view and one of its id parameters; ``many``: the parameter takes a list."""

    view: View
    parameter: Parameter
    many: bool

    def __str__(self) -> str:
        return f"{self.view.name}({self.parameter.name})"


def is_id(parameter: Parameter) -> tuple[bool, bool]:
    """Whether a parameter names objects, and whether it names several."""
    name = parameter.name
    if name in ("iso_list", "disk_list"):
        return True, True
    if name.endswith("_ids"):
        return True, True
    return name.endswith("_id") and name not in ("key_id", "external_id"), False


def cases(registry: Registry) -> Iterator[Case]:
    for view in registry:
        for parameter in view.parameters:
            named, many = is_id(parameter)
            if named:
                yield Case(view, parameter, many)


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
    values: dict[str, Any] = {}
    for parameter in case.view.parameters:
        named, many = is_id(parameter)
        if parameter.name == case.parameter.name:
            values[parameter.name] = [object_id] if many else object_id
        elif parameter.required and named:
            values[parameter.name] = [ids[parameter.name]] if many else ids[parameter.name]
        elif parameter.required:
            values[parameter.name] = sample(case.view, parameter, samples)
    if dry_run and case.view.changing:
        values["dry_run"] = True
    return values


def outcome(call: Callable[[], Any]) -> str:
    """
    The slug of how a call ended: "ok", an error's, or that of the one entry of a list with one entry per object. An
    empty list is "empty".
    """
    try:
        result = call()
    except CloudError as error:
        return error.code
    assert not isinstance(result, RawJSON)
    if isinstance(result, dict) and result.get("dry_run"):
        refused = [step["status"] for step in result["plan"] if step.get("status", "ok") != "ok"]
        return refused[0] if refused else "ok"
    if result == []:
        return "empty"
    if isinstance(result, list) and isinstance(result[0], dict):
        status = result[0].get("status", "ok")
        if isinstance(status, str):
            return status
    return "ok"


class Objects:
    """
    One object of each kind that an id may name, in a quiet cluster; what can belong to somebody belongs to the owner.

    :ivar ids: by parameter; ``deleted`` those of objects that are gone.
    """

    # Tables that no refused call may touch, and what passes over nodes write there by and by.
    KEPT = ("vm", "image", "account", "template", "storage", "node", "address_pool", "operation", "image_attachment")
    SEEN = ("seen_at", "passed_at", "info", "state_reason", "checked_at", "used_bytes", "free_bytes")

    def __init__(self, cloud: MemoryCloud, owner_id: int, vm_id: int, gone_id: int, group_id: int) -> None:
        """
        :param vm_id: the owner's running VM; ``gone_id`` a destroyed one.
        """
        self.cloud = cloud
        self.owner_id = owner_id
        image, disk, iso = (self._image(f"{kind}-kept", kind) for kind in ("system", "storage", "iso"))
        self.ids: dict[str, Any] = {
            "vm_id": vm_id,
            "vm_ids": vm_id,
            "object_id": vm_id,
            "image_id": image,
            "iso_list": iso,
            "disk_list": disk,
            "template_id": cloud.template_id,
            "operation_id": cloud.sql("SELECT min(id) FROM operation WHERE vm_id = :v", v=vm_id),
            "node_id": cloud.node_ids[0],
            "storage_id": cloud.storage_id,
            "pool_id": cloud.sql("SELECT min(id) FROM address_pool"),
            "user_id": owner_id,
            "public_ip_id": NOBODYS,
            "group_id": group_id,
            "group_ids": group_id,
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
        self.deleted = {"vm_id": gone_id, "vm_ids": gone_id, "image_id": self._image("deleted", "system", "now()")}

    def target(self, case: Case) -> Any:
        """What a view is about: images are of the kind that the view's noun says."""
        noun = case.view.name.split(".")[1]
        kinds = {"iso_image": "iso_list", "storage_image": "disk_list"}
        return self.ids[kinds.get(noun, "image_id") if case.parameter.name == "image_id" else case.parameter.name]

    def _image(self, name: str, kind: str, deleted: str = "NULL") -> int:
        made: int = self.cloud.sql(
            "INSERT INTO image (kind, name, account_id, storage_id, volume, format, size_bytes, claimed_bytes, state,"
            f" access, deleted_at) VALUES (:k, :n, :a, :s, :n, 'qcow2', 67108864, 0, 'ok', 'private', {deleted})"
            " RETURNING id",
            n=name,
            k=kind,
            a=self.owner_id,
            s=self.cloud.storage_id,
        )
        return made

    def digest(self) -> str:
        made = hashlib.sha256()
        with self.cloud.manager.database.engine.begin() as connection:
            for table in self.KEPT:
                statement = f"SELECT (to_jsonb(t) - CAST(%s AS text[]))::text FROM {table} t ORDER BY 1"
                rows = connection.exec_driver_sql(statement, (list(self.SEEN),)).scalars().all()
                made.update("\n".join(rows).encode())
        return made.hexdigest()
