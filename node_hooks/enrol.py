"""Making a machine a node: spend the one-time token, keep the credential, install the hook."""

import hmac
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from node_hooks import qemu_hook
from node_hooks.client import Client, EndpointAddress, parse_endpoint
from node_hooks.document import fetch_document
from node_hooks.errors import EndpointRefused, EndpointUnavailable, NotEnrolled, WrongUse
from node_hooks.install import Installation, check_installable, install_hook
from node_hooks.spool import Spool
from node_hooks.state import AGENT_VERSION, Identity, find_identity, save_identity


@dataclass(frozen=True)
class Enrolment:
    """:ivar repeated: the node was enrolled already and the endpoint still knows it; the token was not spent."""

    identity: Identity
    installation: Installation
    repeated: bool


def enrol(
    endpoint: str, token: str, ca_file: str | None, state_dir: Path, spool_dir: Path, hooks_dir: Path,
    boot_id_file: Path | None = None,
) -> Enrolment:
    """
    Safe to repeat: what is there already is kept or renewed, and a working identity does not spend the token.

    All that can fail here is tried before the token is spent. Should the machine die between the endpoint's answer
    and the write of the credential, a new token is needed.

    :param boot_id_file: holds the boot id of this (simulated) host, instead of the kernel's.
    :raises WrongUse: an argument cannot be used.
    :raises EndpointUnavailable: nothing happened.
    :raises EndpointRefused: the token is unknown or spent.
    """
    address = parse_endpoint(endpoint, ca_file)
    spool = Spool(spool_dir.absolute())
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        spool.ensure()
        if boot_id_file is not None:
            _link_boot_id(spool.directory, boot_id_file)
        if not os.access(state_dir, os.W_OK):
            raise PermissionError(13, "it cannot be written")
    except OSError as error:
        raise WrongUse(f"{error.filename or state_dir} cannot be used: {error.strerror}.") from None
    check_installable(hooks_dir.absolute(), spool.directory)
    known = _find_working(state_dir, address)
    if known is not None:
        node_id, credential = known.node_id, known.credential
    else:
        node_id, credential = _spend(address, token, qemu_hook.boot_id(str(spool.directory)))
        # Kept before anything else can fail: the token is spent now.
        _save(state_dir, Identity(endpoint, address.ca_file, node_id, credential, str(spool.directory), ""))
    installation = install_hook(hooks_dir.absolute(), spool.directory)
    identity = Identity(
        endpoint, address.ca_file, node_id, credential, str(spool.directory), str(installation.path)
    )
    _save(state_dir, identity)
    return Enrolment(identity, installation, known is not None)


def _find_working(state_dir: Path, address: EndpointAddress) -> Identity | None:
    """
    The identity we have, if this endpoint still takes it.

    :raises EndpointUnavailable: it cannot be asked.
    """
    try:
        known = find_identity(state_dir)
    except NotEnrolled:
        return None
    if known is None:
        return None
    client = Client(address, known.signer())
    try:
        fetch_document(client, "", wait_s=0)
    except EndpointRefused:
        return None
    finally:
        client.close()
    return known


def _spend(address: EndpointAddress, token: str, boot_id: str) -> tuple[int, str]:
    if not token:
        raise WrongUse("The token is empty.")
    client = Client(address, None)
    try:
        answer = client.json("POST", "/node/enrol", {
            "token": token, "hostname": socket.gethostname(), "boot_id": boot_id,
            "agent_version": AGENT_VERSION, "hook_version": qemu_hook.HOOK_VERSION, "machine_id": machine_digest(),
        })
    finally:
        client.close()
    node_id, credential = answer.get("node_id"), answer.get("credential")
    if type(node_id) is not int or not isinstance(credential, str) or not credential:
        raise EndpointUnavailable("The endpoint answered without node_id and credential; the token may be spent.")
    return node_id, credential


def machine_digest(path: Path = Path("/etc/machine-id")) -> str:
    """
    Which machine this is, so that it does not become two nodes; "" where it has no id. The id itself is to stay on the
    machine (machine-id(5)).
    """
    try:
        machine_id = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    if len(machine_id) != 32:
        return ""  # "uninitialized" of an image that never booted
    return hmac.new(machine_id.encode(), b"wawel-node", "sha256").hexdigest()


def _save(state_dir: Path, identity: Identity) -> None:
    try:
        save_identity(state_dir, identity)
    except OSError as error:
        raise WrongUse(f"The credential cannot be kept in {state_dir}: {error.strerror}.") from None


def _link_boot_id(spool: Path, boot_id_file: Path) -> None:
    """A link, so that a changed file is a reboot for the hook and the agent alike."""
    link = spool / "boot_id"
    link.unlink(missing_ok=True)
    link.symlink_to(boot_id_file.absolute())
