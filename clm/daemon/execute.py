"""
The executor of a cloud's views: how often guests may call, what an API key is good for, what a user is permitted; then
the view. It is the same for views that are passed on to a cluster: what is asked here goes by their names.
"""

from __future__ import annotations

from typing import Any

from clm.rules.limits import RateLimits
from clm.rules.permission import require_permission
from clm.rules.scope import SESSION_ONLY, ScopeNeeded, SessionNeeded, allows
from clm.services.context import AsyncCloudCall, CloudCall, CloudIdentity, Services
from clm.views.forward import Forwarded
from cm.rpc.caller import Control, Identity
from cm.rpc.view import View
from cm.rpc.vocabulary import Role
from cm.runtime.execute import Executor as BaseExecutor


class Executor(BaseExecutor):
    def __init__(self, services: Services) -> None:
        super().__init__(services, CloudCall, AsyncCloudCall)
        self._limits = RateLimits(services.reactor.seconds)

    async def execute(self, view: View, identity: Identity, arguments: dict[str, Any], control: Control) -> Any:
        """
        :raises RateLimited: the caller, or whoever they ask about, has to wait.
        :raises ScopeNeeded: SessionNeeded: it takes more than the API key that the caller has.
        :raises PermissionNeeded: the user may not do this.
        """
        if view.role is Role.GUEST:
            self._limits.take(view.name, control.remote, arguments)
        elif isinstance(identity, CloudIdentity):
            check_rights(view, identity)
        if isinstance(view, Forwarded):
            # The cluster has the transaction, and with it request_id, dry_run and if_version.
            return await view.function(self.make_call(view, identity, control), **arguments)
        return await super().execute(view, identity, arguments, control)


def check_rights(view: View, identity: CloudIdentity) -> None:
    """:raises ScopeNeeded: SessionNeeded: PermissionNeeded: see ``Executor.execute``."""
    if identity.api_key_id is not None:
        if view.name in SESSION_ONLY:
            raise SessionNeeded(view.name)
        if not allows(identity.scope or (), view.name, view.changing):
            raise ScopeNeeded(view.name)
    require_permission(view.name, identity.permissions)
