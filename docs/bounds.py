"""
Everything of the daemons that has a bound, in one table: ``docs/limits.md`` shows it, and ``tests/unit/test_bounds.py``
makes sure that no pool, queue or limit is missing from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clm.daemon.settings import ClustersSettings
from cm.rpc.limits import Limits, Share

BOTH: Final = "both managers"
CM: Final = "wawel-cm"
CLM: Final = "wawel-clm"
ENDPOINT: Final = "wawel-contextualization"
NODE: Final = "wawel-node"


@dataclass(frozen=True)
class Bound:
    """
    :ivar source: where its size stands: ``limits.x`` and ``clusters.x`` are settings, others ``module:NAME``.
    :ivar share: of one account, address, node or guest, and who gets the last ones.
    :ivar beyond: what the one beyond gets.
    """

    daemon: str
    what: str
    source: str
    share: str
    beyond: str

    @property
    def size(self) -> Any:
        return value_of(self.source)


def value_of(source: str) -> Any:
    if source.startswith("limits."):
        return getattr(Limits(), source.removeprefix("limits."))
    if source.startswith("clusters."):
        return getattr(ClustersSettings(), source.removeprefix("clusters."))
    module, _, name = source.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = found[part] if isinstance(found, Mapping) else getattr(found, part)
    return found


_CLUSTERS: Final = ClustersSettings()
_REQUEST: Final = "of each request"
_TURN: Final = (
    "in turn between accounts; an eighth of the threads for one (`limits.thread_share`), all but an eighth if alone"
)
_QUEUE: Final = "waits; `overloaded` beyond 1,000 (`QUEUE_MAX`)"
_NODES_OWN: Final = "of each node"

BOUNDS: Final = (
    # ---- what one request may be
    Bound(BOTH, "bytes of a body", "limits.body_bytes", _REQUEST, "HTTP 413, `too_large`"),
    Bound(BOTH, "the same without good credentials", "limits.guest_body_bytes", _REQUEST, "HTTP 413, `too_large`"),
    Bound(BOTH, "large bodies taken in at once", "limits.large_bodies", "one of each caller", "waits unread"),
    Bound(BOTH, "bytes read of a body that is too large", "limits.drain_bytes", _REQUEST, "the connection ends"),
    Bound(BOTH, "nesting", "limits.depth", _REQUEST, "`too_large`"),
    Bound(BOTH, "values, elements", "limits.elements", _REQUEST, "`too_large`"),
    Bound(BOTH, "calls", "limits.calls", "of each request, batch and multicall together", "`too_large`, none is made"),
    Bound(BOTH, "bytes of an answer", "limits.answer_bytes", _REQUEST, "`too_large` in place of what does not fit"),
    Bound(BOTH, "the same without credentials", "limits.guest_answer_bytes", _REQUEST, "the same"),
    Bound(BOTH, "seconds of a call", "limits.call_s", "of each call", "`deadline_exceeded`"),
    Bound(BOTH, "seconds of a request", "limits.request_s", _REQUEST, "`deadline_exceeded`"),
    # ---- what one caller and all may have at once
    Bound(
        BOTH, "connections", "limits.connections", "3,000 of one address (`limits.connections_per_address`)",
        "closed unread",
    ),
    Bound(BOTH, "connections not yet accepted", "cm.rpc.endpoint:BACKLOG", "none", "the kernel lets it wait"),
    Bound(
        BOTH, "calls under way", "limits.under_way",
        "100 of one account, 300 of one address; the last 100 for administrators and cloud managers",
        "`too_many_at_once`; `overloaded` where all are taken",
    ),
    Bound(
        BOTH, "calls that wait for an operation", "limits.waits",
        "50 of one account, 500 of one address; the last 500 for administrators and cloud managers", "the same",
    ),
    Bound(
        BOTH, "event streams", "limits.streams",
        "20 of one account, 400 of one address; the last 200 for administrators and cloud managers",
        "HTTP 429 `too_many_at_once`, 503 `overloaded`",
    ),
    Bound(BOTH, "bytes that wait in one event stream", "cm.rpc.events:BUFFER_MAX", "of each stream",
          "read again once it takes them; cut off after 30 s"),
    Bound(CLM, "bytes of one event of a cluster's stream", "cm.rpc.sse:EVENT_MAX", "of each stream",
          "the stream is ended and opened anew"),
    Bound(BOTH, "changing calls at once", "limits.changes_burst",
          "of each account; 5 come back a second (`limits.changes_per_s`)", "`rate_limited`, Retry-After"),
    Bound(BOTH, "time of the reactor in one round, in seconds", "cm.rpc.turns:SLICE_S",
          "in turn between accounts, and addresses of those not known", "waits for a later round"),
    # ---- threads
    Bound(BOTH, "calls waiting for one pool of threads", "cm.runtime.threads:QUEUE_MAX",
          "as many as it has calls under way", "`overloaded`"),
    Bound(BOTH, "threads for the database (`database.pool_size`)", "cm.runtime.threads:SIZES.database", _TURN, _QUEUE),
    Bound(CM, "rows of one read in the reactor's thread", "cm.runtime.prompt:ROWS_MAX", "of each call",
          "read on a thread"),
    Bound(CM, "threads for images", "cm.runtime.threads:SIZES.images", _TURN, _QUEUE),
    Bound(BOTH, "threads for passwords (two in `wawel-clm`)", "cm.runtime.threads:SIZES.password",
          "in turn between addresses", _QUEUE),
    Bound(BOTH, "passwords that wait to be hashed", "cm.rpc.gate:WAITING_MAX", "in turn between addresses",
          "of the address with the most waiting, the last: `overloaded`"),
    Bound(CM, "threads for uploads' files", "cm.runtime.threads:SIZES.uploads", _TURN, _QUEUE),
    Bound(CM, "bodies of uploads taken in at once", "cm.rpc.uploads:SHARE.size",
          "8 of one account, 100 of one address; the last 10 for administrators; one of each upload",
          "HTTP 429, 503; 423 to the second of an upload"),
    Bound(CM, "bytes of a body that wait to be written", "cm.rpc.http.body:FULL_BYTES", _REQUEST,
          "its sender is held back"),
    Bound(CM, "uploads that are open", "cm.services.context:ClusterPolicy.uploads",
          "`images.uploads_per_account` (4) of one account; each ends after `images.upload_s`", "`too_many_at_once`"),
    Bound(CM, "bytes of objects that flow at once", "cm.rpc.objects:SHARE.size",
          "24 of one account, 100 of one address; the last 10 for administrators", "HTTP 429, 503"),
    Bound(CM, "bytes of a list of an object's parts", "cm.rpc.objects:PARTS_BYTES_MAX", _REQUEST, "`too_large`"),
    Bound(CM, "buckets", "cm.services.bucket:BUCKETS_MAX", "of each account", "`quota_reached`"),
    Bound(CM, "objects in buckets, those on their way among them", "cm.services.bucket:OBJECTS_MAX", "of each account",
          "`quota_reached`"),
    Bound(CM, "objects that come in parts", "cm.services.bucket:MULTIPARTS_MAX",
          "of each account; each ends after `images.upload_s`", "`quota_reached`"),
    Bound(CM, "parts of one", "cm.rules.bucket:PARTS_MAX", "none", "`invalid_parameter`"),
    Bound(CM, "downloads at once", "cm.rpc.downloads:SHARE.size",
          "4 of one account, 32 of one address; the last 8 for administrators", "HTTP 429, 503"),
    Bound(CM, "addresses for downloads that are good", "cm.services.download:TICKETS_MAX", "of each account",
          "`too_many_at_once`; each ends after `images.download_s`"),
    Bound(CM, "threads for nodes that are being added", "cm.runtime.threads:SIZES.probe", _TURN, _QUEUE),
    Bound(CM, "threads for a node's quick calls", "cm.runtime.threads:NODE_SIZE", _NODES_OWN, _QUEUE),
    Bound(CM, "threads for what was measured", "cm.runtime.threads:SIZES.measuring", "none", "the round waits"),
    Bound(CM, "CPUs of a VM that have a series of their own", "cm.rules.figures:VCPUS_MAX", "of each VM",
          "measured with all of them alone"),
    Bound(CM, "values of one answer about what was measured", "cm.rules.metric:VALUES_MAX", "of each call",
          "`invalid_parameter`"),
    Bound(CM, "characters of a filter of objects", "cm.rules.filter:LENGTH_MAX", "of each call", "`invalid_parameter`"),
    Bound(CM, "of what stands within each other in it", "cm.rules.filter:DEPTH_MAX", "of each call",
          "`invalid_parameter`"),
    Bound(CM, "times that something is looked for in an object", "cm.services.object:LOOKS_MAX", "of each call",
          "`invalid_parameter`"),
    Bound(CM, "steps of a regular expression", "cm.rules.pattern:STATES_MAX", "of each", "`invalid_parameter`"),
    Bound(CM, "groups within each other in one", "cm.rules.pattern:_GROUPS_MAX", "of each", "`invalid_parameter`"),
    Bound(CM, "steps of one that are remembered", "cm.rules.pattern:_KNOWN_MAX", "of each", "they are found anew"),
    Bound(CM, "characters and steps gone through for a filter's", "cm.rules.pattern:WORK_MAX", "of each call",
          "`invalid_parameter`"),
    Bound(CM, "nodes measured in a second", "cm.daemon.measuring:NODES_PER_S", "in turn",
          "samples are further apart"),
    Bound(CM, "threads for a node's slow calls", "cm.runtime.threads:NODE_SLOW_SIZE", _NODES_OWN, _QUEUE),
    Bound(CM, "of them, for what takes minutes", "cm.services.fleet:LASTING_MAX", _NODES_OWN, "waits"),
    Bound(CM, "consoles and transfers of a node at once", "cm.runtime.threads:NODE_STREAM_SIZE",
          "4 of one account (`NODE_STREAM_SHARE`); each has a thread and a connection",
          "`too_many_at_once`; `node_busy` where all are taken"),
    Bound(CM, "consoles and screens that are spoken to", "cm.rpc.console:SHARE.size",
          "8 of one account, 100 of one address; the last 20 for administrators", "HTTP 429, 503"),
    Bound(CM, "sessions of Xen Orchestra's protocol", "cm.rpc.xo_session:SHARE.size",
          "10 of one account, 50 of one address; the last 50 for administrators", "HTTP 429, 503"),
    Bound(CM, "methods under way in one of them", "cm.rpc.xo_session:UNDER_WAY_MAX", "of each session",
          "what it sends beside them is read later"),
    Bound(CM, "bytes of a message in one of them", "cm.rpc.xo_session:MESSAGE_MAX", "of each session",
          "the session ends (close code 1009)"),
    Bound(CM, "screens of a node that are shown at once", "contextualization.screens:PER_NODE", _NODES_OWN,
          "`screen_unreachable`"),
    Bound(CLM, "consoles and screens that pass through", "clm.services.console:SHARE.size",
          "8 of one account, 100 of one address; the last 20 for administrators", "HTTP 429, 503"),
    Bound(CM, "tickets for consoles that wait to be used", "cm.services.console:TICKETS_MAX", "of each account",
          "`too_many_at_once`; each ends after 30 s"),
    Bound(CM, "bytes that wait in a stream, each way", "cm.runtime.pipe:PIPE_BYTES", "of each stream",
          "whoever is faster waits; given up after 60 s in which nothing moves"),
    Bound(CM, "bytes asked of a node at a time", "cm.drivers.libvirt.stream:WINDOW_BYTES", "of each download",
          "asked for once those before are taken"),
    Bound(CM, "connections to a node that hang", "cm.drivers.libvirt.lane:HANGING_MAX", _NODES_OWN,
          "waits for the last of them: `node_unreachable`"),
    # ---- work
    Bound(CM, "operations worked on at once", "cm.operations.engine:PARALLEL", "6 of one node", "waits as `queued`"),
    Bound(CM, "of them at one node", "cm.operations.engine:PER_NODE", _NODES_OWN, "waits as `queued`"),
    Bound(CM, "VM templates", "cm.services.vm_template:VM_TEMPLATES_MAX", "of each account", "`quota_reached`"),
    Bound(CM, "requests to administrators that wait for an answer", "cm.services.change_request:OPEN_MAX",
          "of each account", "`quota_reached`"),
    Bound(CM, "offers of ownership that wait for an answer", "cm.services.transfer:OFFERS_MAX", "of each account",
          "`quota_reached`"),
    Bound(CM, "VM profiles", "cm.services.vm_profile:VM_PROFILES_MAX", "of each account", "`quota_reached`"),
    Bound(CM, "resource pools", "cm.services.resource_pool:POOLS_MAX", "none", "`quota_reached`"),
    Bound(CM, "resource pools within each other", "cm.rules.resource_pool:DEPTH_MAX", "of each",
          "`invalid_parameter`"),
    Bound(CM, "VM templates that are made of each other", "cm.rules.vm_template:DEPTH_MAX", "of each",
          "`invalid_parameter`"),
    Bound(CM, "bytes that administrators add to the definition of a VM", "cm.drivers.raw_data:BYTES_MAX", "of each VM",
          "`invalid_parameter`"),
    Bound(CM, "modules of memory that a running VM gets", "cm.rules.sizing:MODULES_MAX", "of each VM",
          "fewer, larger ones; then the operation fails"),
    Bound(CM, "activities of a VM that were done at once", "cm.store.instance:EVENTS_MAX", "of each VM",
          "the oldest go"),
    Bound(CM, "activities within those of one answer", "cm.services.instance:CHILDREN_MAX", "of each call",
          "the newest are left out"),
    Bound(CM, "jobs", "cm.services.job:JOBS_MAX", "of each account", "`quota_reached`"),
    Bound(CM, "calls of a job", "cm.services.job:CALLS_MAX", "of each job", "`invalid_parameter`"),
    Bound(CM, "bytes of a job's parameters", "cm.services.job:PARAMS_BYTES_MAX", "of each job", "`invalid_parameter`"),
    Bound(CM, "runs of a job that are kept", "cm.store.job:RUNS_MAX", "of each job", "the oldest go"),
    Bound(CM, "numbers of a call's answer that are kept", "cm.rules.job:IDS_MAX", "of each call", "left out"),
    Bound(CM, "moments of a schedule that are counted as missed", "cm.rules.job:MISSED_MAX", "of each job",
          "not counted"),
    Bound(CM, "affinity groups", "cm.services.affinity_group:AFFINITY_GROUPS_MAX", "of each account",
          "`quota_reached`"),
    Bound(CM, "security groups", "cm.services.security_group:GROUPS_MAX", "of each account", "`quota_reached`"),
    Bound(CM, "rules of a security group", "cm.services.security_group:RULES_MAX", "one group", "`quota_reached`"),
    Bound(CM, "security groups of a network card", "cm.services.security_group:NIC_GROUPS_MAX", "one card",
          "`quota_reached`"),
    Bound(CM, "tags of an object", "cm.rpc.vocabulary:TAGS_MAX", "one object", "`tag_limit`"),
    Bound(CM, "characters of a definition in XML", "cm.services.managed:XML_MAX", _REQUEST, "`invalid_parameter`"),
    Bound(CM, "foreign volumes of a node that are followed", "cm.services.mirror:VOLUMES_MAX", _NODES_OWN,
          "told in the log; `admin.pool.lookup_volume_by_name` finds them"),
    Bound(CM, "public addresses that one call adds", "cm.rules.public_address:ADDRESSES_MAX",
          "none: administrators add", "`invalid_parameter`"),
    Bound(CM, "VMs of one call", "cm.rpc.vocabulary:COUNT_MAX", "the account's quota", "`invalid_parameter`"),
    Bound(CM, "tries to find a download's host", "cm.drivers.images.answer:LOOKUPS", "of each import",
          "the import ends"),
    # ---- what is remembered
    Bound(CM, "caller tokens remembered, each good once", "cm.rpc.token:USED_MAX", "none: 3,000 calls a second fit",
          "the one that ends first is forgotten"),
    Bound(BOTH, "callers whose long turns are remembered", "cm.rpc.turns:OWING_MAX", "one of each",
          "the longest untouched goes"),
    Bound(BOTH, "accounts whose rate is remembered", "cm.rpc.rate:REMEMBER", "one of each",
          "the longest untouched goes"),
    Bound(BOTH, "accounts, sessions and the like remembered", "cm.runtime.remember:REMEMBER_MAX", "one of each",
          "the longest untouched goes"),
    Bound(BOTH, "rows of the trail of logins that wait, or still count", "cm.runtime.logins:OPEN_MAX",
          "one for each login, address and outcome", "the log alone has it"),
    # ---- the cloud
    Bound(
        CLM, "calls to one cluster", "clusters.calls",
        f"{_CLUSTERS.calls_per_account} of one account, {_CLUSTERS.calls_at_once} of them on their way"
        f" (`clusters.calls_at_once`); the last {_CLUSTERS.calls_kept} for administrators and the cloud itself",
        "`too_many_at_once`, `cluster_unavailable`",
    ),
    Bound(
        CLM, "calls that wait at one cluster", "clusters.waits",
        f"{_CLUSTERS.waits_per_account} of one account; the last {_CLUSTERS.waits_kept} for administrators and the"
        " cloud itself", "the same",
    ),
    Bound(CLM, "connections kept to one cluster", "clm.drivers.cluster:CONNECTIONS", "none", "another one is made"),
    Bound(CLM, "versions of launch templates", "clm.daemon.settings:AccountSettings.launch_templates_max",
          "of each account, of all its templates (`accounts.launch_templates_max`)", "`launch_template_limit`"),
    Bound(CLM, "characters of one", "clm.views.user.launch_template:DATA_MAX", "each version", "`invalid_parameter`"),
    Bound(CLM, "requests of S3 at once", "clm.ec2.s3.endpoint:SHARE.size",
          "24 of one account, 48 of one address; the last 10 for administrators", "`SlowDown`"),
    Bound(CLM, "bytes of a document of S3's", "clm.ec2.s3.xml:BODY_MAX", _REQUEST, "`EntityTooLarge`"),
    Bound(CLM, "parameters of a request of EC2's", "clm.ec2.query:PARAMETERS_MAX", _REQUEST,
          "`InvalidParameterValue`"),
    Bound(CLM, "their nesting", "clm.ec2.query:DEPTH_MAX", _REQUEST, "`UnknownParameter`"),
    Bound(CLM, "bytes of its line and headers", "clm.ec2.endpoint:HEADERS_MAX", _REQUEST, "the connection ends"),
    Bound(CLM, "bytes of instances' XML that are kept for the next asking", "clm.ec2.kept:KEPT_BYTES", "one of each",
          "the longest unasked goes"),
    Bound(CLM, "values of a filter", "clm.ec2.lists:VALUES_MAX", _REQUEST, "`FilterLimitExceeded`"),
    Bound(CLM, "places of objects remembered", "clm.services.forward:PLACES_MAX", "one of each",
          "the longest untouched goes"),
    Bound(CLM, "rows of the audit of forwarded calls that wait", "clm.services.audit:KEPT_MAX", "none",
          "told in the log"),
    Bound(CLM, "sessions of a user", "clm.services.account:SESSIONS_MAX", "of each account", "the oldest ends"),
    Bound(CLM, "issues sent in an hour", "clm.services.issue:HOURLY_MAX", "of each account", "`issue_limit`"),
    Bound(CLM, "uploads and downloads passed on at once", "clm.services.passing:SHARE.size",
          "16 of one address: whose they are, only their secret says", "HTTP 429, 503"),
    # ---- the endpoint
    Bound(ENDPOINT, "bytes of a body", "contextualization.endpoint:BODY_MAX", _REQUEST, "HTTP 413"),
    Bound(ENDPOINT, "bytes read of a body that is too large", "contextualization.endpoint:LIMITS.drain_bytes", _REQUEST,
          "the connection ends"),
    Bound(ENDPOINT, "bytes of a guest's body", "contextualization.guest.requests:BODY_MAX", _REQUEST, "HTTP 413"),
    Bound(ENDPOINT, "nesting", "contextualization.endpoint:DEPTH_MAX", _REQUEST, "HTTP 400"),
    Bound(ENDPOINT, "connections", "cm.rpc.limits:CONNECTIONS",
          "3,000 of one address", "closed unread"),
    Bound(ENDPOINT, "requests of guests, batches of events", "contextualization.endpoint:PER_NODE",
          "of each node and kind; of guests 16 of one, by its agent", "HTTP 503 to guests, 429 to nodes"),
    Bound(ENDPOINT, "guests remembered", "contextualization.known:KEPT_MAX", "none", "the oldest is read anew"),
    Bound(ENDPOINT, "guests' agents that wait for something to do", "contextualization.endpoint:AGENTS_PER_NODE",
          "of each node; one of a guest: the one before is answered", "HTTP 503"),
    Bound(ENDPOINT, "calls of a guest's agent in a second", "contextualization.guest.polls:CALLS_PER_S",
          "of each guest", "HTTP 429"),
    Bound(ENDPOINT, "guests whose agents' calls are counted", "contextualization.guest.polls:REMEMBERED", "one of each",
          "the one that called longest ago is counted anew"),
    Bound(CM, "things that a guest's agent has to do at once", "cm.services.guest_command:OPEN_MAX", "of each VM",
          "`agent_silent`"),
    Bound(ENDPOINT, "polls for the document", "contextualization.endpoint:POLLS_PER_NODE", _NODES_OWN, "HTTP 429"),
    Bound(ENDPOINT, "reports", "contextualization.endpoint:REPORTS_PER_NODE", _NODES_OWN, "HTTP 429"),
    Bound(ENDPOINT, "bytes of a report", "contextualization.report:REPORT_MAX", _NODES_OWN, "HTTP 413"),
    Bound(ENDPOINT, "enrolments", "contextualization.endpoint:ENROLMENTS", "none: they are not signed", "HTTP 429"),
    Bound(ENDPOINT, "look-ups of a node's key at once", "contextualization.authenticate:LOOKUPS_MAX",
          "none: not signed yet", "HTTP 503"),
    Bound(ENDPOINT, "keys of nodes remembered", "contextualization.authenticate:KEYS_MAX", "one of each node",
          "the longest untouched goes"),
    Bound(ENDPOINT, "documents of nodes remembered", "contextualization.document:KEPT_MAX", "one of each node",
          "all are read anew"),
    Bound(ENDPOINT, "signatures remembered", "contextualization.authenticate:USED_MAX", "none",
          "answered, and no evidence of anything"),
    Bound(ENDPOINT, "events in a batch", "contextualization.events:BATCH_MAX", _NODES_OWN, "HTTP 400"),
    # ---- the agent
    Bound(NODE, "requests of guests of one bridge", "node_hooks.metadata:CONCURRENT", "16 of one guest", "HTTP 503"),
    Bound(NODE, "of them of one guest", "node_hooks.metadata:CONCURRENT_PER_GUEST", "of each guest", "HTTP 503"),
    Bound(NODE, "agents in guests of one bridge that wait", "node_hooks.metadata:POLLS", "2 of one guest", "HTTP 503"),
    Bound(NODE, "of them of one guest", "node_hooks.metadata:POLLS_PER_GUEST", "of each guest", "HTTP 503"),
    Bound(NODE, "connections kept to the endpoint", "node_hooks.metadata:KEPT_CLIENTS", "of each bridge",
          "another one is made"),
    Bound(NODE, "bytes of a guest's head", "node_hooks.guest_request:HEAD_LIMIT", _REQUEST, "HTTP 431"),
    Bound(NODE, "bytes of a guest's body", "node_hooks.guest_request:BODY_LIMIT", _REQUEST, "HTTP 413"),
    Bound(NODE, "bytes of the endpoint's answer", "node_hooks.client:ANSWER_LIMIT", "of each", "no answer"),
    Bound(NODE, "screens that are shown at once", "node_hooks.screens:SCREENS_MAX", "none: each is let in by a manager",
          "not shown: `screen_unreachable`"),
    Bound(NODE, "bytes of a screen that wait, each way", "node_hooks.screens:BUFFER_BYTES", "of each screen",
          "whoever is faster waits"),
    Bound(NODE, "records in the spool", "node_hooks.spool:RECORD_LIMIT", "none: hooks write them",
          "the oldest go; a pass over the node finds what they told"),
    Bound(NODE, "public addresses told in a report", "node_hooks.report:ADDRESSES_MAX", "none",
          "the last are not told"),
    Bound(NODE, "interfaces for guests' bridges told in a report", "node_hooks.report:UPLINKS_MAX", "none",
          "the last are not told: no VM of a network on them is placed there"),
    Bound(NODE, "ended connections kept", "node_hooks.ended:_MOST", "none: of all guests of the node",
          "a warning: its guests can take it up again"),
    Bound(NODE, "records kept that cannot be read", "node_hooks.spool:CORRUPT_LIMIT", "none", "the oldest go"),
)  # fmt: skip

# What looks like a bound of that kind by its name: the length of one value, a page, a batch of our own work.
OTHERS: Final[Mapping[str, str]] = {
    "clm.daemon.mailer": "pauses between tries of a mail",
    "clm.drivers.cluster": "defaults of the settings clusters.*, for whoever makes a connection without",
    "clm.drivers.oidc": "lengths of a provider's answers",
    "clm.ec2.actions.group:DESCRIPTION_MAX": "length",
    "clm.ec2.s3.body:LINE_MAX": "length of a chunk's head",
    "clm.ec2.s3.body:CHUNK_MAX": "length of a chunk, which is not kept",
    "clm.ec2.s3.operations:PARTS_MAX": "a part's number",
    "clm.ec2.s3.operations:PAGE": "rows of one answer",
    "clm.ec2.s3.request:KEPT": "names of headers",
    "clm.ec2.s3.request:KEPT_BYTES": "length of headers of one object, as clusters bound it",
    "clm.services.stored_object:ANSWER_BYTES_MAX": "length of a cluster's answer",
    "clm.ec2.actions.launch:USER_DATA_MAX": "length",
    "clm.services.ec2_session:TOKEN_MAX": "length",
    "clm.ec2.lists:PAGE_LEAST": "a page's length, which is the client's to say",
    "clm.ec2.lists:PAGE_MOST": "likewise",
    "clm.rules": "lengths of values",
    "clm.services.account:CLIENT_MAX": "length",
    "clm.services.console:BODY_MAX": "length of a refusal",
    "clm.services.follow": "rows of one write",
    "clm.services.registration": "rows of one transaction",
    "clm.services.sync": "pages of one look",
    "clm.store": "rows of one transaction, and queries",
    "clm.views": "lengths of values",
    "cm.rules.template": "sizes of values",
    "cm.rules.picture": "lengths of one picture, which is not kept",
    "cm.rules.bucket:PART_BYTES_MAX": "length of one",
    "cm.services.object_image:FILENAME_MAX": "length",
    "cm.drivers.images": "sizes of what an image may say of itself",
    "cm.drivers.libvirt.domain_xml": "length",
    "cm.drivers.libvirt.errors": "length",
    "cm.drivers.libvirt.pool_xml": "addresses of one network",
    "cm.drivers.libvirt.migration": "answers that are kept for people",
    "cm.drivers.memory": "for tests",
    "cm.operations.disk_move": "attempts, and the name of a note",
    "cm.operations.vm_migrate": "attempts",
    "cm.operations.snapshot_create": "how often a guest's agent is asked, and the name of a note",
    "cm.operations.vm_to_image": "the name of a note",
    "cm.rpc.client": "what a client of ours reads",
    "cm.rpc.codec": "length of a header",
    "cm.rpc.console:ORIGIN_MAX": "length",
    "cm.rpc.credentials": "lengths",
    "cm.rpc.events:KINDS_MAX": "length of a list",
    "cm.rpc.http.relay": "lengths before two connections are joined",
    "cm.rpc.http.websocket": "length of a close frame's reason",
    "cm.rpc.transfer_client": "what a client of ours reads",
    "cm.rpc.websocket_client": "what a client of ours reads",
    "cm.rpc.http_caller": "what a client of ours keeps",
    "cm.rpc.limits": "defaults of the settings limits.*",
    "cm.rpc.parameters": "length",
    "cm.rpc.meeting": "lengths before two connections are joined",
    "cm.rpc.password": "what argon2 costs",
    "cm.rpc.rfb": "lengths",
    "cm.rpc.throttle": "wrong logins: docs/api.md",
    "cm.rpc.token": "lengths",
    "cm.rpc.types": "lengths and ranges of values",
    "cm.rpc.vocabulary": "lengths of values",
    "cm.rpc.xmlrpc": "follows from limits.depth",
    "cm.rules.network:KBIT_MAX": "range of a value",
    "cm.rules.network:LABEL_MAX": "length",
    "cm.rules.node_document:CALLS": "the name of a section",
    "cm.rules.node_report": "length",
    "cm.rules.placement:KEPT": "verdicts of a decision that are kept",
    "cm.runtime.logins:LOGIN_MAX": "length",
    "cm.runtime.feed": "rows of one query",
    "cm.runtime.log": "length",
    "cm.runtime.memory": "of the allocator",
    "cm.runtime.settings": "length of a file",
    "cm.runtime.threads": "limits.thread_share, and the sizes by pool",
    "cm.services": "lengths of values",
    "cm.store": "rows of one transaction, and queries",
    "contextualization.events": "lengths of values",
    "contextualization.guest.requests:PATH_MAX": "length",
    "contextualization.guest.polls:KEY_MAX": "length",
    "contextualization.guest.polls:DEPTH_MAX": "follows from what an agent says",
    "contextualization.guest.agent": "what a guest's program reads",
    "cm.rules.guest_word": "lengths of what a guest tells",
    "contextualization.report:DEPTH_MAX": "follows from the form of a report",
    "contextualization.metadata": "seconds of a token",
    "node_hooks.client:HEAD_LIMIT": "length",
    "node_hooks.delivery": "records of one batch",
    "node_hooks.document:CALLS": "the name of a section",
    "node_hooks.ended": "how long the kernel keeps an ended connection",
    "node_hooks.dhcp:HOSTS_MAX": "leases of one network, more than addresses of the largest",
    "node_hooks.links:NUMBER_MAX": "ids of networks, as a VXLAN's number has 24 bits",
    "node_hooks.shaping": "names of devices",
    "node_hooks.segments:_STARTED_AT_ONCE": "programs that are started beside each other",
    "node_hooks.qemu_hook": "lengths of what a hook keeps",
    "node_hooks.screens:_TOKEN_MAX": "length",
}


def shown(size: Any) -> str:
    if isinstance(size, Share):
        size = size.size
    return f"{size:,}" if isinstance(size, int) else f"{size:g}"


def bound_table() -> str:
    lines = ["| daemon | what | | setting | share | beyond |", "|---|---|---|---|---|---|"]
    for each in BOUNDS:
        setting = f"`{each.source}`" if ":" not in each.source else "fixed"
        lines.append(f"| {each.daemon} | {each.what} | {shown(each.size)} | {setting} | {each.share} | {each.beyond} |")
    return "\n".join(lines)
