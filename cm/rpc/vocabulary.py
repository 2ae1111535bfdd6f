"""
The names that cross the wire: states, roles, kinds, limits. Imports nothing of ours.

Ids are integers in one cluster; every object also has a uuid that is unique everywhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NewType

AccountId = NewType("AccountId", int)
NodeId = NewType("NodeId", int)
StorageId = NewType("StorageId", int)
ImageId = NewType("ImageId", int)
TemplateId = NewType("TemplateId", int)
VMId = NewType("VMId", int)
DiskId = NewType("DiskId", int)
PoolId = NewType("PoolId", int)
LeaseId = NewType("LeaseId", int)
OperationId = NewType("OperationId", int)
DriftId = NewType("DriftId", int)


class Role(StrEnum):
    """
    Who may call a view. A user is also a guest, an administrator (of a cluster) also a user, a cloud administrator
    all of these.
    """

    GUEST = "guest"
    USER = "user"
    ADMIN = "admin"
    CLOUD = "cloud"
    NODE = "node"


class VMState(StrEnum):
    """The status shown, computed from intent, evidence and work (``rules/vm.py``)."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    SAVING = "saving"
    REBOOTING = "rebooting"
    ERROR = "error"
    TRASHED = "trashed"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"


class Wanted(StrEnum):
    """Intent: what callers asked a VM to be."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    SAVED = "saved"
    TRASHED = "trashed"
    DESTROYED = "destroyed"


class Seen(StrEnum):
    """Evidence: what was last observed of a VM's domain. *Unknown* is a value; nothing was ever seen of it."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    OFF = "off"
    RUNNING = "running"
    PAUSED = "paused"
    CRASHED = "crashed"


class SeenReason(StrEnum):
    """
    Why a domain is as it was seen: libvirt's words, and some of ours. What follows from an end depends on it, so a word
    that we do not know is ``OTHER``, never one that we know.
    """

    NONE = ""
    HOST_RESTARTED = "unknown"  # what libvirt says of a domain that is off since its host was
    HOST_LOST = "host_lost"  # an administrator's: its host is off
    OTHER = "other"
    ABSENT = "absent"  # there is no domain
    RELEASED = "released"  # a hook's
    BY_US = "by us"
    RESET = "reset"
    BOOTED = "booted"
    MIGRATED = "migrated"
    RESTORED = "restored"
    FROM_SNAPSHOT = "from_snapshot"
    UNPAUSED = "unpaused"
    MIGRATION_CANCELED = "migration_canceled"
    SAVE_CANCELED = "save_canceled"
    WAKEUP = "wakeup"
    CRASHED = "crashed"
    POSTCOPY = "postcopy"
    POSTCOPY_FAILED = "postcopy_failed"
    USER = "user"
    MIGRATION = "migration"
    SAVE = "save"
    DUMP = "dump"
    IO_ERROR = "io_error"
    WATCHDOG = "watchdog"
    SHUTTING_DOWN = "shutting_down"
    SNAPSHOT = "snapshot"
    STARTING_UP = "starting_up"
    API_ERROR = "api_error"
    SHUTDOWN = "shutdown"
    DESTROYED = "destroyed"
    SAVED = "saved"
    FAILED = "failed"
    DAEMON = "daemon"
    PANICKED = "panicked"

    @classmethod
    def _missing_(cls, value: object) -> SeenReason:
        return cls.OTHER


class CauseKind(StrEnum):
    """What led to an operation."""

    CALL = "call"
    HOOK = "hook"
    LOOK = "look"
    DRIFT = "drift"
    OPERATION = "operation"
    EXPIRY = "expiry"  # a VM's lease has ended


class PowerOffPolicy(StrEnum):
    """What happens to a VM whose guest powered itself off."""

    STOP = "stop"
    SAVE = "save"
    DESTROY = "destroy"
    RESTART = "restart"


class HostFailurePolicy(StrEnum):
    """What becomes of a VM that was to run on a host that was restarted, or is off for good."""

    RESTART = "restart"
    STOP = "stop"


class CrashPolicy(StrEnum):
    """What becomes of a VM whose guest's kernel panicked, or whose QEMU ended without being asked to."""

    RESTART = "restart"
    STOP = "stop"


