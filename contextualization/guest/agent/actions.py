"""What the agent can do, by the names that it is asked by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import accounts, facts, machine, shares

ACTIONS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        facts.facts,
        accounts.set_password,
        accounts.keys,
        accounts.add_keys,
        accounts.remove_keys,
        accounts.generate_key,
        machine.set_time,
        machine.power_off,
        machine.reboot,
        machine.set_hostname,
        machine.set_hosts,
        machine.notice,
        machine.grow_root,
        shares.mount_share,
        shares.unmount_share,
    )
}
