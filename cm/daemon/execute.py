"""The executor of a cluster's views."""

from __future__ import annotations

from cm.rpc.caller import Control, Identity
from cm.rpc.view import View
from cm.runtime.execute import Executor as BaseExecutor
from cm.services.context import ClusterCall, Services


class Executor(BaseExecutor):
    def __init__(self, services: Services) -> None:
        def make_call(view: View, identity: Identity, control: Control) -> ClusterCall:
            call = ClusterCall.of(identity, control)
            assert isinstance(call, ClusterCall)
            call.policy = services.policy
            if view.is_async:
                call.services = services
            return call

        super().__init__(services.database, services.policy.secret, make_call)