class HangPolicy(StrEnum):
    """What becomes of a VM whose guest does not feed its watchdog any more; *ignore*: it has none."""

    IGNORE = "ignore"
    RESTART = "restart"
    STOP = "stop"


class OperationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"


OPEN_OPERATIONS: Final = (OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING)


class ImageKind(StrEnum):
    SYSTEM = "system"
    STORAGE = "storage"
    ISO = "iso"


class ImageState(StrEnum):
    UPLOADING = "uploading"
    ADDING = "adding"
    OK = "ok"
    FAILED = "failed"
    TRASHED = "trashed"  # as a disk: hidden and of no use until it is restored
    DELETED = "deleted"


class CachedState(StrEnum):
    """Of an image's copy on a node's own storage."""

    WAITING = "waiting"
    COPYING = "copying"
    OK = "ok"
    FAILED = "failed"
    EVICTING = "evicting"


class ImageAccess(StrEnum):
    PRIVATE = "private"
    PUBLIC = "public"


class DiskKind(StrEnum):
    """What a disk is to its catalogue: a VM's own, which has no entry there, or an entry's of this kind."""

    VM = "vm"
    STORAGE = "storage"
    ISO = "iso"


class DiskState(StrEnum):
    ADDING = "adding"  # its volume is not made yet
    OK = "ok"
    FAILED = "failed"
    TRASHED = "trashed"
    LOST = "lost"  # its volume is missing, and given up
    DELETED = "deleted"  # its volume is being deleted


class VolumeUse(StrEnum):
    """What volumes are counted as."""

    SYSTEM_IMAGE = "system_image"
    ISO_IMAGE = "iso_image"
    ROOT_DISK = "root_disk"  # of a VM, with which it goes
    DATA_DISK = "data_disk"  # a disk that somebody made or brought
    SNAPSHOT = "snapshot"  # a point in time, or what only other volumes stand on
    MEMORY = "memory"  # of a VM that is suspended
    SEED = "seed"  # what a VM's guest is told as it boots for the first time
    CACHE = "cache"  # a node's own copy of an image
    TRASH = "trash"
    UNACCOUNTED = "unaccounted"  # by one of our names, and on no record


class DiskFormat(StrEnum):
    QCOW2 = "qcow2"
    RAW = "raw"


class SourceFormat(StrEnum):
    """What a disk image may be when it comes; what is neither qcow2 nor raw is converted to qcow2."""

    QCOW2 = "qcow2"
    RAW = "raw"
    VMDK = "vmdk"
    VDI = "vdi"
    VHD = "vhd"
    VHDX = "vhdx"


class Filesystem(StrEnum):
    """What a new disk may be formatted with, in its one partition."""

    EXT4 = "ext4"
    XFS = "xfs"
    VFAT = "vfat"
    NTFS = "ntfs"


class Architecture(StrEnum):
    X86_64 = "x86_64"
    AARCH64 = "aarch64"


class ImageFault(StrEnum):
    """What kind of fault an image is refused for."""

    OTHER = "other"
    FORMAT = "format"  # one that is not taken, or no image at all
    CLAIM = "claim"  # another format than was said or promised
    CHECKSUM = "checksum"
    SIGNATURE = "signature"  # of the file of checksums
    NAMES_FILES = "names_files"  # a backing file, a data file, extents, a parent
    ENCRYPTED = "encrypted"
    SNAPSHOTS = "snapshots"
    FEATURES = "features"  # of its format, which are not known or not taken
    DAMAGED = "damaged"  # cut off, contradictory, corrupt, not closed
    TOO_LARGE = "too_large"  # what it says, or what it becomes when it is unpacked
    ARCHIVE = "archive"  # several files, paths, or an archive in an archive


class DeployMode(StrEnum):
    """How a VM's root disk comes from its image: a thin overlay on it, or a full copy."""

    OVERLAY = "overlay"
    COPY = "copy"


class VolumeMode(StrEnum):
    """How a volume comes to be: an overlay on another, a full copy of another, or of no other."""

    OVERLAY = "overlay"
    COPY = "copy"
    WHOLE = "whole"


class DiskBus(StrEnum):
    VIRTIO = "virtio"
    SCSI = "scsi"
    SATA = "sata"
    IDE = "ide"


class ConsoleKind(StrEnum):
    """How a VM is spoken to: by the text of its serial console, or by its screen, keyboard and mouse."""

    SERIAL = "serial"
    VNC = "vnc"


