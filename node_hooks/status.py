"""What ``wawel-node status`` tells."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from node_hooks import qemu_hook
from node_hooks.client import Client
from node_hooks.document import fetch_document
from node_hooks.errors import EndpointRefused, EndpointUnavailable, NotEnrolled, WrongUse
from node_hooks.install import installed_version
from node_hooks.spool import Spool
from node_hooks.state import Identity, find_identity, read_json

NO_DOCUMENT = "no document yet"


@dataclass(frozen=True)
class Status:
    """Times are unix seconds, ages seconds. ``endpoint_state`` is "ok", or the sentence that says why not."""

    enrolled: bool
    node_id: int | None = None
    endpoint: str | None = None
    endpoint_state: str = "not asked"
    agent_running: bool = False
    spool: str | None = None
    spool_depth: int = 0
    spool_oldest_age_s: float | None = None
    corrupt: int = 0
    dropped: int = 0
    last_delivery: float | None = None
    delivery_problem: str | None = None
    document_version: str | None = None
    reported: float | None = None
    firewall: str = NO_DOCUMENT
    networks: tuple[dict[str, Any], ...] = ()
    public: tuple[str, ...] = ()
    hook_path: str | None = None
    hook_installed: str | None = None
    hook_packaged: str = qemu_hook.HOOK_VERSION
    hook_wanted: str | None = None

    @property
    def healthy(self) -> bool:
        return (
            self.enrolled and self.agent_running and self.endpoint_state == "ok" and self.hook_installed is not None
            and self.firewall in ("applied", NO_DOCUMENT)
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"healthy": self.healthy}


def get_status(state_dir: Path) -> Status:
    """Looks at the files and asks the endpoint once, for at most ten seconds. Raises nothing for a sick node."""
    try:
        identity = find_identity(state_dir)
    except NotEnrolled as error:
        return Status(enrolled=False, endpoint_state=str(error))
    if identity is None:
        return Status(enrolled=False)
    facts = read_json(state_dir / "state.json") or {}
    spool = Spool(Path(identity.spool)).state()
    return Status(
        enrolled=True,
        node_id=identity.node_id,
        endpoint=identity.endpoint,
        endpoint_state=_ask(identity),
        agent_running=_is_alive(facts.get("pid")),
        spool=identity.spool,
        spool_depth=spool.depth + spool.unsequenced,
        spool_oldest_age_s=spool.oldest_age_s,
        corrupt=spool.corrupt,
        dropped=facts.get("dropped", 0),
        last_delivery=facts.get("last_delivery"),
        delivery_problem=facts.get("problem"),
        document_version=facts.get("document_version"),
        reported=facts.get("reported"),
        firewall=facts.get("firewall", NO_DOCUMENT),
        networks=tuple(facts.get("networks", ())),
        public=tuple(facts.get("public", ())),
        hook_path=identity.hook_path or None,
        hook_installed=installed_version(Path(identity.hook_path)) if identity.hook_path else None,
        hook_wanted=facts.get("wanted_hook_version") or None,
    )


def describe(status: Status, now: float | None = None) -> str:
    """For people: one fact a line."""
    now = time.time() if now is None else now
    if not status.enrolled:
        return f"not enrolled ({status.endpoint_state})" if status.endpoint_state != "not asked" else "not enrolled"

    def ago(when: float | None) -> str:
        return "never" if when is None else f"{max(0.0, now - when):.0f} s ago"

    oldest = "" if status.spool_oldest_age_s is None else f", the oldest for {status.spool_oldest_age_s:.0f} s"
    versions = f"installed {status.hook_installed or 'none'}, packaged {status.hook_packaged}"
    lines = [
        ("node", str(status.node_id)),
        ("endpoint", f"{status.endpoint}: {status.endpoint_state}"),
        ("agent", "running" if status.agent_running else "not running"),
        ("hook", f"{status.hook_path}: {versions}, wanted {status.hook_wanted or 'any'}"),
        ("spool", f"{status.spool}: {status.spool_depth} waiting{oldest}"),
        ("set aside", f"{status.corrupt} corrupt, {status.dropped} dropped from a full spool"),
        ("last delivery", ago(status.last_delivery)),
        ("problem", status.delivery_problem or "none"),
        ("document", status.document_version or "none yet"),
        ("last report", ago(status.reported)),
        ("firewall", status.firewall),
        ("answers for", ", ".join(status.public) or "no public addresses"),
    ]
    for network in status.networks:
        what = f"{network.get('bridge')} {network.get('pool')}: {network.get('state')}"
        lines.append((f"network {network.get('name')}", what))
    return "\n".join(f"{name + ':':16}{value}" for name, value in lines)


def _ask(identity: Identity) -> str:
    try:
        client = Client(identity.address(), identity.signer())
        try:
            fetch_document(client, "", wait_s=0)
        finally:
            client.close()
    except (EndpointUnavailable, EndpointRefused, WrongUse) as error:
        return str(error)
    return "ok"


def _is_alive(pid: object) -> bool:
    if type(pid) is not int:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
