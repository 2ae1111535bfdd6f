"""
What the agent keeps in its state directory.

    identity.json   0600: who this node is and the credential; written by ``wawel-node enrol`` alone
    document.json   the last document, so that a node converges after a reboot even if the endpoint is down
    state.json      what ``wawel-node status`` shows; may be lost
"""

import json
import os
import threading
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from node_hooks import qemu_hook
from node_hooks.client import Credential, EndpointAddress, parse_endpoint
from node_hooks.errors import NotEnrolled

AGENT_VERSION = "2"
DEFAULT_STATE_DIR = Path("/var/lib/wawel-node")


@dataclass(frozen=True)
class Identity:
    """``hook_path`` is the installed hook."""

    endpoint: str
    ca_file: str | None
    node_id: int
    credential: str = field(repr=False)
    spool: str
    hook_path: str

    def address(self) -> EndpointAddress:
        return parse_endpoint(self.endpoint, self.ca_file)

    def signer(self) -> Credential:
        return Credential(self.node_id, self.credential)


def find_identity(state_dir: Path) -> Identity | None:
    """:raises NotEnrolled: there is one, but it cannot be read."""
    path = state_dir / "identity.json"
    try:
        content = json.loads(path.read_text())
        return Identity(**{each.name: content[each.name] for each in fields(Identity)})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NotEnrolled(f"{path} cannot be read ({type(error).__name__}); enrol this node again.") from None


def get_identity(state_dir: Path) -> Identity:
    """:raises NotEnrolled: none, or it cannot be read."""
    identity = find_identity(state_dir)
    if identity is None:
        raise NotEnrolled(f"This node is not enrolled: {state_dir} holds no identity. Run `wawel-node enrol` first.")
    return identity


def save_identity(state_dir: Path, identity: Identity) -> None:
    """:raises OSError: nothing was changed."""
    write_durably(state_dir / "identity.json", json.dumps(asdict(identity), indent=1) + "\n")


def write_durably(path: Path, text: str, mode: int = 0o600, scratch: Path | None = None) -> None:
    """
    Replace ``path`` as a whole, surviving a power cut.

    :param scratch: where it is written first, on the same file system; by default beside ``path``.
    """
    being_written = (scratch or path.parent) / f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp"
    descriptor = os.open(being_written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "w") as target:
            os.fchmod(descriptor, mode)
            target.write(text)
            target.flush()
            os.fsync(descriptor)
        os.replace(being_written, path)
    except OSError:
        being_written.unlink(missing_ok=True)
        raise
    qemu_hook.sync_directory(str(path.parent))


def read_json(path: Path) -> dict[str, Any] | None:
    """``None`` for anything but a readable JSON object."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


class StateFile:
    """The facts shown by ``status``, written whole on each change; any thread may note some."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "state.json"
        self._lock = threading.Lock()
        self._facts: dict[str, Any] = read_json(self.path) or {}

    def get(self, name: str, default: Any = None) -> Any:
        with self._lock:
            return self._facts.get(name, default)

    def note(self, **facts: object) -> None:
        """Without fsync, as it may be lost. A full disk is no reason to stop the agent, so nothing is raised."""
        with self._lock:
            if all(name in self._facts and self._facts[name] == value for name, value in facts.items()):
                return
            self._facts.update(facts)
            being_written = self.path.with_name(".state.json.tmp")
            try:
                being_written.write_text(json.dumps(self._facts))
                os.replace(being_written, self.path)
            except OSError:
                pass
