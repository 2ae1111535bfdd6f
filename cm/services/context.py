"""What use cases are handed besides their arguments: the caller with the cluster's policy, and its living parts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cm.rpc.caller import Call
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.known_image import KnownImage
from cm.rules.placement import Policy
from cm.rules.series import USUALLY, Kept

if TYPE_CHECKING:
    from cm.rpc.gate import PasswordGate
    from cm.runtime.database import Database
    from cm.runtime.listener import Listener
    from cm.runtime.logins import LoginTrail
    from cm.runtime.threads import IThreads
    from cm.services.authenticator import DatabaseAuthenticator
    from cm.services.fleet import Fleet


@dataclass(frozen=True)
class ClusterPolicy:
    """The cluster's settings that decisions depend on. Times are in seconds."""

    name: str = "cluster"
    secret: bytes = field(default=b"", repr=False)  # derives one-time VNC passwords; the same for all processes
    public_url: str = ""  # where people's programs reach this process, without a slash at its end; "" where they cannot
    placement: Policy = "spread"
    hook_grace_s: float = 5.0  # how long an end waits for its hook before it looks for itself
    agent_silent_s: float = 60.0  # after which a node whose agent does not speak takes no VMs
    hooks_silent_s: float = 60.0  # after which a launch that no hook told of makes its node take no more
    doubtful_s: float = 60.0  # how long a node may be silent before its VMs are shown as doubtful
    shutdown_s: float = 60.0  # how long a guest may take to obey the power button
    owners_spoof: bool = False  # whether a VM's owners may let its network cards send as anybody
    ula: bool = True  # whether users' networks of pools without IPv6 get unique local addresses
    nic_kbit_in: int = 0  # kbit/s that a network card gets at the most, unless an administrator grants more; 0: any
    nic_kbit_out: int = 0  # that it sends
    detach_s: float = 30.0  # how long a guest may take to let go of a disk
    migration_mib_s: int = 0  # of a running guest's memory in a second, to another node; 0: as much as goes
    migration_s: float = 3600.0  # how long one may take that writes faster than that
    migration_post_copy: bool = False  # whether such guests go on there before all has come
    cpu_overcommit: float = 4.0
    memory_overcommit: float = 1.0
    storage_overcommit: float = 4.0
    storage_low_percent: int = 10  # of a storage's capacity: where less is free, its trash is deleted; 0: never
    vnc_first_port: int = 5900
    vnc_ports: int = 1000  # per node
    staging_dir: Path = Path("/var/lib/wawel/staging")
    import_dirs: tuple[Path, ...] = ()
    import_private_networks: bool = False  # whether image URLs may lead to private addresses
    import_networks: tuple[str, ...] = ()  # CIDRs that image URLs may lead to though they are private
    import_max_bytes: int = 64 * 2**30
    import_timeout_s: float = 3600.0
    image_copies: int = 4  # to nodes' own storages at once
    cache_free: float = 0.2  # of a node's own storage, kept free of images that nothing is made from
    imports_per_account: int = 4  # under way at once; administrators have no bound
    staging_id: str = ""  # which of several machines' staging directories ours is
    uploads_per_account: int = 4  # open at once, of anybody
    uploads: int = 100  # of all
    upload_s: float = 2 * 86_400.0  # in which one has to be complete
    download_s: float = 3600.0  # for which an address that a file is read at is good
    known_images: Mapping[str, KnownImage] = field(default_factory=dict)
    failed_images_s: float = 7 * 86_400.0  # images whose import failed are kept so long
    snapshots_per_disk: int = 16
    snapshot_chain_max: int = 8  # volumes of its own that a running VM's disk is read through; 0: any
    measured_s: int = 10  # between samples
    samples_kept: Kept = USUALLY
    vm_trash_s: float = 7 * 86_400.0  # and VMs, until they are destroyed; 0: until somebody destroys them
    transfer_s: float = 3 * 86_400.0  # for which an offer of ownership is good
    trash_s: float = 7 * 86_400.0  # disks are kept in the trash for so long; 0: until somebody purges them
    vendor_data: Mapping[str, Any] = field(default_factory=dict)  # what all guests are told, as cloud-config
    install_agent: bool = False  # whether cloud-init of guests installs our own agent
    quota_cpu: int = 20
    quota_memory_mib: int = 32_768
    quota_storage_mib: int = 512 * 1024
    quota_vms: int = 20
    quota_networks: int = 16
    quota_points: int = 0  # a month, of accounts that have no number of their own; 0: without a bound
    points_refuse: bool = False  # whether nothing more is started by who has used them


def vnc_password(secret: bytes, vm_uuid: str, generation: int) -> str:
    """
    The password of one attachment: eight characters (VNC's limit), derived, so that none is ever stored.

    :param generation: grows with each attachment; an old password cannot come back.
    """
    digest = hmac.new(secret, f"vnc:{vm_uuid}:{generation}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest)[:8].decode().lower()


@dataclass
class Services:
    """
    The living parts that asynchronous views and operations use.

    :ivar signals: the database's notifications.
    """

    database: Database
    threads: IThreads
    fleet: Fleet
    policy: ClusterPolicy
    signals: Listener
    gate: PasswordGate
    logins: LoginTrail
    authenticator: DatabaseAuthenticator


@dataclass(slots=True)
class ClusterCall(Call):
    """A view's caller in a cluster manager."""

    policy: ClusterPolicy = field(kw_only=True)

    @property
    def cause(self) -> Cause:
        """Of the operations that it leads to."""
        return Cause(CauseKind.CALL, self.request_id or self.call_id)


@dataclass(slots=True)
class AsyncClusterCall(ClusterCall):
    """The caller of an asynchronous view, which has no session, and the living parts instead."""

    services: Services = field(kw_only=True)
