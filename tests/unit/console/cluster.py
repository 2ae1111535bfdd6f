"""
What the servers of these tests keep. Operations end when they were looked at ``patience`` times; a VM named "doomed"
never comes up.
"""

from __future__ import annotations

import itertools
from typing import Any

from cm.rpc.caller import Identity
from cm.rpc.errors import ObjectNotFound, VMBusy
from cm.rpc.vocabulary import Role

CREATED = "2026-01-02T03:04:05Z"


class Cluster:
    """What a server keeps. ``calls`` are all that changed something, with their parameters."""

    def __init__(self, name: str, patience: int = 0) -> None:
        self.name, self.patience = name, patience
        self.ids = itertools.count(1)
        self.vms: dict[int, dict[str, Any]] = {}
        self.operations: dict[int, dict[str, Any]] = {}
        self.nodes = {
            n: {"node_id": n, "name": f"node{n}", "state": "ok", "locked": False, "vms_used": 0, "cpu_used": 0,
                "cpu_total": 16, "memory_mib_used": 0, "memory_mib_total": 2048, "seen_at": CREATED}
            for n in (1, 2)
        }  # fmt: skip
        self.images = {1: {"image_id": 1, "name": "tiny", "state": "ok", "progress": 100, "size_bytes": 2**24,
                           "uuid": "00000000-0000-4000-8000-00000000000a"}}  # fmt: skip
        self.templates = {1: {"template_id": 1, "name": "small", "cpu": 1, "memory_mib": 256}}
        self.keys: dict[str, str] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.default: str | None = None
        self.console: str | None = "Welcome to the guest\r\n"
        self.full = False
        self.hostile = False  # its answers may be of no type
        self.messages: list[dict[str, Any]] = []

    def add_vm(self, name: str, state: str = "running", node_id: int = 1, user_id: int = 7) -> dict[str, Any]:
        vm_id = next(self.ids)
        self.vms[vm_id] = {
            "vm_id": vm_id, "uuid": f"00000000-0000-4000-8000-{vm_id:012d}", "name": name, "state": state,
            "node_id": node_id, "node": f"node{node_id}", "user_id": user_id, "cpu": 1, "memory_mib": 256,
            "leases": [{"address": f"10.0.0.{vm_id}"}], "image_name": "tiny", "template_name": "small",
            "contextualized": False, "error": "", "doubtful": None, "iso_images": [], "storage_images": [],
            "operation_id": None, "operation": None, "created": CREATED,
        }  # fmt: skip
        return self.vms[vm_id]

    def find(self, vm_id: int, identity: Identity) -> dict[str, Any]:
        vm = self.vms.get(vm_id)
        if vm is None or (vm["user_id"] != identity.account_id and not identity.may(Role.ADMIN)):
            raise ObjectNotFound("vm", vm_id)
        return vm

    def begin(self, kind: str, vm: dict[str, Any], then: str, user_id: int) -> dict[str, Any]:
        if vm["operation_id"] is not None:
            raise VMBusy(vm["vm_id"], vm["operation_id"], vm["operation"])
        number = next(self.ids)
        doomed = vm["name"] == "doomed" and kind == "vm_create"
        self.operations[number] = {
            "operation_id": number, "kind": kind, "state": "running", "step": "launch", "progress": 0,
            "vm_id": vm["vm_id"], "user_id": user_id, "text": "", "admin_text": "", "waiting_for": "", "error": "",
            "created": CREATED, "looks": self.patience, "then": "error" if doomed else then,
        }  # fmt: skip
        vm["operation_id"], vm["operation"] = number, kind
        if not self.patience:
            self.look(number)
        return {"vm_id": vm["vm_id"], "operation_id": number}

    def begin_all(self, kind: str, children: list[int], user_id: int) -> int:
        """An operation that waits for others."""
        number = next(self.ids)
        self.operations[number] = {
            "operation_id": number, "kind": kind, "state": "running", "step": "await_moves", "progress": 0,
            "vm_id": None, "user_id": user_id, "text": "", "admin_text": "", "waiting_for": "",
            "error": "", "created": CREATED, "looks": 0,
            "children": children,
        }  # fmt: skip
        return number

    def look(self, operation_id: int, user_id: int | None = None) -> dict[str, Any]:
        op = self.operations.get(operation_id)
        if op is None or user_id not in (None, op["user_id"]):
            raise ObjectNotFound("operation", operation_id)
        if "children" in op:
            states = [self.look(child)["state"] for child in op["children"]]
            if "running" not in states:
                op["state"] = "failed" if "failed" in states else "done"
        elif op["looks"]:
            op["looks"] -= 1
            op["progress"], op["waiting_for"] = 50, "The guest takes its time."
        elif op["state"] == "running":
            failed = op["then"] == "error"
            op["state"], op["progress"] = ("failed", 50) if failed else ("done", 100)
            op["waiting_for"] = ""
            op["text"] = op["admin_text"] = "It does not boot." if failed else ""
            vm = self.vms[op["vm_id"]]
            vm["state"], vm["operation_id"], vm["operation"], vm["error"] = op["then"], None, None, op["text"]
            if vm["state"] == "destroyed":
                del self.vms[vm["vm_id"]]
        return {name: value for name, value in op.items() if name not in ("looks", "then", "children")}