class Freeze(StrEnum):
    """Whether guests' file systems are frozen while a snapshot is taken; ``AUTO``: where their agent can."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class Consistency(StrEnum):
    """What a snapshot is as good as: a disk whose power was cut, one that was written out, or one that nobody used."""

    CRASH = "crash"
    FROZEN = "frozen"
    OFF = "off"


class NetworkKind(StrEnum):
    """
    How nodes make a network: ``nat``: libvirt does, one for itself on each node; ``vxlan``: nodes' agents do, one over
    all nodes that have VMs on it; ``bridge``: it is on a bridge or a VLAN that nodes have.
    """

    NAT = "nat"
    VXLAN = "vxlan"
    BRIDGE = "bridge"


class PublicState(StrEnum):
    """
    What has become of a public address: ``free``: nobody has asked for it; ``unassigned``: its owner's, of no VM;
    ``waiting``: no node answers for it yet, or any more; ``answered``: a node tells that it answers for it.
    """

    FREE = "free"
    UNASSIGNED = "unassigned"
    WAITING = "waiting"
    ANSWERED = "answered"


class PortProtocol(StrEnum):
    """Of a public port."""

    TCP = "tcp"
    UDP = "udp"


class NicModel(StrEnum):
    VIRTIO = "virtio"
    E1000 = "e1000"
    RTL8139 = "rtl8139"


class RuleDirection(StrEnum):
    """Of what a rule of a security group allows, seen from the NIC."""

    IN = "in"
    OUT = "out"


class Verdict(StrEnum):
    """Whether a packet between guests, or between one and the outside, passes, or else what keeps it."""

    PASSES = "passes"
    NO_ADDRESS = "no_address"
    NO_RULE_OUT = "no_rule_out"
    NO_RULE_IN = "no_rule_in"
    KEPT_APART = "kept_apart"
    MANAGEMENT = "management"
    ANSWERS_ONLY = "answers_only"
    IPV4_ONLY = "ipv4_only"


class VideoModel(StrEnum):
    VGA = "vga"
    CIRRUS = "cirrus"
    VIRTIO = "virtio"


class Firmware(StrEnum):
    """What a guest's machine boots by."""

    BIOS = "bios"
    UEFI = "uefi"


class MachineType(StrEnum):
    """A guest's chipset: that of 2009 with PCI Express, that of 1996, or by its disks."""

    AUTO = "auto"
    Q35 = "q35"
    PC = "pc"


class CpuModel(StrEnum):
    """A guest's CPU: its node's own, or the one that all of the cluster's nodes can give."""

    HOST = "host"
    BASELINE = "baseline"


class StorageKind(StrEnum):
    """A directory of the nodes, an export that they mount, a volume group (LVM)."""

    DIR = "dir"
    NETFS = "netfs"
    LOGICAL = "logical"


class Match(StrEnum):
    """Which free volumes are of the right size for a new disk."""

    EXACT = "exact"
    AT_LEAST = "at_least"  # or a little larger


class StorageRefusal(StrEnum):
    """Why a storage cannot make a volume."""

    WRONG_TYPE = "wrong_type"
    LOCKED = "locked"
    INACTIVE = "inactive"
    UNREACHABLE = "unreachable"
    INSUFFICIENT = "insufficient"


class FreedPolicy(StrEnum):
    """What is done to the content of a storage's volumes before they are deleted, or are free for others."""

    NONE = "none"
    DISCARD = "discard"  # what can be read is zeros, and thin storages have their blocks back
    WIPE = "wipe"  # it is overwritten


class AccessMethod(StrEnum):
    """How people reach a guest first."""

    SSH = "ssh"
    RDP = "rdp"
    NX = "nx"


class InstanceStatus(StrEnum):
    """What CIRCLE calls a VM's state: its seven, and the two that its code has beside."""

    NOSTATE = "NOSTATE"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUSPENDED = "SUSPENDED"
    ERROR = "ERROR"
    PENDING = "PENDING"
    DESTROYED = "DESTROYED"
    MIGRATING = "MIGRATING"
    PAUSED = "PAUSED"


