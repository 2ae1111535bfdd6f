"""What a cloud of these tests can beside what it passes on to its clusters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cm.rpc.caller import Call
from cm.rpc.errors import NotAuthenticated
from cm.rpc.types import Id, Limit, Login, Secret
from cm.rpc.view import Registry, cloud_view, guest_view, user_view

from .cluster import Cluster

Find = Callable[[int | str | None], list[Cluster]]


def add_cloud(registry: Registry, find: Find) -> None:
    users: dict[int, dict[str, Any]] = {7: {"user_id": 7, "login": "anna", "state": "active"}}

    @guest_view(name="guest.cloud.get_info")
    def get_info(caller: Call) -> dict[str, Any]:
        """The cloud's name."""
        return {"name": "cloud", "version": "0.1.0"}

    @guest_view(name="guest.cluster.list_names")
    def list_names(caller: Call) -> list[dict[str, Any]]:
        """Clusters."""
        return [{"cluster_id": n, "name": each.name, "state": "ok"} for n, each in enumerate(find("*"), 1)]

    @guest_view(name="guest.user.register", changing=True)
    def register(
        caller: Call, login: Login, email: str, password: Secret, first_name: str = "", last_name: str = "",
        organization: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Register."""
        users[8] = {"user_id": 8, "login": login, "email": email, "state": "confirmed"}
        return {"user_id": 8, "state": "admin_confirmation"}

    @cloud_view(name="cloud.user.get_list")
    def get_users(caller: Call, state: str | None = None, search: str | None = None, limit: Limit = 100) -> Any:
        """Users."""
        return [user for user in users.values() if state in (None, user["state"])][:limit]

    @cloud_view(name="cloud.user.activate", changing=True)
    def activate(caller: Call, user_id: Id) -> dict[str, Any]:
        """Activate."""
        users[user_id]["state"] = "active"
        return users[user_id]

    @user_view(name="user.key.get")
    def get_key(caller: Call, name: str) -> dict[str, Any]:
        """A key."""
        return {"key_id": 1, "name": name, "public_key": f"ssh-ed25519 {'A' * 60} {name}"}

    @user_view(name="user.key.generate", changing=True)
    def generate(caller: Call, name: str, kind: str = "ed25519") -> dict[str, Any]:
        """Make a key."""
        return {"key_id": 1, "name": name, "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "public_key": "x"}

    @guest_view(name="guest.oidc.begin")
    def begin(caller: Call, provider: str, redirect_uri: str) -> dict[str, Any]:
        """Begin."""
        return {"url": f"{redirect_uri}?code=the-code&state=the-state", "state": "the-state"}

    @guest_view(name="guest.oidc.finish")
    def finish(caller: Call, state: str, code: str) -> dict[str, Any]:
        """Finish."""
        if (state, code) != ("the-state", "the-code"):
            raise NotAuthenticated
        return {"token": "anna-token", "expires": datetime(2036, 1, 1, tzinfo=UTC), "login": "anna"}

    for function in (get_info, list_names, register, get_users, activate, get_key, generate, begin, finish):
        registry.add(function)
