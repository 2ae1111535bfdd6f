"""
SQLAlchemy mappings of the cluster's database: columns, relations, constraints; no behaviour.

Importing this package imports them all, so ``Base.metadata`` is whole. Start with ``vm.py``.
"""

from cm.models.account import Account
from cm.models.acl import Acl
from cm.models.affinity_group import AffinityGroup
from cm.models.base import Base
from cm.models.bucket import Bucket, Multipart, MultipartPart, StoredObject
from cm.models.cached_image import CachedImage
from cm.models.change_request import ChangeRequest
from cm.models.console import ConsoleLeftover, ConsoleTicket, ScreenCall
from cm.models.cpu_baseline import CpuBaseline
from cm.models.disk import Attachment, Disk
from cm.models.expiry import Expiry, VmExpiry
from cm.models.farm import Farm
from cm.models.guest import GuestAgent, GuestCommand
from cm.models.identity import IdentityKey
from cm.models.image import Image
from cm.models.job import Job, JobCall, JobRun
from cm.models.managed import ManagedLook, ManagedObject, SavedDomain
from cm.models.message import Message
from cm.models.network import AddressPool, Network, NetworkLease, Nic
from cm.models.node import EnrolmentToken, FencedVM, Node, NodeReport, VncPort
from cm.models.operation import Operation, OperationObject, Placement, Worker
from cm.models.public_address import PublicAddress, PublicPort
from cm.models.record import Audit, Change, Drift, HookEvent, Login, Request, UnknownDomain
from cm.models.reservation import FreeVolume, Reservation
from cm.models.resource_pool import ResourcePool, ResourcePoolGrant
from cm.models.sample import MeasuringLease, SampleBlock, SampleLayout, SampleProgress, SampleRecent
from cm.models.security_group import NicGroup, SecurityGroup, SecurityRule
from cm.models.seed import Seed
from cm.models.snapshot import Snapshot
from cm.models.storage import Storage, StorageAttachment
from cm.models.suspension import Suspension
from cm.models.tag import ObjectTag
from cm.models.template import Template
from cm.models.transfer import Transfer
from cm.models.trust import TrustedKey
from cm.models.upload import DownloadTicket, Upload
from cm.models.usage import VmRun
from cm.models.vm import VM, VMEvent
from cm.models.vm_profile import VMProfile
from cm.models.vm_template import VMTemplate
from cm.models.volume import LeftoverVolume, Volume

__all__ = [
    "Account",
    "Acl",
    "AddressPool",
    "AffinityGroup",
    "Attachment",
    "Audit",
    "Base",
    "Bucket",
    "CachedImage",
    "Change",
    "ChangeRequest",
    "ConsoleLeftover",
    "ConsoleTicket",
    "CpuBaseline",
    "Disk",
    "DownloadTicket",
    "Drift",
    "EnrolmentToken",
    "Expiry",
    "Farm",
    "FencedVM",
    "FreeVolume",
    "GuestAgent",
    "GuestCommand",
    "HookEvent",
    "IdentityKey",
    "Image",
    "LeftoverVolume",
    "Job",
    "JobCall",
    "JobRun",
    "Login",
    "ManagedLook",
    "ManagedObject",
    "MeasuringLease",
    "Message",
    "Multipart",
    "MultipartPart",
    "Network",
    "NetworkLease",
    "Nic",
    "NicGroup",
    "Node",
    "NodeReport",
    "ObjectTag",
    "Operation",
    "OperationObject",
    "Placement",
    "PublicAddress",
    "PublicPort",
    "Request",
    "Reservation",
    "ResourcePool",
    "ResourcePoolGrant",
    "SampleBlock",
    "SampleLayout",
    "SampleProgress",
    "SampleRecent",
    "SavedDomain",
    "ScreenCall",
    "SecurityGroup",
    "SecurityRule",
    "Seed",
    "Snapshot",
    "Storage",
    "StorageAttachment",
    "StoredObject",
    "Suspension",
    "Template",
    "Transfer",
    "TrustedKey",
    "UnknownDomain",
    "Upload",
    "VM",
    "VMEvent",
    "VmExpiry",
    "VMProfile",
    "VMTemplate",
    "VmRun",
    "VncPort",
    "Volume",
    "Worker",
]