class InstanceOperation(StrEnum):
    """What CIRCLE calls what may be asked of an instance."""

    DEPLOY = "deploy"
    DESTROY = "destroy"
    RECOVER = "recover"
    MIGRATE = "migrate"
    RESET = "reset"
    REBOOT = "reboot"
    SHUTDOWN = "shutdown"
    SHUT_OFF = "shut_off"
    SLEEP = "sleep"
    WAKE_UP = "wake_up"
    SAVE_AS_TEMPLATE = "save_as_template"
    RENEW = "renew"
    RENAME = "rename"
    RESOURCES_CHANGE = "resources_change"
    ADD_INTERFACE = "add_interface"
    REMOVE_INTERFACE = "remove_interface"
    ADD_PORT = "add_port"
    REMOVE_PORT = "remove_port"
    CREATE_DISK = "create_disk"
    RESIZE_DISK = "resize_disk"
    REMOVE_DISK = "remove_disk"
    PASSWORD_RESET = "password_reset"
    INSTALL_KEYS = "install_keys"
    REMOVE_KEYS = "remove_keys"
    SCREENSHOT = "screenshot"


class VMEventCode(StrEnum):
    """What is done to a VM at once, and kept in its history beside its operations."""

    CONSOLE = "console-accessed"
    RENAME = "rename"
    RESOURCES_CHANGE = "resources_change"
    RENEW = "renew"
    RECOVER = "recover"
    NOTICE = "notification_about_expiration"
    PASSWORD_RESET = "password_reset"
    INSTALL_KEYS = "install_keys"
    REMOVE_KEYS = "remove_keys"
    REBOOT = "reboot"
    HOSTNAME = "set_hostname"
    GENERATE_KEY = "generate_key"
    GROW_ROOT = "grow_root"
    MOUNT_SHARE = "mount_share"
    UNMOUNT_SHARE = "unmount_share"
    ADD_PORT = "add_port"
    REMOVE_PORT = "remove_port"
    TRANSFER = "ownership_transferred"


class JobRunState(StrEnum):
    """How a run of a job is: the last two were none, since nobody was there, or since one was under way."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    MISSED = "missed"
    SKIPPED = "skipped"


class TemplateField(StrEnum):
    """What a VM template says, or has of its parent."""

    SYSTEM = "system"
    IMAGE_ID = "image_id"
    ISO_LIST = "iso_list"
    NEW_DISKS = "new_disks"
    NETWORKS = "networks"
    ACCESS_METHOD = "access_method"
    HAS_AGENT = "has_agent"
    TRAITS = "traits"
    TAGS = "tags"
    FIRMWARE = "firmware"
    MACHINE = "machine"
    BOOT_MENU_S = "boot_menu_s"
    CPU_MODEL = "cpu_model"


class Privilege(StrEnum):
    """What somebody may do in a resource pool; whoever makes VMs in one sees it."""

    CLOUD_CREATE = "cloud_create"
    CLOUD_VIEW = "cloud_view"


class PoolResource(StrEnum):
    """What a resource pool has limits of."""

    CPU = "cpu"
    MEMORY_MIB = "memory_mib"
    STORAGE_MIB = "storage_mib"
    VMS = "vms"
    NICS = "nics"


class Affinity(StrEnum):
    """Where VMs of one group are to run."""

    TOGETHER = "together"  # on one node
    APART = "apart"  # each on another


class FarmState(StrEnum):
    """The state shown of a farm, computed from those of its head and workers (``rules/farm.py``)."""

    STARTING_HEAD = "starting_head"  # its workers wait for it
    STARTING_WORKERS = "starting_workers"
    RUNNING = "running"
    STOPPED = "stopped"
    DEGRADED = "degraded"  # some of it is not as the rest
    ERROR = "error"  # its head is
    SAVING_HEAD = "saving_head"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"


class FarmRole(StrEnum):
    HEAD = "head"
    WORKER = "worker"


class NodeMode(StrEnum):
    """What an administrator has a node there for. In all modes but the first it is *locked*: nothing new comes."""

    ACTIVE = "active"
    PASSIVE = "passive"  # what is there stays
    DRAINING = "draining"  # what is there leaves it
    MAINTENANCE = "maintenance"  # likewise; once it is empty, its machine may be away
    DISABLED = "disabled"  # it is empty, and nobody asks it anything


class NodeState(StrEnum):
    """What is seen of a node; what it is there for is the administrator's word and kept apart (``NodeMode``)."""

    NEW = "new"
    OK = "ok"
    UNREACHABLE = "unreachable"


