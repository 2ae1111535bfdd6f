"""The executor of a cloud's views: what an API key is good for, how often guests may call, then the view."""

from __future__ import annotations

from typing import Any

from clm.services.context import CloudCall, Services
from cm.rpc.caller import Control, Identity
from cm.rpc.view import View
from cm.runtime.execute import Executor as BaseExecutor


class Executor(BaseExecutor):
    def __init__(self, services: Services) -> None:
        def make_call(view: View, identity: Identity, control: Control) -> CloudCall:
            call = CloudCall.of(identity, control)
            assert isinstance(call, CloudCall)
            call.policy = services.policy
            if view.is_async:
                call.services = services
            return call

        super().__init__(services.database, services.policy.secret, make_call)
        self._services = services

    async def execute(self, view: View, identity: Identity, arguments: dict[str, Any], control: Control) -> Any:
        return await super().execute(view, identity, arguments, control)
