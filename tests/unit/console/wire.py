"""Servers that the console talks to, over the real wire: a lone cluster, and a cloud of two."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from clm.views.forward import add_forwarded
from cm.rpc.caller import Call, Control, Identity
from cm.rpc.codec import plain
from cm.rpc.credentials import StaticAuthenticator
from cm.rpc.dispatch import Dispatcher
from cm.rpc.errors import (
    CloudError,
    NoCapacity,
    NotAuthenticated,
    NotPermitted,
    ObjectNotFound,
    VolumeNotFound,
    WrongVMState,
)
from cm.rpc.http.request import WireSite
from cm.rpc.introspection import openrpc
from cm.rpc.parameters import Binder
from cm.rpc.server import make_root
from cm.rpc.types import Id, IdList, Limit, Login, Name, Secret, Text
from cm.rpc.view import Registry, View, admin_view, guest_view, user_view
from cm.rpc.vocabulary import PowerOffPolicy, Role
from support import answers
from tests.unit.runtime.reactor import Reactor

from .cluster import Cluster
from .wire_cloud import add_cloud

PASSWORD, OTP = "open sesame", "123456"
ANNA = Identity(7, "anna", frozenset({Role.USER}), source="password")
ROOT = Identity(1, "root", frozenset({Role.ADMIN, Role.CLOUD}), source="password")
TOKENS = {"anna-token": ANNA, "root-token": ROOT, "anna-key": ANNA}
ClusterName = int | str | None
OWN = frozenset({"user.broken", "user.echo.back"})  # no manager has these
OF_CLOUDS = {("guest.session.login", "otp"), ("user.message.get_list", "unread_only")}


class OtpRequired(NotAuthenticated):
    code = "otp_required"
    message = "The code of the second factor is needed."


Find = Callable[[ClusterName], list[Cluster]]


def views(find: Find, cloud: bool) -> Registry:
    """The views of a lone cluster; or of a cloud, which take ``cluster`` as well."""
    registry = Registry()

    def one(cluster: ClusterName) -> Cluster:
        found = find(cluster)
        if len(found) != 1:
            raise ObjectNotFound("cluster", str(cluster))
        return found[0]

    def every(cluster: ClusterName, items: Callable[[Cluster], list[dict[str, Any]]]) -> Any:
        if cluster != "*":
            return items(one(cluster))
        found = [{**item, "cluster": each.name} for each in find("*") for item in items(each)]
        missing = {"cluster": "south", "code": "server_unreachable", "message": "south does not answer."}
        return {
            "items": found,
            "missing": [missing] if any(each.name == "south" and each.full for each in find("*")) else [],
        }

    @guest_view(name="guest.session.login")
    def login(caller: Call, login: Login, password: Secret, otp: str | None = None) -> dict[str, Any]:
        """A token in exchange for a password."""
        who = {"anna": "anna-token", "root": "root-token", "otto": "anna-token"}.get(login)
        if who is None or password.reveal() != PASSWORD:
            raise NotAuthenticated
        if login == "otto" and otp != OTP:
            raise OtpRequired
        return {"token": who, "expires": datetime(2036, 1, 1, tzinfo=UTC), "login": login}

    @user_view(name="user.account.get")
    def account(caller: Call) -> dict[str, Any]:
        """The caller's account."""
        told = {"login": caller.identity.login, "user_id": caller.account_id, "quota_memory_mib": 2048}
        return {**told, "default_cluster": find("*")[0].default} if cloud else told

    @user_view(name="user.account.set_password", changing=True)
    def set_password(caller: Call, old_password: Secret, new_password: Secret) -> None:
        """Change the password."""
        if old_password.reveal() != PASSWORD:
            raise NotPermitted
        one(None).calls.append(("set_password", {"new_password": new_password.reveal()}))

    @user_view(name="user.vm.get_list")
    def get_list(
        caller: Call, limit: Limit = 10_000, closed: bool = False, shared: bool = False, *, cluster: ClusterName = None
    ) -> Any:
        """The caller's VMs; or all others', as if they were shared."""
        mine = caller.account_id
        return every(cluster, lambda c: [vm for vm in c.vms.values() if (vm["user_id"] == mine) != shared][:limit])

    @admin_view(name="admin.vm.get_list")
    def get_all(caller: Call, node_id: Id | None = None, limit: Limit = 1000, *, cluster: ClusterName = None) -> Any:
        """Everybody's VMs."""
        return every(cluster, lambda c: [vm for vm in c.vms.values() if node_id in (None, vm["node_id"])][:limit])

    @user_view(name="user.vm.get_by_id")
    def get_by_id(caller: Call, vm_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """One VM."""
        return one(cluster).find(vm_id, caller.identity)

    @admin_view(name="admin.vm.get_by_id")
    def get_any(caller: Call, vm_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """One VM of anybody's."""
        return one(cluster).find(vm_id, caller.identity)

    @user_view(name="user.vm.create", changing=True)
    def create(
        caller: Call, name: Name, description: Text, image_id: Id, template_id: Id, count: int = 1,
        user_data: str | None = None, ssh_key: str | None = None, ssh_username: str | None = None, vnc: bool = False,
        on_poweroff: PowerOffPolicy = PowerOffPolicy.STOP, networks: list[Id] | None = None,
        security_group_ids: list[Id] | None = None, *, cluster: ClusterName = None,
    ) -> Any:  # fmt: skip
        """Create VMs."""
        where = one(cluster)
        told = {"name": name, "image_id": image_id, "template_id": template_id, "ssh_key": ssh_key,
                "ssh_username": ssh_username, "user_data": user_data, "request_id": caller.request_id,
                "networks": networks, "security_group_ids": security_group_ids}  # fmt: skip
        if where.full:
            raise NoCapacity("all nodes are full")
        if caller.dry_run:
            return {"dry_run": True, "plan": [{"step": "place", "vm": name, "node_id": 1}]}
        where.calls.append(("create", told))
        made = [where.add_vm(name if count == 1 else f"{name}_{n + 1}", "starting") for n in range(count)]
        return [{**vm, **where.begin("vm_create", vm, "running", caller.account_id)} for vm in made]

    def change(name: str, needs: str, then: str, admin: bool = False) -> None:
        def run(caller: Call, vm_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
            """Change a VM's state."""
            where = one(cluster)
            vm = where.find(vm_id, caller.identity)
            if vm["state"] != needs:
                raise WrongVMState(vm_id, vm["state"], needs)
            if caller.dry_run:
                return {"dry_run": True, "plan": [{"step": "operation", "vm_id": vm_id, "kind": f"vm_{name}"}]}
            if name == "start" and where.full:
                raise NoCapacity("all nodes are full")
            where.calls.append((name, {"vm_id": vm_id}))
            if admin and name == "start":
                vm["node_id"] = next(n for n, node in where.nodes.items() if not node["locked"])
                vm["node"] = f"node{vm['node_id']}"
            return where.begin(f"vm_{name}", vm, then, caller.account_id)

        decorate = admin_view if admin else user_view
        registry.add(decorate(name=f"{'admin' if admin else 'user'}.vm.{name}", changing=True)(run))

    change("start", "stopped", "running")
    change("stop", "running", "stopped")
    change("start", "stopped", "running", admin=True)
    change("stop", "running", "stopped", admin=True)

    @user_view(name="user.vm.destroy", changing=True)
    def destroy(caller: Call, vm_ids: IdList, *, cluster: ClusterName = None) -> Any:
        """Destroy VMs."""
        where = one(cluster)
        if caller.dry_run:
            return {"dry_run": True, "plan": [{"step": "operation", "vm_id": vm_id} for vm_id in vm_ids]}
        done: list[dict[str, Any]] = []
        for vm_id in vm_ids:
            try:
                vm = where.find(vm_id, caller.identity)
                done.append({"status": "ok", **where.begin("vm_destroy", vm, "destroyed", caller.account_id)})
            except CloudError as error:
                done.append({"status": error.code, "vm_id": vm_id, "message": str(error)})
        return done

    @user_view(name="user.vm.get_console")
    def get_console(caller: Call, vm_id: Id, limit: int = 65_536, *, cluster: ClusterName = None) -> str:
        """What a VM wrote."""
        if one(cluster).console is None:
            raise VolumeNotFound("", "console.log")
        return one(cluster).console[-limit:]

    @user_view(name="user.operation.wait")
    def wait(caller: Call, operation_id: Id, timeout: float = 20.0, *, cluster: ClusterName = None) -> dict[str, Any]:
        """Wait for an operation."""
        return one(cluster).look(operation_id, caller.account_id)

    @admin_view(name="admin.operation.wait")
    def wait_any(
        caller: Call, operation_id: Id, timeout: float = 20.0, *, cluster: ClusterName = None
    ) -> dict[str, Any]:
        """Wait for anybody's operation."""
        return one(cluster).look(operation_id)

    @admin_view(name="admin.operation.get")
    def operation(caller: Call, operation_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """One operation."""
        return one(cluster).look(operation_id)

    @user_view(name="user.system_image.get_list")
    def images(caller: Call, limit: Limit = 100, *, cluster: ClusterName = None) -> Any:
        """System images, newest first."""
        return every(cluster, lambda c: list(reversed(c.images.values()))[:limit])

    @user_view(name="user.system_image.get_newest")
    def newest(caller: Call, family: Name, *, cluster: ClusterName = None) -> Any:
        """The newest image of a family."""
        found = [image for image in one(cluster).images.values() if image.get("family") == family]
        if not found:
            raise ObjectNotFound("image of the family", family)
        return found[-1]

    @user_view(name="user.system_image.import_url", changing=True)
    def import_url(
        caller: Call, name: Name, description: Text, url: Text, sums: Text = "", *, cluster: ClusterName = None
    ) -> dict[str, Any]:
        """Import an image."""
        one(cluster).calls.append(("import_url", {"name": name, "url": url, "sums": sums}))
        return {"image_id": 9, "operation_id": 10}

    @user_view(name="user.vm.save_and_shutdown", changing=True)
    def save(caller: Call, vm_id: Id, name: Name, description: Text, *, cluster: ClusterName = None) -> dict[str, Any]:
        """Save a VM."""
        where = one(cluster)
        vm = where.find(vm_id, caller.identity)
        where.calls.append(("save", {"vm_id": vm_id, "name": name, "description": description}))
        return {**where.begin("vm_save_and_shutdown", vm, "destroyed", caller.account_id), "image_id": 9}

    @user_view(name="user.vm.attach_vnc", changing=True)
    def attach_vnc(caller: Call, vm_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """Open a screen."""
        where = one(cluster)
        begun = where.begin("vm_vnc", where.find(vm_id, caller.identity), "running", caller.account_id)
        return {**begun, "address": "10.1.0.7", "port": 5901, "password": "hunter22"}

    @user_view(name="user.vm.get_screenshot")
    def get_screenshot(caller: Call, vm_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """What its screen shows: no real picture."""
        one(cluster).find(vm_id, caller.identity)
        return {"vm_id": vm_id, "png": base64.b64encode(b"picture").decode(), "width": 720, "height": 400}

    @user_view(name="user.acl.set", changing=True)
    def set_acl(
        caller: Call, kind: Literal["vm", "image"], object_id: Id, level: str, login: str | None = None, *,
        cluster: ClusterName = None,
    ) -> None:  # fmt: skip
        """Share something."""
        told = {"kind": kind, "object_id": object_id, "level": level, "login": login}
        one(cluster).calls.append(("acl", told))

    @user_view(name="user.operation.get_list")
    def operations(caller: Call, vm_id: Id | None = None, limit: Limit = 100, *, cluster: ClusterName = None) -> Any:
        """Operations."""
        return every(cluster, lambda c: [{**op, "text": ""} for op in c.operations.values()])

    @admin_view(name="admin.placement.explain")
    def explain(
        caller: Call, vm_id: Id | None = None, template_id: Id | None = None, *, cluster: ClusterName = None
    ) -> dict[str, Any]:  # fmt: skip
        """Why it is there."""
        verdicts = [{"node": "node1", "node_id": 1, "fits": True}]
        told = {"verdicts": verdicts, "others": {"fits": 2}}
        return {"trial": vm_id is None, "node_id": 1, "at": "2026-01-02T03:04:05Z", **told}

    @user_view(name="user.message.get_list")
    def messages(caller: Call, unread_only: bool = False, limit: Limit = 100) -> list[dict[str, Any]]:
        """Messages."""
        return one(None).messages

    @admin_view(name="admin.network.add", changing=True)
    def add_network(
        caller: Call, name: Name, network: str = "", gateway: str = "", *, cluster: ClusterName = None
    ) -> dict[str, Any]:  # fmt: skip
        """Add a network."""
        told = {"name": name, "network": network, "gateway": gateway}
        one(cluster).calls.append(("add_network", told))
        return {"pool_id": 1, **told}

    @user_view(name="user.template.get_list")
    def templates(caller: Call, *, cluster: ClusterName = None) -> Any:
        """Templates."""
        return every(cluster, lambda c: list(c.templates.values()))

    @admin_view(name="admin.node.get_list")
    def nodes(caller: Call, *, cluster: ClusterName = None) -> Any:
        """Nodes."""
        return every(cluster, lambda c: list(c.nodes.values()))

    @admin_view(name="admin.node.get_by_id")
    def node(caller: Call, node_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """One node."""
        found = one(cluster).nodes.get(node_id)
        if found is None:
            raise ObjectNotFound("node", node_id)
        return found

    @admin_view(name="admin.node.check", changing=True)
    def check(caller: Call, node_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """Look at a node."""
        return one(cluster).nodes[node_id]

    @admin_view(name="admin.node.evacuate", changing=True)
    def evacuate(caller: Call, node_id: Id, *, cluster: ClusterName = None) -> dict[str, Any]:
        """Move a node's VMs; one named "big" fits nowhere."""
        where = one(cluster)
        there = [vm for vm in where.vms.values() if vm["node_id"] == node_id and vm["state"] != "stopped"]
        fits = [vm for vm in there if vm["state"] == "running" and vm["name"] != "big"]
        left = [{**vm, "reason": "no other node takes it"} for vm in there if vm not in fits]
        if caller.dry_run:
            plan = [{"step": "move", "vm_id": vm["vm_id"], "name": vm["name"]} for vm in fits]
            return {"dry_run": True, "plan": plan + [{"step": "leave", "name": vm["name"]} for vm in left]}
        where.calls.append(("evacuate", {"node_id": node_id}))
        moving = []
        for vm in fits:
            vm["node_id"], vm["node"] = 2, "node2"
            begun = where.begin("vm_move", vm, "error" if vm["name"] == "doomed" else "running", caller.account_id)
            moving.append({**vm, "node": "node2", "operation_id": begun["operation_id"]})
        numbers = [vm["operation_id"] for vm in moving]
        number = where.begin_all("node_evacuate", numbers, caller.account_id) if numbers else None
        told = {"node_id": node_id, "node": f"node{node_id}", "operation_id": number}
        return {**told, "moving": moving, "left": left}

    @user_view(name="user.broken")
    def broken(caller: Call) -> None:
        """Breaks."""
        raise RuntimeError("hunter2")

    @user_view(name="user.echo.back", changing=True)
    def echo(caller: Call, value: Any = None) -> Any:
        """What it is given."""
        return value

    made: tuple[Callable[..., Any], ...] = (
        login, account, set_password, get_list, get_all, get_by_id, get_any, create, destroy, get_console, wait,
        operation, images, newest, import_url, templates, nodes, node, check, evacuate, broken, echo, operations,
        wait_any,
        explain, messages, add_network, save, attach_vnc, get_screenshot, set_acl,
    )  # fmt: skip
    for function in made:
        registry.add(function)
    if cloud:
        add_cloud(registry, find)
    else:

        @guest_view(name="guest.cluster.get_info")
        def get_info(caller: Call) -> dict[str, Any]:
            """The cluster's name."""
            return {"name": "lone", "version": "0.1.0"}

        registry.add(get_info)
        return Registry(as_lone(view) for view in registry)
    return registry


def as_lone(view: View) -> View:
    """The view as a lone cluster has it, without what only a cloud takes."""
    kept = [p for p in view.parameters if p.name != "cluster" and (view.name, p.name) not in OF_CLOUDS]
    return replace(view, parameters=tuple(kept), _binder=Binder(kept, view.changing))


@cache
def real_views(cloud: bool) -> Registry:
    """What a real manager can, which ours is held to: its views' parameters, and what they answer with."""
    return add_forwarded(Registry.collect("clm.views")) if cloud else Registry.collect("cm.views")


@cache
def examples(cloud: bool) -> dict[str, Any]:
    """An answer of each view of the real manager, of its own type."""
    methods = plain(openrpc([*real_views(cloud)], "real"))["methods"]
    return {method["name"]: method["examples"][0]["result"]["value"] for method in methods}


def completed(answer: Any, name: str, cloud: bool) -> Any:
    """The answer with the members that the real one has and no other; what we do not keep is of its example."""
    return _filled(answer, examples(cloud)[name])


def _filled(answer: Any, shown: Any) -> Any:
    if isinstance(answer, dict) and answer.keys() == {"items", "missing"} and isinstance(shown, list):
        items = [{**_filled(each, shown[0]), "cluster": each["cluster"]} for each in answer["items"]]
        return {**answer, "items": items}
    if isinstance(answer, list) and isinstance(shown, list) and shown:
        return [_filled(each, shown[0]) for each in answer]
    if isinstance(answer, dict) and isinstance(shown, dict):
        return {name: _filled(answer[name], each) if name in answer else each for name, each in shown.items()} or answer
    return answer


class Events(Resource):
    """The stream of events: what is in ``script``, a list for each connection; after the last one there is no more."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.script: list[list[bytes]] = []
        self.asked: list[Mapping[bytes, list[bytes]]] = []

    def render_GET(self, request: Any) -> Any:
        self.asked.append(dict(request.args))
        if request.getHeader("authorization") != "Bearer anna-token":
            request.setResponseCode(401)
            return b"no"
        if not self.script:
            request.setResponseCode(404)
            return b"no"
        request.setHeader("content-type", "text/event-stream; charset=utf-8")
        request.write(b": hello\n\n")
        for piece in self.script.pop(0):
            request.write(piece)
        request.finish()
        return NOT_DONE_YET


class Wire:
    """A server on a port of the loopback. ``clusters`` are what it keeps: one, or a cloud's two."""

    def __init__(self, cloud: bool = False, events: bool = False) -> None:
        self.cloud = cloud
        self.reset()
        examples(cloud)  # a second's work, for which the first who asks would be made to wait
        self.thread = Reactor()
        registry = views(self._find, cloud)
        dispatcher = Dispatcher(
            self.thread.reactor, registry, self._execute, StaticAuthenticator({}, TOKENS), title="sample"
        )
        root = make_root(dispatcher)
        self.events = Events()
        if events:
            root.putChild(b"events", self.events)
        site = WireSite(root, dispatcher.limits, self.thread.reactor)
        self._port = self.thread.do(lambda: self.thread.reactor.listenTCP(0, site, interface="127.0.0.1"))
        self.url = f"http://127.0.0.1:{self._port.getHost().port}"

    def reset(self) -> None:
        self.clusters = [Cluster("north"), Cluster("south")] if self.cloud else [Cluster("lone")]

    @property
    def cluster(self) -> Cluster:
        return self.clusters[0]

    def _find(self, told: ClusterName) -> list[Cluster]:
        if told == "*":
            return self.clusters
        if told is None:
            return self.clusters[:1]
        return [each for number, each in enumerate(self.clusters, 1) if told in (each.name, number)]

    async def _execute(self, view: View, identity: Identity, arguments: dict[str, Any], control: Control) -> Any:
        result = view.function(Call.of(identity, control), **arguments)
        if view.name in OWN or (control.dry_run and view.changing):
            return result
        told = completed(plain(result), view.name, self.cloud)
        if not any(each.hostile for each in self.clusters):
            answers.hold_answer(real_views(self.cloud).get(view.name), arguments, control, told)
        return told

    def stop(self) -> None:
        self.thread.do(self._port.stopListening)
        self.thread.stop()