class NodeHealth(StrEnum):
    """Whether a node that answers does what VMs need of it; apart from whether it answers."""

    OK = "ok"
    DEGRADED = "degraded"


class NodeTrouble(StrEnum):
    """What makes a node's health degraded. Placement leaves it out, but for those of the second part."""

    OTHER_HOST = "other_host"
    AGENT_SILENT = "agent_silent"
    HOOKS_SILENT = "hooks_silent"
    # What its agent reports, or what follows from that.
    NFT_MISSING = "nft_missing"
    FIREWALL_FAILED = "firewall_failed"
    LINKS_UNKNOWN = "links_unknown"
    METADATA_FAILED = "metadata_failed"
    DNSMASQ_MISSING = "dnsmasq_missing"
    HOOK_MISSING = "hook_missing"
    DOCUMENT_REFUSED = "document_refused"
    DOCUMENT_BEHIND = "document_behind"
    NETWORK_STUCK = "network_stuck"

    HOOK_OUTDATED = "hook_outdated"
    BRIDGE_MISSING = "bridge_missing"
    LINK_FAILED = "link_failed"
    DHCP_FAILED = "dhcp_failed"
    PUBLIC_FAILED = "public_failed"
    SHAPING_FAILED = "shaping_failed"
    CONSOLES_UNBOUNDED = "consoles_unbounded"
    STORAGE_SILENT = "storage_silent"
    LOCKS_NOT_RECOVERED = "locks_not_recovered"
    OTHER_PROBLEM = "other_problem"


class Doubt(StrEnum):
    """Why what is shown of a VM may not be so any more."""

    NONE = ""
    NODE_SILENT = "node_silent"
    DOMAIN_MISSING = "domain_missing"


class DriftKind(StrEnum):
    UNKNOWN_DOMAIN = "unknown_domain"
    MISSING_DOMAIN = "missing_domain"
    WRONG_STATE = "wrong_state"
    WRONG_DEFINITION = "wrong_definition"
    LEAKED_VOLUME = "leaked_volume"
    MISSING_VOLUME = "missing_volume"
    GUEST_FORMAT = "guest_format"
    WRONG_HOOK = "wrong_hook"
    CLOCK_SKEW = "clock_skew"
    OTHER_HOST = "other_host"
    DOCUMENT_BEHIND = "document_behind"
    WRONG_LINK = "wrong_link"
    WRONG_RULES = "wrong_rules"
    WRONG_PUBLIC = "wrong_public"


class Remedy(StrEnum):
    """What is done about a finding of the drift ledger when it is applied."""

    RECORD_END = "record_end"  # its VM has ended; the VM's policy follows
    RESTORE_STATE = "restore_state"  # its VM is brought to what is wanted of it
    TAKE_HOST = "take_host"  # the machine that answers is the node's from now on
    DELETE_VOLUME = "delete_volume"  # by the next pass, after its own look that nothing uses it
    GIVE_UP_VOLUME = "give_up_volume"  # what was on it is lost
    BY_HAND = "by_hand"  # nothing: the proposal says what somebody has to do


class TagKind(StrEnum):
    """What may have tags."""

    VM = "vm"
    IMAGE = "image"
    DISK = "disk"
    SNAPSHOT = "snapshot"
    SECURITY_GROUP = "security_group"
    NETWORK = "network"
    PUBLIC_ADDRESS = "public_address"


class TransferKind(StrEnum):
    """What may be offered to another account. Images of all kinds are one."""

    VM = "vm"
    IMAGE = "image"
    VM_TEMPLATE = "vm_template"


class TransferState(StrEnum):
    """How an offer of ownership stands. Of the last two nobody answered; void: its object is gone, or another's."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    VOID = "void"


class ChangeRequestKind(StrEnum):
    """What people ask administrators for."""

    RESIZE = "resize"
    EXPIRY = "expiry"
    QUOTA = "quota"


class ChangeRequestState(StrEnum):
    """How a request stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class UserDataEncoding(StrEnum):
    """How user data is written."""

    AUTO = "auto"  # what looks like base64 of something that a guest would read is that
    PLAIN = "plain"
    BASE64 = "base64"


class MetadataSource(StrEnum):
    """Where a guest that is set up by cloud-init, or the like, finds what it is told of its VM."""

    IMDS = "imds"  # it takes the VM for one of EC2's, and asks EC2's metadata service
    NOCLOUD = "nocloud"  # its SMBIOS serial names an address of the same service
    SEED_ISO = "seed-iso"  # it is on a CD, which is there for its first boot, as NoCloud has it
    CONFIG_DRIVE = "config-drive"  # likewise, as OpenStack has it
    NONE = "none"


class GuestWay(StrEnum):
    """How something is asked of a guest."""

    AGENT = "agent"  # QEMU's guest agent
    WAWEL = "wawel"  # our own agent in it, which calls the contextualization endpoint
    BUTTON = "button"  # the power button, which the guest may ignore
    KEYS = "keys"  # Ctrl+Alt+Del, which it may ignore, too


class ShareKind(StrEnum):
    """What a guest mounts that others share."""

    NFS = "nfs"
    CIFS = "cifs"  # SMB
    SSHFS = "sshfs"


class GuestCommandState(StrEnum):
    """How far something is that a guest's own agent is asked to do."""

    PENDING = "pending"  # the agent has not begun
    EXECUTING = "executing"  # it has, and has not told how it ended
    FINISHED = "finished"
    FAILED = "failed"  # it told why
    TIMED_OUT = "timed_out"  # it began, and told nothing in time: it may have been done
    EXPIRED = "expired"  # it did not begin in time, and never will


class MetadataTokens(StrEnum):
    """Whether a guest needs a token to read EC2's metadata, which whatever forwards requests for others cannot get."""

    OPTIONAL = "optional"
    REQUIRED = "required"


PROTOCOL: Final = 1  # grows when a cloud manager and a cluster of different numbers would not understand each other

NAME_MAX: Final = 100  # characters of an object's name
DESCRIPTION_MAX: Final = 2000  # characters
USER_DATA_MAX: Final = 65_536  # bytes; EC2 stops at 16 KiB, cloud-init configurations are often larger
SSH_KEY_MAX: Final = 16_384  # characters
PAGE_MAX: Final = 10_000  # objects in one page of a list
TAGS_MAX: Final = 50  # of one object; this and the next two as EC2 has them
TAG_KEY_MAX: Final = 128  # characters
TAG_VALUE_MAX: Final = 256  # characters
TAG_RESERVED: Final = "aws:"  # what keys begin with that EC2 gives itself, in any case
HOP_LIMIT_MAX: Final = 64  # links that the answer with a metadata token may go over; EC2's
COUNT_MAX: Final = 200  # VMs made by one call


class VMMetric(StrEnum):
    """What is measured of a VM. Requests, bytes and packets are rates; received is what the guest received."""

    CPU = "cpu"
    VCPU = "vcpu"
    MEMORY = "memory"
    MEMORY_RSS = "memory_rss"
    MEMORY_AVAILABLE = "memory_available"
    READ_BYTES = "read_bytes"
    WRITE_BYTES = "write_bytes"
    READ_REQUESTS = "read_requests"
    WRITE_REQUESTS = "write_requests"
    RX_BYTES = "rx_bytes"
    TX_BYTES = "tx_bytes"
    RX_PACKETS = "rx_packets"
    TX_PACKETS = "tx_packets"


class NodeMetric(StrEnum):
    """What is measured of a node: ``cpu`` of all its CPUs together."""

    CPU = "cpu"
    VMS = "vms"
    MEMORY = "memory"
    MEMORY_USED = "memory_used"
    LOAD_1 = "load_1"
    LOAD_5 = "load_5"
    LOAD_15 = "load_15"


class StorageMetric(StrEnum):
    """What is known of a storage, as its passes find it."""

    CAPACITY = "capacity"
    CLAIMED = "claimed"
    ALLOCATED = "allocated"
    AVAILABLE = "available"


class SeriesUnit(StrEnum):
    """Of the values of a series. ``percent`` of a VM is of one CPU: two that are busy are 200."""

    PERCENT = "percent"
    BYTES = "bytes"
    BYTES_PER_S = "bytes_per_s"
    REQUESTS_PER_S = "requests_per_s"
    PACKETS_PER_S = "packets_per_s"
    COUNT = "count"
