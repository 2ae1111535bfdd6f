// Made by `python -m cm.rpc.typescript` from rpc.discover: make it anew instead of editing it.

export type AccessEntry = { level: Level; subject: Subject };
export type AccessMethod = "nx" | "rdp" | "ssh";
export type Account = { active: boolean; created: string; external_id: string | null; has_password: boolean; is_admin: boolean; login: string; name: string; origin: string; quota_cpu: number; quota_memory_mib: number; quota_networks: number; quota_points: number; quota_public_addresses: number; quota_public_ports: number; quota_storage_mib: number; quota_vms: number; used_cpu: number; used_memory_mib: number; used_networks: number; used_public_addresses: number; used_public_ports: number; used_storage_mib: number; used_vms: number; user_id: number; uuid: string; version: number };
export type AccountMessage = { code: string; created: string; level: "error" | "info" | "warn"; message_id: number; params: Record<string, unknown> };
export type AccountStatistics = { login: string; quota_storage_mib: number; used_storage_mib: number; user_id: number; uses: VolumeCount[] };
export type Activity = { abortable: boolean; activity_code: string; activity_id: number; children: SubActivity[]; finished: string | null; interruptible: boolean; operation_id: number | null; params: Record<string, unknown>; parent: number | null; percentage: number | null; readable_name: string; result: string; resultant_state: InstanceStatus | null; started: string; step: string; succeeded: boolean | null; user: number | null; vm_id: number };
export type AddressPool = { created: string; description: string; kind: NetworkKind; locked: boolean; name: string; network: string; network6: string | null; networks: number; overlap: boolean; pool_id: number; prefix_default: number; prefix_max: number; prefix_min: number; uuid: string; version: number };
export type AdminOperation = { admin_text: string; attempts: number; created: string; deadline: string; error: string; finished: string | null; image_id: number | null; kind: OperationKind; next_attempt: string | null; node_id: number | null; operation_id: number; parent_id: number | null; progress: number; result: Record<string, unknown>; started: string | null; state: OperationState; step: string; storage_id: number | null; text: string; user_id: number | null; vm_id: number | null; waiting_for: string };
export type Administrator = { email: string; first_name: string; last_name: string; login: string; since: string; user_id: number };
export type Affinity = "apart" | "together";
export type AffinityGroup = { affinity: Affinity; affinity_group_id: number; created: string; name: string; strict: boolean; user_id: number; uuid: string; version: number; vm_ids: number[] };
export type AffinityGroupOfVM = { name: string; uuid: string };
export type ApiKey = { access_key: string; api_key_id: number; created: string; ec2: boolean; expires: string | null; name: string; scope: string[]; used: string | null };
export type AppliedDrift = { drift_id: number; message?: string; operation_id?: number; status: string };
export type AppliedUsers = { applied: number; stale: string[] };
export type Architecture = "aarch64" | "x86_64";
export type AttachWork = { device: string; disk_id: number; operation_id: number; vm_id: number };
export type AttachedImage = { id: number; name: string };
export type AttachedNode = { last_error: string; name: string; node_id: number; state: "attached" | "attaching" | "detaching" | "failed" };
export type AttachedStorage = { last_error: string; name: string; state: "attached" | "attaching" | "detaching" | "failed"; storage_id: number };
export type AuditEntry = { arguments: Record<string, unknown>; at: string; audit_id: number; call_id: string; login: string; method: string; remote: string; request_id: string | null; user_id: number | null };
export type AvailableNetwork = { ipv6: boolean; name: string; network: string; pool_id: number; prefix_default: number; prefix_max: number; prefix_min: number };
export type AvailableOperation = { allowed: boolean; call: string; hidden: boolean; is_preferred: boolean; name: string; operation: InstanceOperation; reason: InstanceReason | null; resultant_state: InstanceStatus | null };
export type AvailableOperations = { fields?: Record<string, unknown>; instance_status?: InstanceStatus; message?: string; operations?: AvailableOperation[]; preferred?: InstanceOperation | null; status: string; vm_id: number };
export type BegunFactor = { secret: string; uri: string };
export type BegunLogin = { state: string; url: string };
export type BlockDevice = { boot_index: number | null; delete_on_termination: boolean; device_name: string; disk_id: number | null; read_only: boolean };
export type Bucket = { bucket_id: number; created: string; name: string; objects: number; size_bytes: number; uuid: string };
export type CachedImage = { disks: number; error: string; image_id: number; image_name: string; last_used: string; node_id: number; node_name: string; operation_id: number | null; size_bytes: number; state: CachedState; storage_id: number; storage_name: string };
export type CachedImageWork = { message: string; node_id: number; operation_id: number | null; status: string; storage_id: number | null };
export type CachedState = "copying" | "evicting" | "failed" | "ok" | "waiting";
export type ChangeRequest = { answer: string; change_request_id: number; closed: string | null; created: string; kind: ChangeRequestKind; state: ChangeRequestState; text: string; user_id: number; user_login: string; uuid: string; version: number; vm_id: number | null; wanted: Record<string, unknown> };
export type ChangeRequestKind = "expiry" | "quota" | "resize";
export type ChangeRequestState = "accepted" | "declined" | "open" | "withdrawn";
export type CheckedNode = { address: string; agent_protocol: number; agent_seen_at: string | null; agent_version: string; comment: string; cpu_overcommit: number; cpu_total: number; cpu_used: number; created: string; health: NodeHealth; hook_version: string; hooked_at: string | null; hooks: boolean; host_label: string; host_uuid: string; info: NodeFacts; locked: boolean; memory_mib_total: number; memory_mib_used: number; memory_overcommit: number; migration_uri: string; mode: NodeMode; mode_by: string; mode_reason: string; mode_since: string | null; name: string; node_id: number; passed_at: string | null; priority: number; report: NodeReport | null; seen_at: string | null; seen_host_label: string; seen_host_uuid: string; set_aside: boolean; state: NodeState; state_reason: string; storage_usage: StorageFigures[]; storages: AttachedStorage[]; traits: string[]; troubles: Trouble[]; tunnel_address: string; uri: string; uuid: string; version: number; vms_used: number };
export type CloudAccount = { active: boolean; external_id: string; login: string; name: string; quota_cpu: number; quota_memory_mib: number; quota_networks: number; quota_storage_mib: number; quota_vms: number; user_id: number; version: number };
export type CloudInfo = { contact_email: string; mailer_active: boolean; name: string; oidc: string[]; registration: "closed" | "open"; time: string; version: string };
export type CloudOffer = { default_pool: ListedResourcePool | null; pools?: ListedResourcePool[]; profiles: VMProfile[]; sizes: Template[]; templates: ListedVMTemplate[] };
export type CloudUser = { external_id: string; login: string; name?: string; active?: boolean; version: number; quota_cpu?: number | null; quota_memory_mib?: number | null; quota_storage_mib?: number | null; quota_vms?: number | null; quota_networks?: number | null; defaults?: ("quota_cpu" | "quota_memory_mib" | "quota_networks" | "quota_storage_mib" | "quota_vms")[] };
export type Cluster = { accounts_due: number; checked_at: string | null; cluster_id: number; created_at: string; error: string; has_ca: boolean; latency_ms: number | null; locked: boolean; name: string; release: string; seen_at: string | null; state: "" | "incompatible" | "ok" | "refused" | "unreachable"; synced_at: string | null; url: string; uuid: string; version: number };
export type ClusterCheck = { leaks: Leak[]; nodes_away: number; nodes_degraded: number; nodes_ok: number; nodes_set_aside: number; ok: boolean; open_drift: number; open_operations: number; overdue_operations: number; vms: number };
export type ClusterInfo = { name: string; protocol: number; time: string; version: string };
export type ClusterName = { cluster_id: number; name: string };
export type Confirmed = { state: "admin_confirmation" | "completed" | "mail_confirmation" };
export type Connection = { command: string; method: "http" | "https" | "rdp" | "ssh" | "vnc" };
export type Consistency = "crash" | "frozen" | "off";
export type ConsoleKind = "serial" | "vnc";
export type ConsoleTicket = { expires: string; kind: ConsoleKind; path: string; url: string | null; vm_id: number };
export type Cpu = { usage: number | null };
export type CpuBaseline = { computed: string; features: string[]; model: string; node_ids: number[]; vendor: string; without: string[] };
export type CpuModel = "baseline" | "host";
export type CrashPolicy = "restart" | "stop";
export type CreatedApiKey = { access_key: string; api_key_id: number; created: string; ec2: boolean; expires: string | null; key?: string; name: string; scope: string[]; secret_key?: string; used: string | null };
export type CreatedVM = { cc1_state: number; contextualized: boolean; cpu: number; created: string; description: string; doubtful: Doubtful | null; ec2_state: "pending" | "running" | "shutting-down" | "stopped" | "stopping" | "terminated"; error: string; image_id: number; image_name: string; iso_images: AttachedImage[]; launched: string | null; leases: VMLease[]; memory_mib: number; name: string; on_poweroff: PowerOffPolicy; operation: OperationKind | null; operation_id: number | null; platform: string; power_state: "Halted" | "Paused" | "Running" | "Suspended"; public_ip: string | null; reservation_id: string | null; state: VMState; storage_images: AttachedImage[]; template_id: number; template_name: string; user_id: number; uuid: string; version: number; vm_id: number; vnc_enabled: boolean; vnc_endpoint: string | null; vnc_password?: string };
export type DeployMode = "copy" | "overlay";
export type Description = { description: string };
export type Disk = { allocated_bytes: number | null; attachments: DiskAttachment[]; claimed_bytes: number; created: string; description: string; disk_id: number; error: string; format: DiskFormat; image_id: number | null; kind: DiskKind; level: Level; mine: boolean; name: string; operation: OperationKind | null; operation_id: number | null; purged: string | null; size_bytes: number; state: DiskState; storage_id: number; storage_name: string; trashed: string | null; user_id: number; user_login: string; uuid: string; version: number; waiting_for: string };
export type DiskAttachment = { arriving: boolean; boot_order: number | null; bus: DiskBus; cdrom: boolean; delete_with_vm: boolean; device: string; leaving: boolean; number: number; read_only: boolean; vm_id: number; vm_name: string };
export type DiskBus = "ide" | "sata" | "scsi" | "virtio";
export type DiskController = { live_attach: boolean; name: DiskBus };
export type DiskCopyWork = { disk_id: number | null; image_id: number; operation_id: number };
export type DiskFormat = "qcow2" | "raw";
export type DiskKind = "iso" | "storage" | "vm";
export type DiskOffers = { disk_id: number; fields?: Record<string, unknown>; message?: string; operations?: Offer[]; status: string };
export type DiskState = "adding" | "deleted" | "failed" | "lost" | "ok" | "trashed";
export type DiskWork = { disk_id: number; operation_id: number };
export type DivertedVM = { name: string; node: string; node_id: number; operation_id: number | null; state: VMState; vm_id: number };
export type DomainInfo = { cpu_time: number; maximum_memory: number; memory: number; num_vcpus: number; reason: string; state: string };
export type DomainReference = { domain: string };
export type Doubt = "" | "domain_missing" | "node_silent";
export type Doubtful = { reason: Doubt; since: string };
export type Download = { cluster: string; download_url: string | null; expires_at: string; filename: string; path: string };
export type Drift = { age_s: number; approved: string | null; closed: string | null; drift_id: number; evidence: Record<string, unknown>; first_seen: string; kind: DriftKind; last_seen: string; node: string; node_id: number; outcome: string; proposal: string; subject: string; vm_id: number | null };
export type DriftKind = "clock_skew" | "document_behind" | "guest_format" | "leaked_volume" | "missing_domain" | "missing_volume" | "other_host" | "unknown_domain" | "wrong_definition" | "wrong_hook" | "wrong_link" | "wrong_public" | "wrong_rules" | "wrong_state";
export type DriveWork = { device: string; operation_id: number; vm_id: number };
export type DroppedGroups = { objects: number };
export type EC2Endpoint = { cluster: string; url: string };
export type End = "delete" | "suspend";
export type EndedSessions = { ended: number };
export type Enrolment = { expires: string; token: string };
export type Entrance = { address: string; command: string; method: "http" | "https" | "rdp" | "ssh" | "vnc"; port: number; through: "network" | "port" | "public" | "screen" };
export type ErasedVM = { vm_id: number; was_gone: boolean };
export type Evacuation = { left: LeftVM[]; moving: MovingVM[]; node: string; node_id: number; operation_id: number | null };
export type ExpiryEnd = { at: string; due: string | null; end: End; told: string; waits: Waits };
export type ExpiryLease = { created: string; delete_s: number | null; description: string; expiry_id: number; for_all: boolean; is_default: boolean; name: string; suspend_s: number | null; user_id: number; uuid: string; version: number };
export type Farm = { cc1_state: number; cpu: number; created: string; description: string; disk_mib: number; farm_id: number; head_template_name: string | null; image_name: string | null; joined: boolean; memory_mib: number; name: string; operation_id: number | null; public_key: string; shared_key: boolean; started: string | null; state: FarmState; template_name: string; uptime_s: number; user_id: number; uuid: string; version: number; vms: FarmVM[]; workers: number };
export type FarmEnd = { farm_id: number; message?: string; status: string; vms: VMOutcome[] };
export type FarmRole = "head" | "worker";
export type FarmState = "degraded" | "destroyed" | "destroying" | "error" | "running" | "saving_head" | "starting_head" | "starting_workers" | "stopped";
export type FarmVM = { addresses: string[]; contextualized: boolean; cpu: number; disk_mib: number; error: string; host: string; launched: string | null; memory_mib: number; name: string; number: number; operation_id: number | null; role: FarmRole; state: VMState; template_name: string; uuid: string; vm_id: number; waiting_for: string };
export type FencedNode = { diverted: DivertedVM[]; ended: RestartedVM[]; left: LeftVM[]; node: string; node_id: number };
export type Filesystem = "ext4" | "ntfs" | "vfat" | "xfs";
export type Firmware = "bios" | "uefi";
export type FoundObject = { disk_id?: number; id: number; kind: "attachment" | "disk" | "farm" | "image" | "network" | "node" | "public_address" | "storage" | "storage_attachment" | "template" | "user" | "vm" | "vm_template"; node_id?: number; storage_id?: number; uuid: string; vm_id?: number };
export type FreeMemory = { result: number };
export type FreeVolume = { account_id: number | null; clean: boolean; deleting: boolean; format: DiskFormat; name: string; reserved_for: number | null; since: string; size_bytes: number; storage_id: number; volume_id: number; writer_id: number | null };
export type FreedPolicy = "discard" | "none" | "wipe";
export type Freeze = "auto" | "no" | "yes";
export type GeneratedSSHKey = { created: string; fingerprint: string; fingerprint_md5: string; key_id: number; kind: string; name: string; private_key: string; public_key: string; tags: Record<string, string> };
export type GivenExpiry = { vms: number };
export type GraphObject = { "$CPU_usage"?: number | null; "$CPUs"?: number; "$PBDs"?: string[]; "$SR"?: string; "$VBD"?: string | null; "$VBDs"?: string[]; "$VMs"?: string[]; "$container"?: string; "$memory"?: Memory; "$pool"?: string; "$running_VMs"?: number | string[]; "$running_hosts"?: string[]; "$vCPUs"?: number | Cpu[]; CPUs?: Cpu[]; HA_enabled?: boolean; SR?: string; SR_type?: string; SRs?: string[]; UUID: string; VDI?: string; VDIs?: string[]; VM?: string; VMs?: string[]; address?: string | null; attached?: boolean; controller?: string | null; default_SR?: string | null; enabled?: boolean; host?: string; hostname?: string; hosts?: string[]; iSCSI_name?: string | null; master?: string; memory?: Memory; name_description?: string; name_label?: string; physical_usage?: number; pools?: string[]; power_state?: string; size?: number; tags?: string[]; type: ObjectType; usage?: number | null };
export type Group = { created: string; description: string; group_id: number; leader: string; leader_id: number; leader_name: string; members: number; name: string; uuid: string; version: number };
export type GroupOfNic = { name: string; uuid: string };
export type GroupPerson = { login: string; name: string; user_id: number };
export type GrownFarm = { cc1_state: number; cpu: number; created: string; description: string; disk_mib: number; farm_id: number; head_template_name: string | null; image_name: string | null; joined: boolean; made: number[]; memory_mib: number; name: string; operation_id: number | null; public_key: string; shared_key: boolean; started: string | null; state: FarmState; template_name: string; uptime_s: number; user_id: number; uuid: string; version: number; vms: FarmVM[]; vnc_password?: string; warning: string; workers: number };
export type GuestChange = { vm_id: number; way: GuestWay };
export type GuestFilesystem = { device: string; kind: string; mountpoint: string; total_bytes: number; used_bytes: number };
export type GuestHostname = { hostname: string; vm_id: number; way: GuestWay };
export type GuestInfo = { filesystems: GuestFilesystem[]; hostname: string; interfaces: GuestInterface[]; kernel: string; load: number[]; os: string; silent: string[]; users: GuestUser[]; vm_id: number; way: GuestWay };
export type GuestInterface = { addresses: string[]; mac: string; name: string };
export type GuestKeys = { keys: string[]; user: string; vm_id: number; way: GuestWay };
export type GuestOwnKey = { made: boolean; path: string; public_key: string; user: string; vm_id: number; way: GuestWay };
export type GuestPassword = { password: string | null; user: string; vm_id: number; way: GuestWay };
export type GuestRoot = { before_bytes: number; kind: string; total_bytes: number; vm_id: number; way: GuestWay };
export type GuestUser = { name: string; since: number };
export type GuestWay = "agent" | "button" | "keys" | "wawel";
export type HangPolicy = "ignore" | "restart" | "stop";
export type HostFailurePolicy = "restart" | "stop";
export type HostInfo = { cores: number; cpus: number; memory: number; mhz: number; model: string; nodes: number; sockets: number; threads: number };
export type IdentityCertificate = { certificate: string | null };
export type Image = { access: ImageAccess; account_number: string; agent: boolean; architecture: Architecture; claimed_bytes: number; created: string; default_user: string; description: string; disk_controller: DiskBus; error: string; family: string; family_version: string; firmware: Firmware; format: DiskFormat; group_ids: number[]; image_id: number; imds_enabled: boolean; imds_hop_limit: number; imds_tokens: MetadataTokens; kind: ImageKind; least_disk_bytes: number; least_memory_mib: number; level: Level; machine: MachineType; metadata: MetadataSource; mine: boolean; name: string; network_device: NicModel; operation_id: number | null; platform: string; progress: number; sha256: string; size_bytes: number; state: ImageState; storage_id: number; storage_name: string; system: string; user_id: number; user_login: string; uuid: string; version: number; video_device: VideoModel; vm_ids: number[]; volume_sha256: string; waiting_for: string };
export type ImageAccess = "private" | "public";
export type ImageFilter = "group" | "private" | "public";
export type ImageKind = "iso" | "storage" | "system";
export type ImageOfCluster = { cluster: string; image_id: number; operation_id: number };
export type ImageOfVM = { architecture: string; uuid: string };
export type ImageOffers = { fields?: Record<string, unknown>; image_id: number; message?: string; operations?: Offer[]; status: string };
export type ImageState = "adding" | "deleted" | "failed" | "ok" | "trashed" | "uploading";
export type ImageWork = { image_id: number; operation_id: number };
export type ImdsOptions = { enabled: boolean; hop_limit: number; ipv6: boolean; tags: boolean; tokens: MetadataTokens };
export type Installed = { access_method: AccessMethod | null; boot_menu_s: number | null; cpu_model: CpuModel | null; firmware: Firmware | null; has_agent: boolean | null; image_id: number | null; iso_list: number[]; machine: MachineType | null; networks: number[]; new_disks: number[]; system: string | null; tags: Record<string, string>; traits: string[] };
export type Instance = { access_method: AccessMethod; addresses: InstanceAddress[]; arch: string; block_device_mapping: BlockDevice[]; boot_menu: boolean; created: string; description: string; destroyed_at: string | null; disks: InstanceDisk[]; has_agent: boolean; interfaces: InstanceInterface[]; ipv4: string | null; ipv6: string | null; is_active: boolean; is_base: boolean; is_in_status_change: boolean; launched_at: string | null; lease: number | null; lease_name: string; level: Level; mac: string | null; max_ram_size: number; modified: string; name: string; node: string | null; num_cores: number; owner: number; owner_login: string; priority: number | null; ram_size: number; raw_data: string; req_traits: string[]; status: InstanceStatus; status_changed: string; status_display: string; status_icon: string; system: string; tags: Record<string, string>; template: number | null; terminated_at: string | null; time_of_delete: string | null; time_of_suspend: string | null; uuid: string; vm_id: number; vm_name: string; vnc_port: number | null };
export type InstanceAddress = { ipv4: string | null; ipv6: string | null; mac: string };
export type InstanceDetail = { access_method: AccessMethod; addresses: InstanceAddress[]; arch: string; block_device_mapping: BlockDevice[]; boot_menu: boolean; connect_command: string | null; connect_host: string | null; connect_port: number | null; connect_uri: string | null; created: string; description: string; destroyed_at: string | null; disks: InstanceDisk[]; has_agent: boolean; interfaces: InstanceInterface[]; ipv4: string | null; ipv6: string | null; is_active: boolean; is_base: boolean; is_in_status_change: boolean; launched_at: string | null; lease: number | null; lease_name: string; level: Level; mac: string | null; max_ram_size: number; modified: string; name: string; node: string | null; num_cores: number; owner: number; owner_login: string; priority: number | null; pw: string | null; ram_size: number; raw_data: string; req_traits: string[]; status: InstanceStatus; status_changed: string; status_display: string; status_icon: string; system: string; tags: Record<string, string>; template: number | null; terminated_at: string | null; time_of_delete: string | null; time_of_suspend: string | null; uuid: string; vm_id: number; vm_name: string; vnc_port: number | null };
export type InstanceDisk = { base: number | null; bus: string; datastore: number; destroyed: string | null; dev_num: string; disk_id: number; filename: string; is_ready: boolean; name: string; size: number; type: "iso" | "qcow2-norm" | "qcow2-snap" | "raw-ro" | "raw-rw"; uuid: string };
export type InstanceInterface = { ipv4: string | null; ipv6: string | null; mac: string; model: string; network_id: number; nic: number; uuid: string };
export type InstanceOperation = "add_interface" | "add_port" | "create_disk" | "deploy" | "destroy" | "install_keys" | "migrate" | "password_reset" | "reboot" | "recover" | "remove_disk" | "remove_interface" | "remove_keys" | "remove_port" | "rename" | "renew" | "reset" | "resize_disk" | "resources_change" | "save_as_template" | "screenshot" | "shut_off" | "shutdown" | "sleep" | "wake_up";
export type InstanceOutcome = { activity?: Activity; error?: string; fields?: Record<string, unknown>; message?: string; status: string; vm_id: number };
export type InstanceReason = { error: string; fields: Record<string, unknown>; message: string; slug: string };
export type InstanceStatus = "DESTROYED" | "ERROR" | "MIGRATING" | "NOSTATE" | "PAUSED" | "PENDING" | "RUNNING" | "STOPPED" | "SUSPENDED";
export type Job = { calls: number; created: string; cron: string; enabled: boolean; job_id: number; last_run: JobRun | null; method: string; name: string; next: string | null; timezone: string; user_id: number; uuid: string; version: number };
export type JobCall = { finished: string | null; message: string; number: number; params: Record<string, unknown>; result: Record<string, unknown>; started: string | null; status: string };
export type JobDetail = { calls: number; created: string; cron: string; enabled: boolean; job_id: number; last_run: JobRun | null; method: string; name: string; next: string | null; params: Record<string, unknown>[]; timezone: string; user_id: number; uuid: string; version: number };
export type JobRun = { calls: number; created: string; due: string | null; ended_calls: number; finished: string | null; job_id: number; job_run_id: number; method: string; missed: number; refused_calls: number; started: string | null; state: JobRunState; uuid: string };
export type JobRunDetail = { calls: number; created: string; due: string | null; ended_calls: number; finished: string | null; job_id: number; job_run_id: number; log: JobCall[]; method: string; missed: number; refused_calls: number; started: string | null; state: JobRunState; uuid: string };
export type JobRunState = "canceled" | "done" | "failed" | "missed" | "open" | "skipped";
export type KnownImage = { agent: boolean; architecture: Architecture; default_user: string; description: string; disk_controller: DiskBus; family: string; format: SourceFormat; image_id: number | null; keyring: string; least_disk_bytes: number; least_memory_mib: number; name: string; network_device: NicModel; platform: string; signature: string; sums: string; system: string; url: string; video_device: VideoModel };
export type LaunchTemplate = { cluster_id: number; created: string; default_version: number; latest_version: number; launch_template_id: number; name: string; tags: Record<string, string>; uuid: string };
export type LaunchTemplateVersion = { created: string; data: string; description: string; launch_template_id: number; number: number };
export type Leak = { finding: string; subject: string };
export type LedGroup = { created: string; description: string; group_id: number; leader: string; leader_id: number; leader_name: string; members: number; name: string; requests: number; uuid: string; version: number };
export type LeftVM = { code: string; name: string; operation_id: number | null; reason: string; state: VMState; vm_id: number };
export type Level = "operator" | "owner" | "user";
export type ListedFarm = { cc1_state: number; cpu: number; created: string; description: string; disk_mib: number; farm_id: number; head_template_name: string | null; image_name: string | null; joined: boolean; memory_mib: number; name: string; operation_id: number | null; public_key: string; shared_key: boolean; started: string | null; state: FarmState; template_name: string; uptime_s: number; user_id: number; user_login: string; uuid: string; version: number; vms: FarmVM[]; workers: number };
export type ListedNetwork = { access?: Level; address: string; bridge: string; created: string; description: string; dns: string; domain: string; gateway: string; gateway6: string | null; is_default: boolean; kind: NetworkKind; leases: number; leases_used: number; locked: boolean; mask: number; name: string; network: string; network6: string | null; network_id: number; pool_id: number; uplink: string; user_id: number | null; user_login?: string | null; uuid: string; version: number; vlan: number | null };
export type ListedResourcePool = { created: string; current: PoolUse; description: string; effective: PoolLimits; hardware_pool: string | null; limits: PoolLimits; name: string; parent_pool_id: number | null; pending: PoolUse; privileges: Privilege[]; resource_pool_id: number; uuid: string; version: number };
export type ListedVM = { access?: Level; cc1_state: number; contextualized: boolean; cpu: number; created: string; description: string; doubtful: Doubtful | null; ec2_state: "pending" | "running" | "shutting-down" | "stopped" | "stopping" | "terminated"; error: string; image_id: number; image_name: string; iso_images: AttachedImage[]; launched: string | null; leases: VMLease[]; memory_mib: number; name: string; on_poweroff: PowerOffPolicy; operation: OperationKind | null; operation_id: number | null; platform: string; power_state: "Halted" | "Paused" | "Running" | "Suspended"; public_ip: string | null; reservation_id: string | null; state: VMState; storage_images: AttachedImage[]; template_id: number; template_name: string; user_id: number; user_login?: string; uuid: string; version: number; vm_id: number; vnc_enabled: boolean; vnc_endpoint: string | null };
export type ListedVMTemplate = { access: Level; access_method: AccessMethod | null; boot_menu_s: number | null; cpu_model: CpuModel | null; created: string; description: string; effective: Installed; firmware: Firmware | null; has_agent: boolean | null; image_id: number | null; iso_list: number[] | null; machine: MachineType | null; name: string; networks: number[] | null; new_disks: number[] | null; parent_template_id: number | null; system: string | null; tags: Record<string, string> | null; traits: string[] | null; user_id: number; user_login: string; uuid: string; version: number; vm_template_id: number };
export type LoggedIn = { expires: string; login: string; roles: Role[]; token: string; user_id: number };
export type LoginEntry = { count: number; first: string; how: "basic" | "ec2" | "enrolment" | "key" | "node" | "oidc" | "password" | "session" | "token" | "totp"; last: string; login: string; login_id: number; outcome: string; remote: string; user_id: number | null };
export type LoginProvider = { name: string; title: string };
export type MachineType = "auto" | "pc" | "q35";
export type Mail = { attempts: number; created: string; due: string; error: string; failed: string | null; mail_id: number; recipient: string; sent: string | null; state: "due" | "failed" | "sent"; template: string; trouble: string };
export type MailedToken = { expires: string; purpose: "activation" | "email" | "password" };
export type Mailer = { contact_email: string; mailer_active: boolean };
export type ManagedDomain = { domain_info: DomainInfo; feed_id: number; id: string; name: string; node: number; object_id: string; persistent: boolean; stale: boolean; uuid: string; vm_id: number | null };
export type ManagedNode = { feed_id: number; host_info: HostInfo; hostname: string; libvirt_version: string; libvirt_version_number: number; node_id: number; stale: boolean; type: string; uri: string; version: string; version_number: number };
export type ManagedPool = { allocation: number; available: number; capacity: number; feed_id: number; name: string; node: number; object_id: string; persistent: boolean; stale: boolean; state: string; storage_id: number | null; uuid: string };
export type ManagedVolume = { feed_id: number | null; key: string; name: string; node: number; object_id: string; path: string; stale: boolean; storage_pool: string };
export type Match = "at_least" | "exact";
export type MeasuredNode = { node_id: number; resolution_s: number; series: NodeSeries[]; start: number; status: string };
export type MeasuredStorage = { resolution_s: number; series: StorageSeries[]; start: number; status: string; storage_id: number };
export type MeasuredVM = { resolution_s: number; series: VMSeries[]; start: number; status: string; vm_id: number };
export type Memory = { size: number; usage: number };
export type Message = { cluster_id: number | null; code: string; created: string; level: "error" | "info" | "warn"; message_id: number; params: Record<string, unknown>; read: boolean };
export type MessageCount = { total: number; unread: number };
export type MetadataSource = "config-drive" | "imds" | "nocloud" | "none" | "seed-iso";
export type MetadataTokens = "optional" | "required";
export type MovingVM = { begun: boolean; how: "cold" | "live"; name: string; node: string | null; node_id: number | null; operation_id: number; state: VMState; vm_id: number; why_cold: string };
export type Multipart = { bucket_id: number; created: string; expires: string; key: string; multipart_id: number; parts: number; size_bytes: number; uuid: string };
export type NamedCluster = { cluster_id: number; name: string; state: "incompatible" | "locked" | "ok" | "refused" | "unknown" | "unreachable" };
export type Network = { address: string; bridge: string; created: string; description: string; dns: string; domain: string; gateway: string; gateway6: string | null; is_default: boolean; kind: NetworkKind; leases: number; leases_used: number; locked: boolean; mask: number; name: string; network: string; network6: string | null; network_id: number; pool_id: number; uplink: string; user_id: number | null; uuid: string; version: number; vlan: number | null };
export type NetworkKind = "bridge" | "nat" | "vxlan";
export type NetworkLease = { address: string; lease_id: number; nic: number | null; user_id: number | null; vm_id: number | null; vm_name: string | null };
export type News = { content: string; created: string; modified: string; news_id: number; sticky: boolean; topic: string; version: number };
export type Nic = { addresses: string[]; arriving: boolean; kbit_in: number | null; kbit_out: number | null; leaving: boolean; mac: string; model: NicModel; network: string; network_id: number; nic: number; nic_id: number; security_group_ids: number[]; spoofing: boolean; uuid: string; vm_id: number };
export type NicModel = "e1000" | "rtl8139" | "virtio";
export type NicWork = { addresses: string[]; mac: string; nic: number; nic_id: number; operation_id: number; vm_id: number };
export type Node = { address: string; agent_protocol: number; agent_seen_at: string | null; agent_version: string; comment: string; cpu_overcommit: number; cpu_total: number; cpu_used: number; created: string; health: NodeHealth; hook_version: string; hooked_at: string | null; hooks: boolean; host_label: string; host_uuid: string; info: NodeFacts; locked: boolean; memory_mib_total: number; memory_mib_used: number; memory_overcommit: number; migration_uri: string; mode: NodeMode; mode_by: string; mode_reason: string; mode_since: string | null; name: string; node_id: number; passed_at: string | null; priority: number; report: NodeReport | null; seen_at: string | null; seen_host_label: string; seen_host_uuid: string; set_aside: boolean; state: NodeState; state_reason: string; storages: AttachedStorage[]; traits: string[]; troubles: Trouble[]; tunnel_address: string; uri: string; uuid: string; version: number; vms_used: number };
export type NodeBridge = { bridge: string; metadata: boolean; network: string; present: boolean; taps: number };
export type NodeDifference = { kind: string; subject: string; text: string };
export type NodeFacts = { arch?: string; cpu_model?: string; cpus?: number; domain_types?: string[]; hooks?: boolean; host_uuid?: string; hostname?: string; hypervisor?: string; hypervisor_version?: string; libvirt_version?: string; memory_mib?: number; offers?: string[] };
export type NodeHealth = "degraded" | "ok";
export type NodeHook = { last: string | null; path: string; version: string };
export type NodeMetric = "cpu" | "load_1" | "load_15" | "load_5" | "memory" | "memory_used" | "vms";
export type NodeMode = "active" | "disabled" | "draining" | "maintenance" | "passive";
export type NodeProblem = { code: string; subject: string; text: string };
export type NodeReport = { applied?: Record<string, string>; behind_since: string | null; boot_id: string; bridges?: NodeBridge[]; capabilities: string[]; coming?: string[]; differences?: NodeDifference[]; document: string; hook: NodeHook | null; load?: number[]; problems: NodeProblem[]; public?: string[]; received_at: string; rules?: Record<string, string>; uplinks?: string[]; versions: Record<string, string> };
export type NodeSeries = { device: string; maximum: number | null; mean: number | null; metric: NodeMetric; total: number | null; unit: SeriesUnit; values: (number | null)[] };
export type NodeState = "new" | "ok" | "unreachable";
export type NodeTrouble = "agent_silent" | "bridge_missing" | "consoles_unbounded" | "dhcp_failed" | "dnsmasq_missing" | "document_behind" | "document_refused" | "firewall_failed" | "hook_missing" | "hook_outdated" | "hooks_silent" | "link_failed" | "links_unknown" | "locks_not_recovered" | "metadata_failed" | "network_stuck" | "nft_missing" | "other_host" | "other_problem" | "public_failed" | "shaping_failed" | "storage_silent";
export type NodeVerdict = { change: string; fits: boolean; node: string; node_id: number; reason: string; score: number | null };
export type ObjectPage = { after: string | null; objects: StoredObject[]; prefixes: string[] };
export type ObjectType = "PBD" | "SR" | "VBD" | "VDI" | "VM" | "host" | "pool" | "xo";
export type Offer = { allowed: boolean; call: string; kind: OperationKind | null; reason: Reason | null };
export type OfferedStorage = { is_default: boolean; kind: StorageKind; name: string; room_bytes: number; storage_id: number };
export type OfferedTransfer = { closed: string | null; created: string; expires: string; kind: TransferKind; name: string; object_id: number; state: TransferState; text: string; to_login: string; to_user_id: number; token: string; transfer_id: number; user_id: number; user_login: string; uuid: string; version: number };
export type OpenRPC = { components: Record<string, Record<string, unknown>>; info: Record<string, string>; methods: Record<string, unknown>[]; openrpc: string };
export type OpenedSession = { expires: string; token: string };
export type Operation = { attempts: number; created: string; deadline: string; error: string; finished: string | null; image_id: number | null; kind: OperationKind; next_attempt: string | null; node_id: number | null; operation_id: number; parent_id: number | null; progress: number; result: Record<string, unknown>; started: string | null; state: OperationState; step: string; storage_id: number | null; text: string; user_id: number | null; vm_id: number | null; waiting_for: string };
export type OperationKind = "attach_or_create" | "disk_attach" | "disk_copy" | "disk_create" | "disk_detach" | "disk_flatten" | "disk_grow" | "disk_move" | "farm_launch" | "image_cache" | "image_delete" | "image_import" | "nic_attach" | "nic_detach" | "node_evacuate" | "snapshot_create" | "snapshot_delete" | "snapshot_revert" | "storage_attach" | "vm_cd" | "vm_create" | "vm_destroy" | "vm_migrate" | "vm_move" | "vm_pause" | "vm_reset" | "vm_resize" | "vm_resume" | "vm_save_and_shutdown" | "vm_shutdown" | "vm_start" | "vm_stop" | "vm_suspend" | "vm_to_image" | "vm_trash" | "vm_vnc" | "vm_wake_up" | "volume_delete";
export type OperationNumber = { operation_id: number };
export type OperationState = "abandoned" | "done" | "failed" | "queued" | "running" | "waiting";
export type Part = { created: string; etag: string; number: number; size_bytes: number };
export type Passage = { passes: boolean; reason: string; rules: SecurityRule[]; source: string; target: string; verdict: Verdict };
export type PermissionInfo = { default: boolean; description: string; name: string; views: string[] };
export type PlacedObject = { cluster: string; id: number; kind: string; uuid: string };
export type Placement = { at: string | null; node_id: number | null; others: Record<string, number>; trial: boolean; verdicts: NodeVerdict[]; vm_id: number | null };
export type PlannedDrift = { age_s: number; drift_id: number; kind: DriftKind; node: string; node_id: number; proposal: string; remedy: Remedy; subject: string; vm_id: number | null };
export type PointOfUse = { at: string; label: string; points: number };
export type PointsHistory = { complete: boolean; limit: number; month: string; points: PointOfUse[]; used: number; user_id: number };
export type PointsOfAccount = { hours: number; limit: number; login: string; used: number; user_id: number; vms: number };
export type PoolGrant = { privilege: Privilege; subject: Subject };
export type PoolLimits = { cpu: number | null; memory_mib: number | null; nics: number | null; storage_mib: number | null; vms: number | null };
export type PoolReference = { pool: string };
export type PoolResource = "cpu" | "memory_mib" | "nics" | "storage_mib" | "vms";
export type PoolUse = { cpu: number; memory_mib: number; nics: number; storage_mib: number; vms: number };
export type PortProtocol = "tcp" | "udp";
export type PowerOffPolicy = "destroy" | "restart" | "save" | "stop";
export type Privilege = "cloud_create" | "cloud_view";
export type Profile = { activated: string | null; administers: ClusterName[]; created: string; default_cluster: string | null; default_cluster_id: number | null; ec2_endpoints: EC2Endpoint[]; email: string; first_name: string; has_password: boolean; has_totp: boolean; is_cloud_admin: boolean; last_login: string | null; last_name: string; login: string; oidc_issuer: string | null; organization: string; permissions: string[]; roles: Role[]; state: UserState; user_id: number; uuid: string; version: number };
export type ProvidedDisk = { hardware_pools?: string[]; number: number; operation_id: number; reused: boolean; size_bytes: number; storage_id: number; vm_id: number; volume: string; wiped: boolean };
export type PublicAddress = { address: string; created: string; description: string; guest: string | null; nic: number | null; node_id: number | null; ports: number; public_address_id: number; reason: string; shared: boolean; state: PublicState; uplink: string; user_id: number | null; uuid: string; version: number; vm_id: number | null; vm_name: string | null };
export type PublicIP = { address: string; ip_id: number; lease_id: number | null; public_ip_id: number; user_id: number | null; vm_name: string };
export type PublicPort = { address: string; guest_port: number; nic: number; port: number; protocol: PortProtocol; public_port_id: number; reason: string; state: PublicState; vm_id: number };
export type PublicState = "answered" | "free" | "unassigned" | "waiting";
export type QuotaUse = { free_cpu: number; free_memory_mib: number; free_networks: number; free_public_addresses: number; free_public_ports: number; free_storage_mib: number; free_vms: number; quota_cpu: number; quota_memory_mib: number; quota_networks: number; quota_points: number; quota_public_addresses: number; quota_public_ports: number; quota_storage_mib: number; quota_vms: number; used_cpu: number; used_memory_mib: number; used_networks: number; used_public_addresses: number; used_public_ports: number; used_storage_mib: number; used_vms: number; user_id: number };
export type RawData = { raw_data: string; vm_id: number };
export type Reason = { fields: Record<string, unknown>; message: string; slug: string };
export type RecoveryCodes = { recovery_codes: string[] };
export type Registered = { state: "admin_confirmation" | "completed" | "mail_confirmation"; user_id: number | null };
export type Remedy = "by_hand" | "delete_volume" | "give_up_volume" | "record_end" | "restore_state" | "take_host";
export type RenewableEnd = { at: string; end: "delete" | "suspend" };
export type RenewableVM = { cluster: string; ends: RenewableEnd[]; expiry: string; vm: string };
export type ResourcePool = { created: string; current: PoolUse; description: string; effective: PoolLimits; hardware_pool: string | null; limits: PoolLimits; name: string; parent_pool_id: number | null; pending: PoolUse; resource_pool_id: number; uuid: string; version: number };
export type RestartedVM = { kind: OperationKind | null; name: string; operation_id: number | null; state: VMState; vm_id: number };
export type Role = "admin" | "cloud" | "guest" | "node" | "user";
export type RuleDirection = "in" | "out";
export type SSHKey = { created: string; fingerprint: string; fingerprint_md5: string; key_id: number; kind: string; name: string; public_key: string; tags: Record<string, string> };
export type SavedFarm = { farm_id: number; image_id: number; operation_id: number; vm_id: number; workers: VMOutcome[] };
export type SavedTemplate = { image_id: number; name: string; operation_id: number; vm_id: number; vm_template_id: number };
export type SavedVM = { image_id: number; operation_id: number; vm_id: number };
export type Screen = { address?: string | null; operation_id: number; password?: string; port?: number | null; vm_id: number };
export type Screenshot = { height: number; png: string; vm_id: number; width: number };
export type SecondFactor = { active: boolean; recovery_codes_left: number };
export type SecurityGroup = { created: string; default: boolean; description: string; name: string; nics: number; rules: SecurityRule[]; security_group_id: number; user_id: number; uuid: string; version: number };
export type SecurityRule = { description: string; direction: RuleDirection; ports: string | null; protocol: string; remote: string | null; remote_group_id: number | null; rule_id: number };
export type Seen = "absent" | "crashed" | "off" | "paused" | "running" | "unknown";
export type SeenGroup = { created: string; description: string; group_id: number; leader: string; leader_id: number; leader_name: string; members: number; name: string; status: Status; uuid: string; version: number };
export type SeenReason = "" | "absent" | "api_error" | "booted" | "by us" | "crashed" | "daemon" | "destroyed" | "dump" | "failed" | "from_snapshot" | "host_lost" | "io_error" | "migrated" | "migration" | "migration_canceled" | "other" | "panicked" | "postcopy" | "postcopy_failed" | "released" | "reset" | "restored" | "save" | "save_canceled" | "saved" | "shutdown" | "shutting_down" | "snapshot" | "starting_up" | "unknown" | "unpaused" | "user" | "wakeup" | "watchdog";
export type SeriesUnit = "bytes" | "bytes_per_s" | "count" | "packets_per_s" | "percent" | "requests_per_s";
export type Session = { client: string; created: string; current: boolean; expires: string; remote: string; session_id: number; used: string };
export type SettledDrift = { drift_id: number; operation_id?: number };
export type ShareKind = "cifs" | "nfs" | "sshfs";
export type Shared = "expiry" | "image" | "network" | "vm" | "vm_template";
export type SimulatedExpiry = { ends: ExpiryEnd[]; expiry_id: number | null; state: VMState; user_id: number; vm: string; vm_id: number };
export type Snapshot = { allocated_bytes: number | null; claimed_bytes: number; consistency: Consistency | null; created: string; description: string; disk_id: number; disk_name: string; going: boolean; group_id: number | null; name: string; operation_id: number | null; size_bytes: number; snapshot_id: number; storage_id: number; taken: string | null; user_id: number; uuid: string; vm_id: number | null; waiting_for: string };
export type SnapshotOffers = { fields?: Record<string, unknown>; message?: string; operations?: Offer[]; snapshot_id: number; status: string };
export type SnapshotWork = { group_id: number | null; operation_id: number; snapshot_ids: number[] };
export type SourceFormat = "qcow2" | "raw" | "vdi" | "vhd" | "vhdx" | "vmdk";
export type Status = "member" | "none" | "waiting";
export type Storage = { address: string; capacity_bytes: number; claimed_bytes: number; created: string; devices: string[]; draining: boolean; freed: FreedPolicy; full_since: string | null; hardware_pool: string; is_default: boolean; keep_freed: boolean; kind: StorageKind; locked: boolean; mount_options: string[]; name: string; nfs_version: string; nodes: AttachedNode[]; offered: boolean; overcommit: number; own_node_id: number | null; path: string; priority: number; reserve_bytes: number; source: string; storage_id: number; uuid: string; version: number };
export type StorageCheck = { deleted: string[]; findings: VolumeFinding[]; node_id: number; storage_id: number };
export type StorageFigures = { available_bytes?: number; capacity_bytes?: number; error: string; storage_id: number };
export type StorageKind = "dir" | "logical" | "netfs";
export type StorageMetric = "allocated" | "available" | "capacity" | "claimed";
export type StorageSeries = { device: string; maximum: number | null; mean: number | null; metric: StorageMetric; total: number | null; unit: SeriesUnit; values: (number | null)[] };
export type StorageStatistics = { capacity_bytes: number; claimed_bytes: number; name: string; storage_id: number; uses: VolumeCount[] };
export type StorageUsage = { allocated_bytes: number | null; available_bytes: number | null; capacity_bytes: number; full_since: string | null; kind: StorageKind; looked_at: string | null; name: string; overcommit: number; promised_bytes: number; reserve_bytes: number; room_bytes: number; storage_id: number; virtual_bytes: number; volumes: number };
export type StorageWork = { node_id: number; operation_id: number; storage_id: number };
export type StoredObject = { etag: string; headers: Record<string, string>; key: string; modified: string; size_bytes: number; uuid: string };
export type StoredVolume = { base: string | null; claimed_bytes: number; disk_id: number | null; format: DiskFormat; image_id: number | null; image_name: string; made: boolean; mode: VolumeMode; name: string; object: string | null; size_bytes: number; user_id: number | null; vm_id: number | null; vm_name: string; volume_id: number };
export type SubActivity = { activity_code: string; activity_id: number; finished: string | null; params: Record<string, unknown>; parent: number | null; percentage: number | null; readable_name: string; result: string; started: string; step: string; succeeded: boolean | null; user: number | null };
export type Subject = { account_number?: string; group_id?: number; issuer?: string; login?: string; user_id?: number };
export type TagKind = "disk" | "image" | "network" | "public_address" | "security_group" | "snapshot" | "vm";
export type Tags = { kind: TagKind; object_id: number; tags: Record<string, string> };
export type Template = { cpu: number; created: string; description: string; disk_mib: number; ec2name: string; local_disk: boolean; memory_mib: number; name: string; points: number; template_id: number; traits: string[]; uuid: string; version: number };
export type TemplateField = "access_method" | "boot_menu_s" | "cpu_model" | "firmware" | "has_agent" | "image_id" | "iso_list" | "machine" | "networks" | "new_disks" | "system" | "tags" | "traits";
export type Transfer = { closed: string | null; created: string; expires: string; kind: TransferKind; name: string; object_id: number; state: TransferState; text: string; to_login: string; to_user_id: number; transfer_id: number; user_id: number; user_login: string; uuid: string; version: number };
export type TransferKind = "image" | "vm" | "vm_template";
export type TransferState = "accepted" | "declined" | "expired" | "offered" | "void" | "withdrawn";
export type Trouble = { blocks: boolean; code: NodeTrouble; since: string | null; text: string };
export type TrustedKey = { created: string; issuer: string; key_id: string; public_key: string };
export type UnknownVolume = { allocated_bytes: number; base: string | null; name: string; obstacle: string; size_bytes: number };
export type Upload = { cluster: string; expires_at: string; image: Image; path: string; upload_url: string | null };
export type User = { activated: string | null; created: string; default_cluster_id: number | null; email: string; first_name: string; has_password: boolean; has_totp: boolean; is_cloud_admin: boolean; last_login: string | null; last_name: string; login: string; oidc_issuer: string | null; organization: string; permissions: string[] | null; state: UserState; user_id: number; uuid: string; version: number };
export type UserCluster = { administered: boolean; cluster_id: number; is_default: boolean; latency_ms: number | null; name: string; release: string; seen_at: string | null; state: "incompatible" | "locked" | "ok" | "refused" | "unknown" | "unreachable"; uuid: string };
export type UserDataEncoding = "auto" | "base64" | "plain";
export type UserState = "active" | "blocked" | "confirmed" | "deleted" | "registered";
export type VM = { cc1_state: number; contextualized: boolean; cpu: number; created: string; description: string; doubtful: Doubtful | null; ec2_state: "pending" | "running" | "shutting-down" | "stopped" | "stopping" | "terminated"; error: string; image_id: number; image_name: string; iso_images: AttachedImage[]; launched: string | null; leases: VMLease[]; memory_mib: number; name: string; on_poweroff: PowerOffPolicy; operation: OperationKind | null; operation_id: number | null; platform: string; power_state: "Halted" | "Paused" | "Running" | "Suspended"; public_ip: string | null; reservation_id: string | null; state: VMState; storage_images: AttachedImage[]; template_id: number; template_name: string; user_id: number; uuid: string; version: number; vm_id: number; vnc_enabled: boolean; vnc_endpoint: string | null };
export type VMDetail = { access: Level; affinity_group_id: number | null; architecture: string; boot_menu_s: number; boot_s: number | null; cc1_state: number; closed: string | null; connections: Connection[]; contextualized: boolean; contextualized_at: string | null; cpu: number; cpu_model: CpuModel; created: string; description: string; dns: string; doubtful: Doubtful | null; ec2_state: "pending" | "running" | "shutting-down" | "stopped" | "stopping" | "terminated"; error: string; farm_id: number | null; firmware: Firmware; guarded: boolean; image_id: number; image_name: string; imds: ImdsOptions; iso_images: AttachedImage[]; launched: string | null; leases: VMLease[]; machine: MachineType; max_cpu: number; max_memory_mib: number; memory_mib: number; metadata: MetadataSource; name: string; node: string | null; on_crash: CrashPolicy; on_hang: HangPolicy; on_host_failure: HostFailurePolicy; on_poweroff: PowerOffPolicy; operation: OperationKind | null; operation_id: number | null; platform: string; ports: PublicPort[]; power_state: "Halted" | "Paused" | "Running" | "Suspended"; public_ip: string | null; raw_data: boolean; reservation_id: string | null; resource_pool_id: number | null; seen: Seen; seen_at: string | null; seen_reason: SeenReason; ssh_username: string; state: VMState; storage_images: AttachedImage[]; template_id: number; template_name: string; traits: string[]; user_data: string | null; user_data_encoding: UserDataEncoding; user_id: number; user_login: string; uuid: string; version: number; vm_id: number; vm_template_id: number | null; vnc_enabled: boolean; vnc_endpoint: string | null; wanted: Wanted };
export type VMExpiry = { ends: ExpiryEnd[]; expiry: string; expiry_id: number | null; reason: string; renewable: boolean; renewed: string | null; state: VMState; user_id: number; vm: string; vm_id: number };
export type VMLease = { address: string };
export type VMLoad = { load_1: number | null; load_15: number | null; load_5: number | null; status: string; vm_id: number };
export type VMMetric = "cpu" | "memory" | "memory_available" | "memory_rss" | "read_bytes" | "read_requests" | "rx_bytes" | "rx_packets" | "tx_bytes" | "tx_packets" | "vcpu" | "write_bytes" | "write_requests";
export type VMOffers = { fields?: Record<string, unknown>; message?: string; operations?: Offer[]; status: string; vm_id: number };
export type VMOutcome = { fields?: Record<string, unknown>; message?: string; operation_id?: number; status: string; vm_id: number };
export type VMProfile = { created: string; name: string; template_id: number; template_name: string; user_id: number; uuid: string; version: number; vm_profile_id: number; vm_template_id: number; vm_template_name: string };
export type VMSeries = { device: string; maximum: number | null; mean: number | null; metric: VMMetric; total: number | null; unit: SeriesUnit; values: (number | null)[] };
export type VMState = "destroyed" | "destroying" | "error" | "paused" | "pending" | "rebooting" | "running" | "saving" | "starting" | "stopped" | "stopping" | "suspended" | "trashed";
export type VMTemplate = { access_method: AccessMethod | null; boot_menu_s: number | null; cpu_model: CpuModel | null; created: string; description: string; effective: Installed; firmware: Firmware | null; has_agent: boolean | null; image_id: number | null; iso_list: number[] | null; machine: MachineType | null; name: string; networks: number[] | null; new_disks: number[] | null; parent_template_id: number | null; system: string | null; tags: Record<string, string> | null; traits: string[] | null; user_id: number; uuid: string; version: number; vm_template_id: number };
export type VMWork = { operation_id: number; vm_id: number };
export type Verdict = "answers_only" | "ipv4_only" | "kept_apart" | "management" | "no_address" | "no_rule_in" | "no_rule_out" | "passes";
export type VideoModel = "cirrus" | "vga" | "virtio";
export type VolumeCount = { allocated_bytes: number; claimed_bytes: number; count: number; size_bytes: number; use: VolumeUse };
export type VolumeFinding = { kind: DriftKind; proposal: string; subject: string };
export type VolumeMode = "copy" | "overlay" | "whole";
export type VolumeReference = { volume: string };
export type VolumeUse = "cache" | "data_disk" | "iso_image" | "memory" | "root_disk" | "seed" | "snapshot" | "system_image" | "trash" | "unaccounted";
export type Waits = "" | "busy" | "guarded" | "refused" | "second_look" | "state";
export type Wanted = "destroyed" | "paused" | "running" | "saved" | "stopped" | "suspended" | "trashed";
export type WantedQuota = { cluster: string; cluster_id: number; quota_cpu: number | null; quota_memory_mib: number | null; quota_networks: number | null; quota_storage_mib: number | null; quota_vms: number | null; synced: boolean; user_id: number; version: number };
export type WholeDisk = { arriving: boolean; created: string; delete_with_vm: boolean; device: string; disk_id: number; leaving: boolean; uuid: string };
export type WholeNic = { addresses: string[]; arriving: boolean; groups: GroupOfNic[]; leaving: boolean; mac: string; network_id: number; nic: number; nic_id: number; public: string | null; spoofing: boolean; subnet: string | null; uuid: string };
export type WholeVM = { affinity_group: AffinityGroupOfVM | null; cc1_state: number; contextualized: boolean; cpu: number; created: string; description: string; disks: WholeDisk[]; doubtful: Doubtful | null; ec2_state: "pending" | "running" | "shutting-down" | "stopped" | "stopping" | "terminated"; error: string; image: ImageOfVM | null; image_id: number; image_name: string; imds: ImdsOptions; iso_images: AttachedImage[]; launched: string | null; leases: VMLease[]; memory_mib: number; metadata: MetadataSource; name: string; nics: WholeNic[]; on_poweroff: PowerOffPolicy; operation: OperationKind | null; operation_id: number | null; platform: string; power_state: "Halted" | "Paused" | "Running" | "Suspended"; public_ip: string | null; reservation_id: string | null; state: VMState; storage_images: AttachedImage[]; tags: Record<string, string>; template_id: number; template_name: string; type: string; user_id: number; uuid: string; version: number; vm_id: number; vnc_enabled: boolean; vnc_endpoint: string | null };

export interface Methods {
  /** Who has which level on an object of these kinds, its own account first. */
  "admin.acl.get_list": {
    params: { kind: Shared; object_id: number | string; cluster?: number | string | null };
    result: AccessEntry[] | { items: (AccessEntry & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "vm_wrong_state" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change what an account or a group may do with an object of these kinds; null takes it back. */
  "admin.acl.set": {
    params: { kind: Shared; object_id: number | string; level: Level | null; login?: string | null; group_id?: number | null; issuer?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "owner_stays" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a user an administrator of a cluster: its ``admin`` views are open to them from now on. */
  "admin.administrator.add": {
    params: { cluster: number | string; user_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Administrator[];
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Take the administration of a cluster from a user. The last may go: the cloud's administrators remain. */
  "admin.administrator.delete": {
    params: { cluster: number | string; user_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Administrator[];
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** A cluster's administrators, besides the cloud's own. */
  "admin.administrator.get_list": {
    params: { cluster: number | string };
    result: Administrator[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Say whether a group is strict: one that is may keep a node from being emptied. */
  "admin.affinity_group.edit": {
    params: { affinity_group_id: number | string; strict: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AffinityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All groups, by whose they are. */
  "admin.affinity_group.get_list": {
    params: { cluster?: number | string | null };
    result: AffinityGroup[] | { items: (AffinityGroup & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Do what is asked for, as the call for it would (``admin.vm.resize``, ``admin.expiry.set``, ``admin.user.edit``); what that refuses leaves the request as it is. Whoever asked is told. */
  "admin.change_request.accept": {
    params: { change_request_id: number | string; expiry_id?: number | string | null; text?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ChangeRequest;
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "quota_reached" | "account_not_local" | "change_request_closed" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "last_admin" | "not_prepared" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_changed_hands" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Decline a request; whoever asked is told. */
  "admin.change_request.decline": {
    params: { change_request_id: number | string; text: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ChangeRequest;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "change_request_closed" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Requests, newest first. */
  "admin.change_request.get_list": {
    params: { user_id?: number | string | null; answered?: boolean; limit?: number; before?: number | null; cluster?: number | string | null };
    result: ChangeRequest[] | { items: (ChangeRequest & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Whether the books balance: what accounts, nodes and storages count as used against what lives. */
  "admin.cluster.check": {
    params: { cluster?: number | string | null };
    result: ClusterCheck;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The CPU that all nodes could give when it was last found out, which VMs may ask for (``cpu_model``). */
  "admin.cluster.cpu_baseline": {
    params: { cluster?: number | string | null };
    result: CpuBaseline;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "no_cpu_baseline" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Find out which CPU all nodes can give that are not disabled, and keep it. VMs that ask for it have it from their next start on; those that run go on with what they have. */
  "admin.cluster.set_cpu_baseline": {
    params: { cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: CpuBaseline;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "no_capacity" | "cluster_incompatible" | "cluster_locked" | "no_cpu_baseline" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One disk, also one in the trash. */
  "admin.disk.get_by_id": {
    params: { disk_id: number | string; cluster?: number | string | null };
    result: Disk;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Disks, newest first, but for those in the trash. */
  "admin.disk.get_list": {
    params: { user_id?: number | string | null; storage_id?: number | string | null; vm_id?: number | string | null; limit?: number; before?: number | null; trashed?: boolean; kind?: DiskKind | null; cluster?: number | string | null };
    result: Disk[] | { items: (Disk & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put anybody's disk on another storage, as ``user.disk.move`` does. */
  "admin.disk.move": {
    params: { disk_id: number | string; storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storage_out_of_reach" | "storages_apart" | "variables_stay" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Start a domain that is off. A VM's is refused, with the name of the call for VMs, here and below. */
  "admin.domain.create": {
    params: { domain: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_silent" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Cut a domain's power. One without a definition is gone then. */
  "admin.domain.destroy": {
    params: { domain: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_silent" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One domain, as it was seen in the last seconds. */
  "admin.domain.get": {
    params: { domain: string; cluster?: number | string | null };
    result: ManagedDomain;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Domains of all nodes with these properties, as they were seen in the last seconds. */
  "admin.domain.lookup": {
    params: { node_id?: number | string | null; uuid?: string | null; name?: string | null; id?: string | null; state?: string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: ManagedDomain[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a domain's guest start again, if it obeys: by QEMU's agent where libvirt has one that is connected, else by its power button. By that, libvirt starts it again at its next end from within, whenever that comes, be it meant as one (``on_poweroff``). A VM's is refused: ``user.vm.reboot`` does not do so. */
  "admin.domain.reboot": {
    params: { domain: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_silent" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a saved domain go on, once: its disks have gone on since, and a second time would damage them. */
  "admin.domain.restore": {
    params: { domain: string; filename: string; again?: boolean; host_access?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "already_restored" | "cluster_incompatible" | "cluster_locked" | "in_use" | "is_ours" | "not_supported" | "object_told_twice" | "reaches_host" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let a suspended domain go on. */
  "admin.domain.resume": {
    params: { domain: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_silent" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Write a running domain's memory to a file on its node; it is off then. */
  "admin.domain.save": {
    params: { domain: string; filename: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "in_use" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Press a domain's power button, which its guest may ignore. */
  "admin.domain.shutdown": {
    params: { domain: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_silent" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Stop a domain's CPUs; its memory stays where it is. */
  "admin.domain.suspend": {
    params: { domain: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_silent" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Forget a domain's definition; no disk is deleted. A running one goes on, and is gone when it is off. */
  "admin.domain.undefine": {
    params: { domain: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_silent" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A domain's definition as libvirt has it now, without passwords; also a VM's. */
  "admin.domain.xml_desc": {
    params: { domain: string; cluster?: number | string | null };
    result: Description;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Do what a finding proposes. */
  "admin.drift.apply": {
    params: { drift_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SettledDrift;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "vm_runs_elsewhere" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "drift_not_applicable" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "same_host" | "vm_busy" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Do what the open findings propose, of one node or kind, wherever anything can be done from here; what is refused of one stops no other. A dry run tells of each. */
  "admin.drift.apply_all": {
    params: { node_id?: number | string | null; kind?: DriftKind | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AppliedDrift[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Close a finding that is all right as it is. */
  "admin.drift.dismiss": {
    params: { drift_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SettledDrift;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Open findings, newest first, with what was seen and what is proposed; settled ones if ``closed``. */
  "admin.drift.get_list": {
    params: { node_id?: number | string | null; closed?: boolean; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Drift[] | { items: (Drift & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What applying the open findings would do, the oldest first; 1,000 at the most. */
  "admin.drift.plan": {
    params: { node_id?: number | string | null; kind?: DriftKind | null; cluster?: number | string | null };
    result: PlannedDrift[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a lease, which is the caller's. */
  "admin.expiry.add": {
    params: { name: string; suspend_s?: number | null; delete_s?: number | null; description?: string; for_all?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ExpiryLease;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give live VMs a lease, from now on. */
  "admin.expiry.apply": {
    params: { expiry_id: number | string; user_id?: number | string | null; replace?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GivenExpiry;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a lease: nobody can choose or renew it any more. VMs that have it keep their times. */
  "admin.expiry.delete": {
    params: { expiry_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a lease; what is not given stays. VMs that have it keep their times until they are renewed. */
  "admin.expiry.edit": {
    params: { expiry_id: number | string; name?: string | null; suspend_s?: number | null; delete_s?: number | null; never?: boolean; description?: string | null; for_all?: boolean | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ExpiryLease;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One lease. */
  "admin.expiry.get_by_id": {
    params: { expiry_id: number | string; cluster?: number | string | null };
    result: ExpiryLease;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All leases, by name. */
  "admin.expiry.get_list": {
    params: { cluster?: number | string | null };
    result: ExpiryLease[] | { items: (ExpiryLease & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** VMs that have a lease, by id: what will become of them, when, and what it waits for. */
  "admin.expiry.list_vms": {
    params: { user_id?: number | string | null; expiry_id?: number | string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: VMExpiry[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have both of a VM's intervals begin anew from now. */
  "admin.expiry.renew": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMExpiry;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "expiry_not_yours" | "no_expiry" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a VM another lease, from now on. expiry_id: null: it ends by nothing of this any more. */
  "admin.expiry.set": {
    params: { vm_id: number | string; expiry_id: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMExpiry;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Say which lease VMs get that are made without another; everybody may choose it, then. VMs that are there already stay as they are: ``apply`` is for these. */
  "admin.expiry.set_default": {
    params: { expiry_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What a lease would do to live VMs that got it now, whichever they have: when each would be suspended and deleted, and its owners be told, as things are. Nothing is changed, and nobody is told. */
  "admin.expiry.simulate": {
    params: { expiry_id?: number | string | null; suspend_s?: number | null; delete_s?: number | null; user_id?: number | string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: SimulatedExpiry[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Destroy anybody's farms: of each its head and all workers, or none of them, with the error as its status. */
  "admin.farm.destroy": {
    params: { farm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: FarmEnd[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Anybody's farm, also a destroyed one. */
  "admin.farm.get_by_id": {
    params: { farm_id: number | string; cluster?: number | string | null };
    result: Farm;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Farms, newest first; those whose VMs are all destroyed are left out. */
  "admin.farm.get_list": {
    params: { user_id?: number | string | null; limit?: number; before?: number | null; cluster?: number | string | null };
    result: ListedFarm[] | { items: (ListedFarm & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Start instances, as ``user.instance.deploy``. */
  "admin.instance.deploy": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Destroy instances, as ``user.instance.destroy``, be they guarded. */
  "admin.instance.destroy": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change an instance. */
  "admin.instance.edit": {
    params: { vm_id: number | string; priority: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What was done to an instance, newest first, with nodes and what is for administrators alone. */
  "admin.instance.get_activities": {
    params: { vm_id: number | string; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Activity[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All of one instance, also of a destroyed one. */
  "admin.instance.get_by_id": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: InstanceDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Instances, newest first. */
  "admin.instance.get_list": {
    params: { user_id?: number | string | null; node_id?: number | string | null; everything?: boolean; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Instance[] | { items: (Instance & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What may be asked of instances as they are now, as their owners are told, and of administrators' own. */
  "admin.instance.get_operations": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null };
    result: AvailableOperations[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Move a running instance to another node, as ``admin.vm.migrate``. */
  "admin.instance.migrate": {
    params: { vm_id: number | string; node_id?: number | string | null; live_migration?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "cannot_migrate" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have destroyed instances back that are not gone for good, as ``user.instance.recover``. */
  "admin.instance.recover": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Cut the power of instances, as ``user.instance.shut_off``. */
  "admin.instance.shut_off": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Suspend instances, as ``user.instance.sleep``; their accounts pay for the room. */
  "admin.instance.sleep": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have suspended instances go on, as ``user.instance.wake_up``. */
  "admin.instance.wake_up": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete anybody's job and what is known of its runs. */
  "admin.job.delete": {
    params: { job_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a job's schedule not count any more. Its owner may have it count again. */
  "admin.job.disable": {
    params: { job_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: JobDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One job, with what it calls. */
  "admin.job.get_by_id": {
    params: { job_id: number | string; cluster?: number | string | null };
    result: JobDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Jobs, by id, each with its last run. */
  "admin.job.get_list": {
    params: { user_id?: number | string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: Job[] | { items: (Job & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A run with what came of each call. */
  "admin.job.get_run": {
    params: { job_run_id: number | string; cluster?: number | string | null };
    result: JobRunDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The last hundred runs of a job, newest first, as ``user.job.get_runs``. */
  "admin.job.get_runs": {
    params: { job_id: number | string; limit?: number; before?: number | null; cluster?: number | string | null };
    result: JobRun[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Logins, good and refused, the newest first: who was claimed, from where, how, and the outcome. Alike ones are one row with their count. refused: only those, or only the others. before: the last login_id of the page before. */
  "admin.login.get_list": {
    params: { login?: string | null; user_id?: number | string | null; remote?: string | null; refused?: boolean | null; limit?: number; before?: number | null; cluster?: number | string | null };
    result: LoginEntry[] | { items: (LoginEntry & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What was measured of anybody's VM, as ``user.monia.vm_stats``. */
  "admin.monia.vm_stats": {
    params: { vm_id: number | string; stat_name: number | number[]; time: number; stat_range: number; resolution: number; cluster?: number | string | null };
    result: ((string | number | (string | number)[] | null)[])[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a network: a /20 to a /30 whose addresses, but the gateway's, guests may get. */
  "admin.network.add": {
    params: { name: string; network?: string; gateway?: string | null; bridge?: string | null; dns?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Network;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "network_overlaps" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a network on a bridge that nodes have, or on a VLAN of an interface of theirs. VMs on it are placed on nodes that have it, as their agents tell (``uplinks`` of a node's report). */
  "admin.network.add_bridge": {
    params: { name: string; uplink: string; vlan?: number | null; network?: string | null; user_id?: number | string | null; description?: string; dns?: string; mtu?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Network;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "network_overlaps" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a network of which no lease is used. */
  "admin.network.delete": {
    params: { pool_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Whether the first packet of a flow would pass between a VM and another, or an address outside, and what decides. */
  "admin.network.explain": {
    params: { vm_id: number | string; to_vm_id?: number | string | null; address?: string | null; protocol?: string; port?: number | null; incoming?: boolean; nic?: number; to_nic?: number; cluster?: number | string | null };
    result: Passage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One network. */
  "admin.network.get_by_id": {
    params: { pool_id: number | string; cluster?: number | string | null };
    result: Network;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All networks, with how many of their leases are used. */
  "admin.network.get_list": {
    params: { cluster?: number | string | null };
    result: Network[] | { items: (Network & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A network's leases by id, with the VMs that have them. */
  "admin.network.list_leases": {
    params: { pool_id: number | string; used_only?: boolean; limit?: number; after?: number | null; cluster?: number | string | null };
    result: NetworkLease[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give no more leases of a network; those it gave stay. */
  "admin.network.lock": {
    params: { pool_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Network;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give leases of a network again. */
  "admin.network.unlock": {
    params: { pool_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Network;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change what nodes let a network card do, without a restart; what is left out stays. */
  "admin.nic.edit": {
    params: { vm_id: number | string; nic: number; spoofing?: boolean | null; kbit_in?: number | null; kbit_out?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Nic;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "bandwidth_not_held" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A VM's network cards by number, with their networks, addresses and security groups. */
  "admin.nic.get_list": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: Nic[] | { items: (Nic & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a node that answers at a libvirt URI. */
  "admin.node.add": {
    params: { name: string; uri: string; address: string; cpu_total?: number | null; memory_mib_total?: number | null; cpu_overcommit?: number | null; memory_overcommit?: number | null; priority?: number; comment?: string; traits?: string[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Node;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "not_supported" | "object_told_twice" | "same_host" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Look at a node now: its facts and the figures of its storages. */
  "admin.node.check": {
    params: { node_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: CheckedNode;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "same_host" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Define a domain on a node, and start nothing; or define a foreign one anew, which it follows from its next start. */
  "admin.node.define_domain_xml": {
    params: { node_id: number | string; xml_desc: string; host_access?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DomainReference;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "in_use" | "is_ours" | "not_supported" | "object_told_twice" | "reaches_host" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a node on which no VM is placed out of the cluster; nothing is changed on the machine itself. */
  "admin.node.delete": {
    params: { node_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a node on which no VM is placed be asked nothing any more, until it is unlocked. */
  "admin.node.disable": {
    params: { node_id: number | string; reason?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Node;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a node; what is not given stays. Its URI changes only while no VM is placed there. */
  "admin.node.edit": {
    params: { node_id: number | string; name?: string | null; uri?: string | null; address?: string | null; cpu_total?: number | null; memory_mib_total?: number | null; cpu_overcommit?: number | null; memory_overcommit?: number | null; priority?: number | null; comment?: string | null; tunnel_address?: string | null; migration_uri?: string | null; traits?: string[] | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Node;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A token that enrols the node's agent, once. It is not told again. */
  "admin.node.enrol": {
    params: { node_id: number | string; ttl_s?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Enrolment;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Lock a node and move its VMs to others: while they run, where that can be; else their power is cut, and they are started there. */
  "admin.node.evacuate": {
    params: { node_id: number | string; live?: boolean; reason?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Evacuation;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Say that the machine of a node that does not answer is off, and have its VMs run elsewhere. **Be sure of it**: power it off first. A VM that runs twice on one disk destroys it, and nothing can find out from here. */
  "admin.node.fence": {
    params: { node_id: number | string; reason?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: FencedNode;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "node_answers" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One node, as libvirt on it said in the last seconds. */
  "admin.node.get": {
    params: { node_id: number | string; cluster?: number | string | null };
    result: ManagedNode;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One node. */
  "admin.node.get_by_id": {
    params: { node_id: number | string; cluster?: number | string | null };
    result: Node;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The memory of a node that nobody uses at all, in KB; what caches have is not in it. */
  "admin.node.get_free_memory": {
    params: { node_id: number | string; cluster?: number | string | null };
    result: FreeMemory;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All nodes, with what is used of them and their storages. */
  "admin.node.get_list": {
    params: { cluster?: number | string | null };
    result: Node[] | { items: (Node & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Place nothing more on a node; its VMs go on. */
  "admin.node.lock": {
    params: { node_id: number | string; reason?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Node;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Nodes with these properties, as libvirt on them said in the last seconds. */
  "admin.node.lookup": {
    params: { type?: string | null; hostname?: string | null; version?: string | null; uri?: string | null; libvirt_version?: string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: ManagedNode[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Empty a node, as ``evacuate`` does, for work on its machine: once no VM is placed there, it may be away, restart and be upgraded, and its health does not suffer. ``unlock`` ends that. */
  "admin.node.maintain": {
    params: { node_id: number | string; live?: boolean; reason?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Evacuation;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What nodes used over a time, as series: CPU of all of theirs, memory, VMs, and the load averages that their agents report. The parameters are those of ``user.vm.statistics``. */
  "admin.node.statistics": {
    params: { node_ids: (number | string)[]; metrics?: NodeMetric[] | null; resolution_s?: number | null; since?: number | null; until?: number | null; cluster?: number | string | null };
    result: MeasuredNode[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a pool on a node that is active and goes when it is stopped, or with the host. */
  "admin.node.storage_pool_create_xml": {
    params: { node_id: number | string; xml_desc: string; host_access?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PoolReference;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "in_use" | "is_ours" | "not_supported" | "object_told_twice" | "reaches_host" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Define a pool on a node, which stays until it is undefined, and is not active yet. */
  "admin.node.storage_pool_define_xml": {
    params: { node_id: number | string; xml_desc: string; host_access?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PoolReference;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "in_use" | "is_ours" | "not_supported" | "object_told_twice" | "reaches_host" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Place VMs on a node again, whatever it was locked for. Where its hooks were silent, launches from now on tell whether they were mended. */
  "admin.node.unlock": {
    params: { node_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Node;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What these uuids are; those that nothing has are left out. */
  "admin.object.find": {
    params: { uuids: string[]; cluster?: number | string | null };
    result: FoundObject[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** As ``user.object.get_all``, of everybody's, with hosts and PBDs. */
  "admin.object.get_all": {
    params: { filter?: string; limit?: number | null; cluster?: number | string | null };
    result: GraphObject[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give up an operation that is under way; a creation or an import is undone. */
  "admin.operation.abandon": {
    params: { operation_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: OperationNumber;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "operation_not_abandonable" | "operation_wrong_state" | "vm_busy" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One operation. */
  "admin.operation.get": {
    params: { operation_id: number | string; cluster?: number | string | null };
    result: AdminOperation;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Operations, newest first. */
  "admin.operation.get_list": {
    params: { user_id?: number | string | null; vm_id?: number | string | null; only_open?: boolean; limit?: number; before?: number | null; parent_id?: number | string | null; cluster?: number | string | null };
    result: AdminOperation[] | { items: (AdminOperation & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Try a failed operation again. */
  "admin.operation.retry": {
    params: { operation_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: OperationNumber;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_wrong_state" | "storage_draining" | "storage_locked" | "storage_not_on_node" | "storages_apart" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "upload_gone" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Wait until an operation has ended, whoever's it is, for at most ``timeout`` seconds; answers as ``get`` either way. */
  "admin.operation.wait": {
    params: { operation_id: number | string; timeout?: number; cluster?: number | string | null };
    result: AdminOperation;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Each node's verdict, the best first, with its score and what would make the VM fit there. */
  "admin.placement.explain": {
    params: { vm_id?: number | string | null; template_id?: number | string | null; image_id?: number | string | null; cluster?: number | string | null };
    result: Placement;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a pool of addresses, of which users get networks of their own, over all nodes that have VMs on them. Nodes need an agent that makes links, and an address that others' tunnels reach. Once there is such a pool, VMs that name no network are on one of their user's. */
  "admin.pool.add": {
    params: { name: string; network?: string; network6?: string | null; overlap?: boolean; prefix_default?: number | null; prefix_min?: number | null; prefix_max?: number; description?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AddressPool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "network_overlaps" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Start a storage pool that is not active. A storage of ours is refused, with the name of its call, here and below. */
  "admin.pool.create": {
    params: { pool: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a volume in a storage pool. A raw one without ``<allocation>`` is written in full, which takes its time. */
  "admin.pool.create_volume_xml": {
    params: { pool: string; xml_desc: string; host_access?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VolumeReference;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "in_use" | "is_ours" | "not_supported" | "object_told_twice" | "reaches_host" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a pool of addresses without networks. Or, by ``pool``, stop a storage pool and forget its definition; what lies on it stays. */
  "admin.pool.delete": {
    params: { pool_id?: number | string | null; pool?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "in_use" | "is_ours" | "not_supported" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Stop a storage pool. Its definition stays, if it has one, and so does what lies on it. */
  "admin.pool.destroy": {
    params: { pool: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "is_ours" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a pool; what is left out stays, and networks that were cut from it stay as they are. Of one that is a network by itself only the description can be changed. */
  "admin.pool.edit": {
    params: { pool_id: number | string; name?: string | null; description?: string | null; network?: string | null; network6?: string | null; overlap?: boolean | null; prefix_default?: number | null; prefix_min?: number | null; prefix_max?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AddressPool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "name_taken" | "network_overlaps" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One storage pool, as it was seen in the last seconds. */
  "admin.pool.get": {
    params: { pool: string; cluster?: number | string | null };
    result: ManagedPool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One pool. */
  "admin.pool.get_by_id": {
    params: { pool_id: number | string; cluster?: number | string | null };
    result: AddressPool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All pools, with how many networks were cut from each; those that are one network, too. */
  "admin.pool.get_list": {
    params: { cluster?: number | string | null };
    result: AddressPool[] | { items: (AddressPool & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Cut no more networks from a pool; those that were cut stay. */
  "admin.pool.lock": {
    params: { pool_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AddressPool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Storage pools of all nodes with these properties, ours too, as they were seen in the last seconds. */
  "admin.pool.lookup": {
    params: { node_id?: number | string | null; uuid?: string | null; name?: string | null; state?: string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: ManagedPool[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Likewise by its key, of this pool alone. */
  "admin.pool.lookup_volume_by_key": {
    params: { pool: string; volume_key: string; cluster?: number | string | null };
    result: VolumeReference;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The volume of a storage pool that has this name, as far as libvirt knows it: a refresh finds newer ones. */
  "admin.pool.lookup_volume_by_name": {
    params: { pool: string; volume_name: string; cluster?: number | string | null };
    result: VolumeReference;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Likewise by its path, of this pool alone. */
  "admin.pool.lookup_volume_by_path": {
    params: { pool: string; volume_path: string; cluster?: number | string | null };
    result: VolumeReference;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Cut networks from a pool again. */
  "admin.pool.unlock": {
    params: { pool_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AddressPool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A storage pool's definition as libvirt has it now. */
  "admin.pool.xml_desc": {
    params: { pool: string; cluster?: number | string | null };
    result: Description;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add addresses that the outside world sends to the nodes' links; those that are there already stay as they are. */
  "admin.public_address.add": {
    params: { addresses: string[]; shared?: boolean; uplink?: string; description?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PublicAddress[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "network_overlaps" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete an address that is nobody's, and of which no port is given away. */
  "admin.public_address.delete": {
    params: { public_address_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One address. */
  "admin.public_address.get_by_id": {
    params: { public_address_id: number | string; cluster?: number | string | null };
    result: PublicAddress;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All addresses by id, or an account's. */
  "admin.public_address.get_list": {
    params: { user_id?: number | string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: PublicAddress[] | { items: (PublicAddress & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take an address that no VM has from its owner. */
  "admin.public_address.release": {
    params: { public_address_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have nobody be reached by an address any more; it stays its owner's. */
  "admin.public_address.unassign": {
    params: { public_address_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PublicAddress;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add an address, and those that follow it; those that are there already stay as they are. */
  "admin.public_ip.add": {
    params: { start_address: string; count?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "network_overlaps" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete addresses that are nobody's. */
  "admin.public_ip.delete": {
    params: { public_ip_id_list: number[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All addresses, free ones, too. */
  "admin.public_ip.get_list": {
    params: { cluster?: number | string | null };
    result: PublicIP[] | { items: (PublicIP & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take addresses from their owners, and from the VMs that have them. */
  "admin.public_ip.release": {
    params: { public_ip_id_list: number[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a VM's own address be reached from outside no more; the public address stays its owner's. */
  "admin.public_ip.unassign": {
    params: { lease_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a resource pool. What it has no limit of is limited by the pools that it is in. */
  "admin.resource_pool.add": {
    params: { name: string; description?: string; parent_pool_id?: number | string | null; hardware_pool?: string | null; cpu?: number | null; memory_mib?: number | null; storage_mib?: number | null; vms?: number | null; nics?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ResourcePool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "resource_pool_too_small" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a resource pool that neither VMs nor pools are in, and who had privileges on it. */
  "admin.resource_pool.delete": {
    params: { resource_pool_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a resource pool; what is not given stays. No limit becomes less than what is used and given to pools within. */
  "admin.resource_pool.edit": {
    params: { resource_pool_id: number | string; name?: string | null; description?: string | null; cpu?: number | null; memory_mib?: number | null; storage_mib?: number | null; vms?: number | null; nics?: number | null; inherit?: PoolResource[] | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ResourcePool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "resource_pool_too_small" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One resource pool. */
  "admin.resource_pool.get_by_id": {
    params: { resource_pool_id: number | string; cluster?: number | string | null };
    result: ResourcePool;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Who has which privilege on a resource pool; what they have on pools that it is in is not told. */
  "admin.resource_pool.get_grants": {
    params: { resource_pool_id: number | string; cluster?: number | string | null };
    result: PoolGrant[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All resource pools, by name, with their limits and what is used. */
  "admin.resource_pool.get_list": {
    params: { cluster?: number | string | null };
    result: ResourcePool[] | { items: (ResourcePool & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an account or a group a privilege on a resource pool and those within. */
  "admin.resource_pool.grant": {
    params: { resource_pool_id: number | string; privilege: Privilege; login?: string | null; group_id?: number | null; issuer?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a privilege back; VMs that were made stay. */
  "admin.resource_pool.revoke": {
    params: { resource_pool_id: number | string; privilege: Privilege; login?: string | null; group_id?: number | null; issuer?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One group. */
  "admin.security_group.get_by_id": {
    params: { security_group_id: number | string; cluster?: number | string | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All groups with their rules, or an account's, by account and name. */
  "admin.security_group.get_list": {
    params: { user_id?: number | string | null; cluster?: number | string | null };
    result: SecurityGroup[] | { items: (SecurityGroup & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a storage; attach it to nodes next. */
  "admin.storage.add": {
    params: { name: string; kind: StorageKind; path?: string; address?: string; source?: string; capacity_bytes?: number | null; overcommit?: number | null; devices?: string[]; nfs_version?: string; mount_options?: string[]; reserve_bytes?: number; priority?: number; offered?: boolean; node_id?: number | string | null; hardware_pool?: string; keep_freed?: boolean; freed?: FreedPolicy; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a disk or an image of a user out of a volume that lies on a storage and is on no record. */
  "admin.storage.adopt_volume": {
    params: { storage_id: number | string; volume: string; user_id: number | string; name: string; description?: string; kind?: ImageKind; format?: DiskFormat | null; force?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "image_refused" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "drift_not_applicable" | "in_use" | "not_supported" | "object_told_twice" | "storage_of_node" | "request_id_reused" | "object_not_found" | "volume_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Attach a storage to a node; the operation tells how that is coming on. */
  "admin.storage.attach": {
    params: { storage_id: number | string; node_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: StorageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a VM one more disk: a free volume of the right size is used again, else one is made in the first storage of the VM's hardware pool that has room for it. A running VM gets it at once, a stopped one with its next start; it goes with the VM. Where it cannot be given to one that runs, nothing is left of it. */
  "admin.storage.attach_or_create": {
    params: { vm_id: number | string; size_bytes: number; number?: number | null; size_match?: Match; format?: DiskFormat | null; storage_ids?: (number | string)[] | null; keep_data?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ProvidedDisk;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Look through a storage now, through a node that has it attached: leftovers of what has ended are deleted, and what is missing or cannot be accounted for is told, and written to the drift ledger. */
  "admin.storage.check": {
    params: { storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: StorageCheck;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Forget a storage that is empty and attached nowhere. */
  "admin.storage.delete": {
    params: { storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a free volume; its storage has the room back as soon as a node has done so. */
  "admin.storage.delete_free_volume": {
    params: { volume_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: FreeVolume;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Detach a storage from a node on which no VM uses it; its files stay. */
  "admin.storage.detach": {
    params: { storage_id: number | string; node_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: StorageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put no new volumes on a storage; what lies on it stays, and is listed by ``get_content``. */
  "admin.storage.drain": {
    params: { storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a storage; what is not given stays. */
  "admin.storage.edit": {
    params: { storage_id: number | string; name?: string | null; capacity_bytes?: number | null; overcommit?: number | null; reserve_bytes?: number | null; priority?: number | null; offered?: boolean | null; hardware_pool?: string | null; keep_freed?: boolean | null; freed?: FreedPolicy | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One storage. */
  "admin.storage.get_by_id": {
    params: { storage_id: number | string; cluster?: number | string | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What lies on a storage: whose it is and what it stands on, oldest first. */
  "admin.storage.get_content": {
    params: { storage_id: number | string; limit?: number; after?: number | null; cluster?: number | string | null };
    result: StoredVolume[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Volumes that are free to be used again, newest first. */
  "admin.storage.get_free_volumes": {
    params: { storage_id?: number | string | null; limit?: number; before?: number | null; cluster?: number | string | null };
    result: FreeVolume[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All storages, with the nodes they are attached to. */
  "admin.storage.get_list": {
    params: { cluster?: number | string | null };
    result: Storage[] | { items: (Storage & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What takes the room of storages, by what it serves: images, disks, the trash, what is on no record. */
  "admin.storage.get_statistics": {
    params: { storage_id?: number | string | null; cluster?: number | string | null };
    result: StorageStatistics[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What lies on a storage and is on no record, as what others put there, and whether it can be adopted. */
  "admin.storage.get_unknown_volumes": {
    params: { storage_id: number | string; cluster?: number | string | null };
    result: UnknownVolume[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "storage_unreached" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What is on storages, what is promised of them and what is left: of one, or of all. */
  "admin.storage.get_usage": {
    params: { storage_id?: number | string | null; cluster?: number | string | null };
    result: StorageUsage[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Use nothing more of a storage; VMs that use it go on. */
  "admin.storage.lock": {
    params: { storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have what lies on a storage be looked at now, as each pass over it does: what is missing, strange or full. */
  "admin.storage.scan": {
    params: { storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have new volumes go to a storage first, in place of the one of before; or to none before others. */
  "admin.storage.set_default": {
    params: { storage_id: number | string; is_default?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** How full storages were over a time, as their passes found them every ten minutes. The parameters are those of ``user.vm.statistics``. */
  "admin.storage.statistics": {
    params: { storage_ids: (number | string)[]; metrics?: StorageMetric[] | null; resolution_s?: number | null; since?: number | null; until?: number | null; cluster?: number | string | null };
    result: MeasuredStorage[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put new volumes on a storage again. */
  "admin.storage.undrain": {
    params: { storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Use a storage again. */
  "admin.storage.unlock": {
    params: { storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Storage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Copy an image of any kind for a user: a new one, theirs and private, which their quota counts from now on. Of a disk (a storage image) the VM is stopped, and stays so meanwhile. */
  "admin.system_image.copy": {
    params: { image_id: number | string; user_id: number | string; name?: string | null; description?: string | null; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskCopyWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete an image that no VM needs; the operation tells when its volume is gone. */
  "admin.system_image.delete": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change an image's description, devices and facts; what is not given stays. */
  "admin.system_image.edit": {
    params: { image_id: number | string; name?: string | null; description?: string | null; disk_controller?: DiskBus | null; video_device?: VideoModel | null; network_device?: NicModel | null; platform?: string | null; system?: string | null; architecture?: Architecture | null; least_memory_mib?: number | null; least_disk_bytes?: number | null; default_user?: string | null; agent?: boolean | null; family?: string | null; family_version?: string | null; imds_tokens?: MetadataTokens | null; imds_hop_limit?: number | null; imds_enabled?: boolean | null; metadata?: MetadataSource | null; firmware?: Firmware | null; machine?: MachineType | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Remove copies of an image from nodes' own storages, where no disk is made from them. */
  "admin.system_image.evict": {
    params: { image_id: number | string; node_ids?: (number | string)[] | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: CachedImageWork[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One image. */
  "admin.system_image.get_by_id": {
    params: { image_id: number | string; cluster?: number | string | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Which images nodes have on storages of their own: all, or those of one image or node. */
  "admin.system_image.get_cached": {
    params: { image_id?: number | string | null; node_id?: number | string | null; cluster?: number | string | null };
    result: CachedImage[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The catalogue of well-known images, with which of them are here; the operator may add to it. */
  "admin.system_image.get_known": {
    params: { cluster?: number | string | null };
    result: KnownImage[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Everybody's images, newest first. */
  "admin.system_image.get_list": {
    params: { kind?: ImageKind | null; access?: ImageFilter | null; user_id?: number | string | null; storage_id?: number | string | null; limit?: number; before?: number | null; failed?: boolean; cluster?: number | string | null };
    result: Image[] | { items: (Image & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import an image from a file of the cluster manager's machine. */
  "admin.system_image.import_file": {
    params: { name: string; description: string; path: string; storage_id: number | string; kind?: ImageKind; format?: SourceFormat | null; access?: ImageAccess; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; system?: string | null; architecture?: Architecture | null; least_memory_mib?: number | null; least_disk_bytes?: number | null; default_user?: string | null; agent?: boolean | null; family?: string | null; family_version?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import a well-known image, with its checksum looked up, as today's version of its family. */
  "admin.system_image.import_known": {
    params: { known: string; storage_id: number | string; name?: string | null; access?: ImageAccess; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "address_refused" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import an image from a URL: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip, bzip2, xz, zstd or in a zip archive. */
  "admin.system_image.import_url": {
    params: { name: string; description: string; url: string; storage_id: number | string; kind?: ImageKind; format?: SourceFormat | null; access?: ImageAccess; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; sha256?: string | null; sha512?: string | null; sums?: string | null; system?: string | null; architecture?: Architecture | null; least_memory_mib?: number | null; least_disk_bytes?: number | null; default_user?: string | null; agent?: boolean | null; family?: string | null; family_version?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "address_refused" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Bring an image to nodes' own storages before a VM there needs it. */
  "admin.system_image.prefetch": {
    params: { image_id: number | string; node_ids?: (number | string)[] | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: CachedImageWork[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "no_own_storage" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let everybody use an image, or those alone whom it is shared with (``admin.acl``). */
  "admin.system_image.set_access": {
    params: { image_id: number | string; access: ImageAccess; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Upload an image: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip, bzip2, xz, zstd or in a zip archive. */
  "admin.system_image.upload": {
    params: { name: string; description: string; size_bytes: number; storage_id: number | string; kind?: ImageKind; format?: SourceFormat | null; access?: ImageAccess; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; sha256?: string | null; filename?: string; system?: string | null; architecture?: Architecture | null; least_memory_mib?: number | null; least_disk_bytes?: number | null; default_user?: string | null; agent?: boolean | null; family?: string | null; family_version?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Upload;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_staging_room" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a template. */
  "admin.template.add": {
    params: { name: string; description?: string; cpu?: number; memory_mib?: number; points?: number; ec2name?: string; disk_mib?: number; local_disk?: boolean; traits?: string[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Template;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a template; VMs made from it go on. */
  "admin.template.delete": {
    params: { template_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a template; what is not given stays. VMs made from it stay as they are. */
  "admin.template.edit": {
    params: { template_id: number | string; name?: string | null; description?: string | null; cpu?: number | null; memory_mib?: number | null; points?: number | null; ec2name?: string | null; disk_mib?: number | null; local_disk?: boolean | null; traits?: string[] | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Template;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One template. */
  "admin.template.get_by_id": {
    params: { template_id: number | string; cluster?: number | string | null };
    result: Template;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All templates, the smallest first. */
  "admin.template.get_list": {
    params: { cluster?: number | string | null };
    result: Template[] | { items: (Template & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have templates of these names be of these sizes, as oVirt's VmSize.yml says them: those that are there are changed, the others added; all, or none. */
  "admin.template.load": {
    params: { sizes: Record<string, Record<string, number | string>>; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Template[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Offer an object to another account in its owner's name. */
  "admin.transfer.create": {
    params: { kind: TransferKind; object_id: number | string; login?: string | null; account_number?: string | null; issuer?: string | null; text?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: OfferedTransfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_transferable" | "object_told_twice" | "transfer_offered" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "owners_alone" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Offers, newest first. */
  "admin.transfer.get_list": {
    params: { user_id?: number | string | null; answered?: boolean; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Transfer[] | { items: (Transfer & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take back an offer that nobody has answered; whoever it was made to is told. */
  "admin.transfer.withdraw": {
    params: { transfer_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Transfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "transfer_closed" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Add a local account. Quotas that are not given are the cluster's defaults; without a password nobody logs in. */
  "admin.user.add": {
    params: { login: string; password?: string | null; name?: string; is_admin?: boolean; quota_cpu?: number | null; quota_memory_mib?: number | null; quota_storage_mib?: number | null; quota_vms?: number | null; quota_networks?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Account;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** An account's quotas, what is used of them and what is left. */
  "admin.user.check_quota": {
    params: { user_id: number | string; cluster?: number | string | null };
    result: QuotaUse;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete an account that has neither VMs nor images; its networks go with it, if no VM of others is on them. */
  "admin.user.delete": {
    params: { user_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "last_admin" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change an account; what is not given stays. Blocking it (``active`` false) ends its sessions at once. */
  "admin.user.edit": {
    params: { user_id: number | string; name?: string | null; is_admin?: boolean | null; active?: boolean | null; quota_cpu?: number | null; quota_memory_mib?: number | null; quota_storage_mib?: number | null; quota_vms?: number | null; quota_networks?: number | null; quota_public_addresses?: number | null; quota_public_ports?: number | null; quota_points?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Account;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_not_local" | "cluster_incompatible" | "cluster_locked" | "last_admin" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One account, with quotas and usage. */
  "admin.user.get_by_id": {
    params: { user_id: number | string; cluster?: number | string | null };
    result: Account;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Accounts by id, with quotas and usage. */
  "admin.user.get_list": {
    params: { limit?: number; after?: number | null; cluster?: number | string | null };
    result: Account[] | { items: (Account & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What of an account's takes room on storages, by what it serves. */
  "admin.user.get_statistics": {
    params: { user_id: number | string; cluster?: number | string | null };
    result: AccountStatistics;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What an account's VMs cost in a month, by default the present one, and how it came to that. */
  "admin.user.points_history": {
    params: { user_id: number | string; month?: string; cluster?: number | string | null };
    result: PointsHistory;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What each account's VMs cost in a month, by default the present one: those that cost anything, by id. */
  "admin.user.points_report": {
    params: { month?: string; after?: number | null; limit?: number; cluster?: number | string | null };
    result: PointsOfAccount[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a local account a new password; its sessions end. */
  "admin.user.set_password": {
    params: { user_id: number | string; new_password: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_not_local" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a VM stay on its node that is on its way to another while it runs. Its operation ends as failed once both nodes have told that it stays; a guest that is there already goes on there. */
  "admin.vm.abort_migration": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: OperationNumber;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a domain into the records that Wawel made and the database does not know, or knows elsewhere: after an older dump was restored. It goes on as it is, as a VM of a user. */
  "admin.vm.adopt": {
    params: { node_id: number | string; uuid: string; user_id: number | string; name?: string | null; image_id?: number | string | null; template_id?: number | string | null; force?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "vm_runs_elsewhere" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "quota_reached" | "cannot_adopt" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "vm_busy" | "request_id_reused" | "domain_not_found" | "object_not_found" | "volume_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Destroy VMs: cut their power and delete their disks. */
  "admin.vm.destroy": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Close a VM without asking its node, which will not answer any more. */
  "admin.vm.erase": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ErasedVM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Everything about one VM, also a destroyed one. */
  "admin.vm.get_by_id": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: VMDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** VMs, newest first; destroyed ones only if ``closed``. */
  "admin.vm.get_list": {
    params: { user_id?: number | string | null; node_id?: number | string | null; limit?: number; before?: number | null; closed?: boolean; cluster?: number | string | null };
    result: VM[] | { items: (VM & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** How busy anybody's VMs were over the last 1, 5 and 15 minutes, as means of their CPU: 100 is one CPU. */
  "admin.vm.get_load": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null };
    result: VMLoad[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What an administrator has put into the definition of a VM's domain. */
  "admin.vm.get_raw_data": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: RawData;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Move a running VM to another node while its guest goes on; its disks have to be on storages that both nodes have. */
  "admin.vm.migrate": {
    params: { vm_id: number | string; node_id?: number | string | null; live?: boolean; limit_mib_s?: number | null; post_copy?: boolean | null; timeout_s?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: MovingVM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "cannot_migrate" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take VMs out of the trash again, as ``user.vm.recover``. */
  "admin.vm.recover": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a VM another size, as ``user.vm.resize``; its account's quota counts it. */
  "admin.vm.resize": {
    params: { vm_id: number | string; template_id: number | string; max_cpu?: number | null; max_memory_mib?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "not_prepared" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put something into the definition of a VM's domain beside what is written by itself, from its next start on. Its owner is told that there is something (``raw_data`` of ``user.vm.get_by_id``). */
  "admin.vm.set_raw_data": {
    params: { vm_id: number | string; xml: string; host_access?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "reaches_host" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Say what a node must have that a VM starts on, or moves to, in place of what its size asked for; where it runs now it runs on. */
  "admin.vm.set_traits": {
    params: { vm_id: number | string; traits: string[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Start a stopped VM, on any node that reaches its disks. */
  "admin.vm.start": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What anybody's VMs used over a time, as ``user.vm.statistics``. */
  "admin.vm.statistics": {
    params: { vm_ids: (number | string)[]; metrics?: VMMetric[] | null; resolution_s?: number | null; since?: number | null; until?: number | null; devices?: boolean; cluster?: number | string | null };
    result: MeasuredVM[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Cut a VM's power; its disk, address and quota stay. */
  "admin.vm.stop": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Suspend a running VM, as ``user.vm.suspend``; its account pays for the room. */
  "admin.vm.suspend": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put VMs into the trash, as ``user.vm.trash``. */
  "admin.vm.trash": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a suspended VM go on, on any node that it can go on on. */
  "admin.vm.wake_up": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All VM templates, by name. */
  "admin.vm_template.get_list": {
    params: { cluster?: number | string | null };
    result: ListedVMTemplate[] | { items: (ListedVMTemplate & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One volume, as it was seen in the last seconds; of a storage of ours, as libvirt says now. */
  "admin.volume.get": {
    params: { volume: string; cluster?: number | string | null };
    result: ManagedVolume;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Volumes with these properties of all nodes' pools that are none of our storages, as they were seen in the last seconds. */
  "admin.volume.lookup": {
    params: { node_id?: number | string | null; pool_uuid?: string | null; key?: string | null; path?: string | null; name?: string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: ManagedVolume[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A volume's definition as libvirt has it now. */
  "admin.volume.xml_desc": {
    params: { volume: string; cluster?: number | string | null };
    result: Description;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "libvirt_error" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Changing calls that were accepted, the newest first. before: the last audit_id of the page before. */
  "cloud.audit.get_list": {
    params: { user_id?: number | null; method?: string | null; limit?: number; before?: number | null };
    result: AuditEntry[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Add a cluster. It is asked for its name, which must be this one, and its version; then it has to believe a call of this cloud's. Only when all that has gone well is anything written. */
  "cloud.cluster.add": {
    params: { name: string; url: string; login?: string | null; password?: string | null; ca?: string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Cluster;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_not_added" | "name_taken" | "not_supported" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Look at a cluster now: whether it answers, in which version, and whether it believes this cloud. */
  "cloud.cluster.check": {
    params: { cluster_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Cluster;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Take a cluster out of the cloud; it goes on running with all that is on it. Users whose default it was get another. */
  "cloud.cluster.delete": {
    params: { cluster_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Change what is not null. With another address, name or authority the cluster has to prove itself again. */
  "cloud.cluster.edit": {
    params: { cluster_id: number; name?: string | null; url?: string | null; ca?: string | null; login?: string | null; password?: string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Cluster;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_not_added" | "name_taken" | "not_supported" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** One cluster. */
  "cloud.cluster.get_by_id": {
    params: { cluster_id: number };
    result: Cluster;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The clusters, by name, with their health; ``accounts_due``: users it has still to be told of. */
  "cloud.cluster.get_list": {
    params: {};
    result: Cluster[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Pass no calls on to a cluster, whoever makes them. */
  "cloud.cluster.lock": {
    params: { cluster_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Cluster;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "name_taken" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Pass calls on again; the cluster is told of all users anew. */
  "cloud.cluster.unlock": {
    params: { cluster_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Cluster;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "name_taken" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete a group. What is shared with it is shared with nobody then. */
  "cloud.group.delete": {
    params: { group_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "version_changed" | "request_id_reused" | "object_not_found" | "group_not_leader" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** All groups, by name. */
  "cloud.group.get_list": {
    params: {};
    result: Group[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Logins, good and refused, the newest first: who was claimed, from where, how, and the outcome. Alike ones are one row with their count. refused: only those, or only the others. before: the last login_id of the page before. */
  "cloud.login.get_list": {
    params: { login?: string | null; user_id?: number | null; remote?: string | null; refused?: boolean | null; limit?: number; before?: number | null };
    result: LoginEntry[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Mails of the last month, the newest first, without what they say. before: the last mail_id of the page before. */
  "cloud.mail.get_list": {
    params: { state?: "due" | "failed" | "sent" | null; limit?: number; before?: number | null };
    result: Mail[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Try a mail again at once. */
  "cloud.mail.retry": {
    params: { mail_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "mail_sent" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Tell everybody something. What is sticky stays above the rest. */
  "cloud.news.add": {
    params: { topic: string; content?: string; sticky?: boolean; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: News;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete news. */
  "cloud.news.delete": {
    params: { news_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Change news; what is not given stays. */
  "cloud.news.edit": {
    params: { news_id: number; topic?: string | null; content?: string | null; sticky?: boolean | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: News;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** One of the news. */
  "cloud.news.get_by_id": {
    params: { news_id: number };
    result: News;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** What there is to be permitted, the views it opens, and whether users have it who were given no set of theirs. */
  "cloud.permission.get_list": {
    params: {};
    result: PermissionInfo[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Set quotas of one or many users at a cluster; it is told in the next moment. */
  "cloud.quota.edit": {
    params: { cluster: number | string; user_ids: number[]; cpu?: number | null; memory_mib?: number | null; storage_mib?: number | null; vms?: number | null; networks?: number | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: WantedQuota[];
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** A user's quotas at a cluster, as the cloud wants them: null is left to the cluster. ``synced`` tells whether the cluster has been told. */
  "cloud.quota.get": {
    params: { cluster: number | string; user_id: number };
    result: WantedQuota;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Let in somebody who has registered; they are mailed. */
  "cloud.user.activate": {
    params: { user_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: User;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "user_wrong_state" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Add a user, who is active at once. Without a password nobody logs in until one is set. */
  "cloud.user.add": {
    params: { login: string; email?: string; password?: string | null; first_name?: string; last_name?: string; organization?: string; is_cloud_admin?: boolean; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: User;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "name_taken" | "not_supported" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Keep somebody out at once, everywhere, or let them in again; they are mailed. */
  "cloud.user.block": {
    params: { user_id: number; block: boolean; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: User;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "last_cloud_admin" | "user_wrong_state" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete somebody who leads no groups and has nothing on any cluster; login and address are free again. */
  "cloud.user.delete": {
    params: { user_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "in_use" | "last_cloud_admin" | "not_supported" | "user_wrong_state" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Change a user; what is not given stays. */
  "cloud.user.edit": {
    params: { user_id: number; first_name?: string | null; last_name?: string | null; organization?: string | null; email?: string | null; login?: string | null; default_cluster_id?: number | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: User;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "name_taken" | "version_changed" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** End all of somebody's sessions; their API keys stay. */
  "cloud.user.end_sessions": {
    params: { user_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: EndedSessions;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** One user. */
  "cloud.user.get_by_id": {
    params: { user_id: number };
    result: User;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Users by id. search: a part of login, address or name. after: the last user_id of the page before. */
  "cloud.user.get_list": {
    params: { state?: "active" | "blocked" | "confirmed" | "registered" | null; search?: string | null; limit?: number; after?: number | null };
    result: User[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Turn somebody's second factor off, who has lost it. */
  "cloud.user.reset_totp": {
    params: { user_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Make somebody an administrator of the cloud, or no more; their sessions end. */
  "cloud.user.set_admin": {
    params: { user_id: number; admin: boolean; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: User;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "last_cloud_admin" | "version_changed" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Give somebody a new password; their sessions end. */
  "cloud.user.set_password": {
    params: { user_id: number; new_password: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "version_changed" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Say what somebody may do; null: what the settings let everybody do. See cloud.permission.get_list. */
  "cloud.user.set_permissions": {
    params: { user_id: number; permissions: string[] | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: User;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "version_changed" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The cloud's name, its version and clock, whether one may register, and whom to ask. */
  "guest.cloud.get_info": {
    params: {};
    result: CloudInfo;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** The clusters, by name; ``state`` is ok, unreachable, refused, incompatible, locked or unknown. */
  "guest.cluster.list_names": {
    params: {};
    result: NamedCluster[];
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** What will become of the VM that a mailed link is for, unless it is renewed. */
  "guest.expiry.get": {
    params: { token: string };
    result: RenewableVM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "expiry_not_yours" | "renewal_refused" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Have both intervals of the VM begin anew that a mailed link is for. A repeat gets the first answer. */
  "guest.expiry.renew": {
    params: { token: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: RenewableVM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "rate_limited" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "request_id_reused" | "expiry_not_yours" | "renewal_refused" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** News, the sticky ones first and then the newest. before: news_id of the last one of the page before. */
  "guest.news.get_list": {
    params: { limit?: number; before?: number | null };
    result: News[];
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Begin a login: send the person to url; they come back to redirect_uri with a code and the state. */
  "guest.oidc.begin": {
    params: { provider: string; redirect_uri: string };
    result: BegunLogin;
    errors: "incident" | "invalid_parameter" | "too_large" | "oidc_unavailable" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** A token in exchange for what the person came back with, as guest.session.login gives it. */
  "guest.oidc.finish": {
    params: { state: string; code: string };
    result: LoggedIn;
    errors: "incident" | "invalid_parameter" | "too_large" | "oidc_unavailable" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "oidc_email_taken" | "user_wrong_state" | "object_not_found" | "account_waiting" | "oidc_user_unknown" | "account_blocked" | "account_inactive" | "oidc_refused" | "oidc_state_refused" | "not_authenticated" | "otp_required";
  };
  /** The providers that one may log in by: name, and title for people. */
  "guest.oidc.get_list": {
    params: {};
    result: LoginProvider[];
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** A token in exchange for a password, and for a second factor where there is one; send it as Authorization: Bearer. */
  "guest.session.login": {
    params: { login: string; password: string; otp?: string | null };
    result: LoggedIn;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "otp_refused" | "not_authenticated" | "otp_required";
  };
  /** Confirm an address with the token that was mailed to it. state is as after register. */
  "guest.user.activate": {
    params: { token: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Confirmed;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "user_wrong_state" | "request_id_reused" | "object_not_found" | "one_time_token_refused" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** What a mailed token is good for: activation, password or email; and until when. */
  "guest.user.check_token": {
    params: { token: string };
    result: MailedToken;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "one_time_token_refused" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Whether an address is in use. It may be asked once a minute. */
  "guest.user.email_exists": {
    params: { email: string };
    result: boolean;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Whether a login is in use. It may be asked a few times a minute. */
  "guest.user.exists": {
    params: { login: string };
    result: boolean;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Whether the cloud can mail, and whom to write to. */
  "guest.user.is_mailer_active": {
    params: {};
    result: Mailer;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Ask for an account. state tells what is next: mail_confirmation, admin_confirmation, or completed. */
  "guest.user.register": {
    params: { login: string; email: string; password: string; first_name?: string; last_name?: string; organization?: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Registered;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "name_taken" | "not_supported" | "request_id_reused" | "object_not_found" | "registration_closed" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Mail a token for a new password to this address, if it is somebody's. The answer is the same either way. */
  "guest.user.reset_password_mail": {
    params: { email: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Set a new password with the token that was mailed. All sessions end. */
  "guest.user.set_password_token": {
    params: { token: string; new_password: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "rate_limited" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "request_id_reused" | "object_not_found" | "one_time_token_refused" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** This service as an OpenRPC document. */
  "rpc.discover": {
    params: {};
    result: OpenRPC;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** The names of all methods. */
  "system.listMethods": {
    params: {};
    result: string[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** The documentation of a method. */
  "system.methodHelp": {
    params: { method: string };
    result: string;
    errors: "incident" | "invalid_parameter" | "too_large" | "unknown_method" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** The XML-RPC types of a method, its result's first: one list for each number of parameters it takes, and for each kind of them. A list of a struct alone is of parameters by name. */
  "system.methodSignature": {
    params: { method: string };
    result: string[][];
    errors: "incident" | "invalid_parameter" | "too_large" | "unknown_method" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Several calls in one, made in order. */
  "system.multicall": {
    params: { calls: unknown[] };
    result: unknown[];
    errors: "incident" | "invalid_parameter" | "too_large" | "malformed_request" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "not_authenticated" | "otp_required";
  };
  /** Change the caller's account; what is not given stays. A new address is mailed a token for guest.user.activate. */
  "user.account.edit": {
    params: { first_name?: string | null; last_name?: string | null; organization?: string | null; email?: string | null; default_cluster_id?: number | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Profile;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "name_taken" | "version_changed" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The caller's account with roles, permissions, the clusters they administer, and where EC2 clients connect to. */
  "user.account.get": {
    params: {};
    result: Profile;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Change the caller's password; their other sessions end, this one goes on. */
  "user.account.set_password": {
    params: { old_password: string; new_password: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "version_changed" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Who has which level on an object of these kinds, its own account first; whoever is only a user sees what concerns them. */
  "user.acl.get_list": {
    params: { kind: Shared; object_id: number | string; cluster?: number | string | null };
    result: AccessEntry[] | { items: (AccessEntry & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "vm_wrong_state" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change what an account or a group of the caller's may do with an object of these kinds; null takes it back. */
  "user.acl.set": {
    params: { kind: Shared; object_id: number | string; level: Level | null; login?: string | null; group_id?: number | null; account_number?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "owner_stays" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "permission_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a group. VMs are put into it when they are made, or by ``user.vm.set_affinity_group``. */
  "user.affinity_group.create": {
    params: { name: string; affinity: Affinity; strict?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AffinityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a group that no VM is in. */
  "user.affinity_group.delete": {
    params: { affinity_group_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change the name of a group, or whether it is strict; none that runs is moved for it. */
  "user.affinity_group.edit": {
    params: { affinity_group_id: number | string; name?: string | null; strict?: boolean | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AffinityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's groups. */
  "user.affinity_group.get_by_id": {
    params: { affinity_group_id: number | string; cluster?: number | string | null };
    result: AffinityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's groups, by name. */
  "user.affinity_group.get_list": {
    params: { cluster?: number | string | null };
    result: AffinityGroup[] | { items: (AffinityGroup & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a key. The answer holds key, to be sent as Authorization: Bearer; this once, it is kept nowhere. */
  "user.api_key.create": {
    params: { name: string; scope: string[]; expires_days?: number | null; ec2?: boolean; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: CreatedApiKey;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "api_key_limit" | "name_taken" | "request_id_reused" | "object_not_found" | "permission_needed" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete a key: it opens nothing from now on. */
  "user.api_key.delete": {
    params: { api_key_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The caller's keys by name, without their secrets; used tells when each was last used. */
  "user.api_key.get_list": {
    params: {};
    result: ApiKey[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Make a bucket; its name is one that the caller has no other of. */
  "user.bucket.create": {
    params: { name: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Bucket;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a bucket that nothing is in, nor on its way to. */
  "user.bucket.delete": {
    params: { bucket_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "bucket_not_empty" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's buckets, by name, with how much is in them. */
  "user.bucket.get_list": {
    params: { cluster?: number | string | null };
    result: Bucket[] | { items: (Bucket & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Ask that a VM get a lease that is not the caller's to choose. */
  "user.change_request.ask_expiry": {
    params: { vm_id: number | string; lease: string; text?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ChangeRequest;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "already_asked" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Ask for larger quotas. Those of a cloud manager's account are that manager's to give. */
  "user.change_request.ask_quota": {
    params: { quota_cpu?: number | null; quota_memory_mib?: number | null; quota_storage_mib?: number | null; quota_vms?: number | null; quota_networks?: number | null; text?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ChangeRequest;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "account_not_local" | "already_asked" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Ask that a VM get another size, which the caller's quota may not have room for. */
  "user.change_request.ask_resize": {
    params: { vm_id: number | string; template_id: number | string; text?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ChangeRequest;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "already_asked" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's requests. */
  "user.change_request.get_by_id": {
    params: { change_request_id: number | string; cluster?: number | string | null };
    result: ChangeRequest;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's requests, newest first. */
  "user.change_request.get_list": {
    params: { answered?: boolean; limit?: number; before?: number | null; cluster?: number | string | null };
    result: ChangeRequest[] | { items: (ChangeRequest & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take back a request that nobody has answered. */
  "user.change_request.withdraw": {
    params: { change_request_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ChangeRequest;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "change_request_closed" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make VMs by a VM template in a size, and start them. Each gets a disk of the size's storage beside what the template's image is: a free volume of the resource pool's storages where there is a right one, else a new one. A VM that is installed from an ISO has it as its first disk, which is new. */
  "user.cloud_service.svc_create": {
    params: { name: string; vm_template_id?: number | string | null; template_id?: number | string | null; resource_pool_id?: number | string | null; vm_profile_id?: number | string | null; description?: string; count?: number; new_disks_match?: Match; user_data?: string | null; ssh_key?: string | null; ssh_username?: string | null; tags?: Record<string, string> | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: CreatedVM[];
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "no_free_address" | "no_free_port" | "no_storage" | "points_used_up" | "pool_full" | "quota_reached" | "storage_full" | "tag_limit" | "address_taken" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "name_taken" | "network_overlaps" | "no_cpu_baseline" | "no_variables" | "object_told_twice" | "storage_draining" | "vm_busy" | "request_id_reused" | "object_not_found" | "access_needed" | "bandwidth_refused" | "not_cluster_administrator" | "owner_blocked" | "privilege_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What the caller can make VMs by: VM templates, sizes and their profiles; and the resource pools to make them in, where there are several. */
  "user.cloud_service.svc_new": {
    params: { cluster?: number | string | null };
    result: CloudOffer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "privilege_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The clusters, by name, with their health: ``state`` (ok, unreachable, refused, incompatible, locked or unknown), ``release`` of the program, ``latency_ms`` and ``seen_at`` of its last answer; and whether it is the caller's default, and theirs to administer. */
  "user.cluster.get_list": {
    params: {};
    result: UserCluster[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Attach a disk to a VM, running or stopped. One VM at a time may write to a disk; several may read one that none writes to. */
  "user.disk.attach": {
    params: { disk_id: number | string; vm_id: number | string; read_only?: boolean; boot_order?: number | null; delete_with_vm?: boolean; bus?: DiskBus; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AttachWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_out_of_reach" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Copy a disk to a new one of the caller's own, which is an entry of the catalogue as any disk that is made. Nobody may be writing to it: its VM is stopped, and stays so meanwhile. Its operators may. */
  "user.disk.copy": {
    params: { disk_id: number | string; name: string; description?: string; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskCopyWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make an empty disk of the caller's own. It counts on the storage quota at once. */
  "user.disk.create": {
    params: { name: string; size_mib: number; description?: string; format?: DiskFormat; storage_id?: number | string | null; filesystem?: Filesystem | null; tags?: Record<string, string> | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "tag_limit" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "vm_busy" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give out an address that a disk's file can be read at for a while, with ranges: as it lies on the storage, in the disk's format. Its owners may. It is refused while a VM that may write to it runs, and of a disk that is an overlay. */
  "user.disk.create_download": {
    params: { disk_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Download;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_wrong_state" | "in_use" | "not_whole" | "object_told_twice" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a snapshot of a disk: it can be taken back to how it is now. The VM that has it attached may run. */
  "user.disk.create_snapshot": {
    params: { disk_id: number | string; name: string; description?: string; freeze?: Freeze; tags?: Record<string, string> | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SnapshotWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "storage_full" | "tag_limit" | "too_many_snapshots" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put a disk that no VM has attached into the trash; its owners may. It can be restored until it is purged, by itself when ``purged`` says, and counts on the quota until then. */
  "user.disk.delete": {
    params: { disk_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Disk;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Detach a disk from a VM, running or stopped: unmount it in the guest before. The operation is done when the guest has let go of the disk; one that does not within the time that the operator grants keeps it: the operation fails. */
  "user.disk.detach": {
    params: { disk_id: number | string; vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AttachWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a disk's name or description; what is left out stays. Its operators may. */
  "user.disk.edit": {
    params: { disk_id: number | string; name?: string | null; description?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Disk;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_wrong_state" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One disk that the caller sees, also one in the trash. */
  "user.disk.get_by_id": {
    params: { disk_id: number | string; cluster?: number | string | null };
    result: Disk;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's disks, newest first, but for those in the trash. */
  "user.disk.get_list": {
    params: { limit?: number; before?: number | null; trashed?: boolean; shared?: boolean; kind?: DiskKind | null; vm_id?: number | string | null; cluster?: number | string | null };
    result: Disk[] | { items: (Disk & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a disk larger; a running guest sees that at once. Its operators may; its owner's quota pays. */
  "user.disk.grow": {
    params: { disk_id: number | string; size_mib: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put a disk on another storage. A guest that runs goes on meanwhile, and reads and writes there afterwards. Its operators may. */
  "user.disk.move": {
    params: { disk_id: number | string; storage_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storage_out_of_reach" | "storages_apart" | "variables_stay" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What may be asked of disks as they are now and, of the rest, why not: by the caller's level, the disk's state, the VMs that have it, and what is under way. What else a call may be refused for, such as a quota, it tells itself; ``dry_run`` finds out. Attaching is told of as to a VM that would only read it; it needs a VM of the caller's, too. */
  "user.disk.operations": {
    params: { disk_ids: (number | string)[]; cluster?: number | string | null };
    result: DiskOffers[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a disk that lies in the trash, or that could not be made, for good; there is no way back. */
  "user.disk.purge": {
    params: { disk_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a disk out of the trash again, as it was. */
  "user.disk.restore": {
    params: { disk_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Disk;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_wrong_state" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Copy a disk to a system image of the caller's own, which VMs can be made from: also the root disk of a VM that is stopped, which stays. ``user.storage_image.convert_to_system_image`` turns a disk into one without a copy. */
  "user.disk.to_image": {
    params: { disk_id: number | string; name: string; description?: string; storage_id?: number | string | null; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskCopyWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change the name of a lease, or what it says. Its owners may; its intervals are administrators' to change. */
  "user.expiry.edit": {
    params: { expiry_id: number | string; name?: string | null; description?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ExpiryLease;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The leases that the caller may choose, by name. */
  "user.expiry.get_list": {
    params: { cluster?: number | string | null };
    result: ExpiryLease[] | { items: (ExpiryLease & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What will become of VMs by their leases, when, and what it waits for; in the order of their ids in the call. */
  "user.expiry.get_vms": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null };
    result: VMExpiry[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's VMs that have a lease, by id. */
  "user.expiry.list_vms": {
    params: { limit?: number; after?: number | null; cluster?: number | string | null };
    result: VMExpiry[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have both of a VM's intervals begin anew from now. Its operators may, who may choose its lease. */
  "user.expiry.renew": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMExpiry;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "expiry_not_yours" | "no_expiry" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a VM another lease, from now on. Its operators may, who may choose that lease. */
  "user.expiry.set": {
    params: { vm_id: number | string; expiry_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMExpiry;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Create a farm: a head and ``count`` workers of one image, named ``name``, ``name-worker-1``, ``name-worker-2`` ... Everything is claimed for all of them, or the call is refused and nothing is. */
  "user.farm.create": {
    params: { name: string; description: string; image_id: number | string; head_template_id: number | string; worker_template_id: number | string; public_ip_id?: number | string | null; iso_list?: (number | string)[] | null; disk_list?: (number | string)[] | null; vnc?: boolean; groups?: number[] | null; count?: number; user_data?: string | null; ssh_key?: string | null; ssh_username?: string | null; networks?: (number | string)[] | null; security_group_ids?: (number | string)[] | null; user_data_encoding?: UserDataEncoding; expiry_id?: number | string | null; metadata?: MetadataSource | null; shared_key?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GrownFarm;
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "no_free_address" | "no_free_port" | "no_storage" | "points_used_up" | "pool_full" | "quota_reached" | "storage_full" | "address_taken" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "name_taken" | "network_overlaps" | "no_cpu_baseline" | "no_variables" | "not_reachable" | "object_told_twice" | "storage_draining" | "version_changed" | "vm_busy" | "request_id_reused" | "object_not_found" | "access_needed" | "bandwidth_refused" | "not_cluster_administrator" | "owner_blocked" | "permission_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Destroy a farm: its head and all workers, or, by an error, none of them. What starts them is given up. */
  "user.farm.destroy": {
    params: { farm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: FarmEnd;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "farm_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a farm's name or description; what is left out stays. Its VMs and hosts keep their names. */
  "user.farm.edit": {
    params: { farm_id: number | string; name?: string | null; description?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Farm;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's farms, also a destroyed one. */
  "user.farm.get_by_id": {
    params: { farm_id: number | string; cluster?: number | string | null };
    result: Farm;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's farms, newest first; those whose VMs are all destroyed are left out. */
  "user.farm.get_list": {
    params: { limit?: number; before?: number | null; cluster?: number | string | null };
    result: ListedFarm[] | { items: (ListedFarm & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make more workers of a farm, with the next numbers; all of them, or none. They are as its head is: of its image, on its networks and in their security groups, with its user data and SSH keys. */
  "user.farm.grow": {
    params: { farm_id: number | string; count?: number; template_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GrownFarm;
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "no_free_address" | "no_free_port" | "no_storage" | "points_used_up" | "pool_full" | "quota_reached" | "storage_full" | "address_taken" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "farm_wrong_state" | "image_wrong_state" | "in_use" | "name_taken" | "network_overlaps" | "no_cpu_baseline" | "no_variables" | "object_told_twice" | "storage_draining" | "version_changed" | "vm_busy" | "request_id_reused" | "object_not_found" | "access_needed" | "bandwidth_refused" | "not_cluster_administrator" | "owner_blocked" | "permission_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** End a farm and keep its head's root disk as a new system image, as ``user.vm.save_and_shutdown``; the workers are destroyed. */
  "user.farm.save_and_shutdown": {
    params: { farm_id: number | string; name: string; description: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SavedFarm;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "farm_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "operation_not_abandonable" | "storage_not_on_node" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Destroy workers of a farm, all that are meant or, by an error, none. */
  "user.farm.shrink": {
    params: { farm_id: number | string; count?: number | null; worker_ids?: (number | string)[] | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: FarmEnd;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "farm_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let in somebody who asked, as the leader. */
  "user.group.activate_user": {
    params: { user_id: number; group_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "group_wrong_membership" | "request_id_reused" | "object_not_found" | "group_not_leader" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Have another member lead the group. */
  "user.group.change_owner": {
    params: { user_id: number; group_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SeenGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "group_limit" | "group_wrong_membership" | "version_changed" | "request_id_reused" | "object_not_found" | "group_not_leader" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Make a group; the caller leads it and is its first member. */
  "user.group.create": {
    params: { name: string; description?: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SeenGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "group_limit" | "name_taken" | "request_id_reused" | "object_not_found" | "permission_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete a group that the caller leads. What is shared with it is shared with nobody then. */
  "user.group.delete": {
    params: { group_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "version_changed" | "request_id_reused" | "object_not_found" | "group_not_leader" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** End a membership or a request: the caller's own or, as the leader, another's. */
  "user.group.delete_user": {
    params: { user_id: number; group_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "group_leader_stays" | "group_wrong_membership" | "request_id_reused" | "object_not_found" | "group_not_leader" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Change a group that the caller leads; what is not given stays. */
  "user.group.edit": {
    params: { group_id: number; name?: string | null; description?: string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SeenGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "name_taken" | "version_changed" | "request_id_reused" | "object_not_found" | "group_not_leader" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** One group, with what the caller is in it. */
  "user.group.get_by_id": {
    params: { group_id: number };
    result: SeenGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** All groups, with what the caller is in each: member, waiting or none. */
  "user.group.get_list": {
    params: {};
    result: SeenGroup[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Ask the leader to be let in. */
  "user.group.join_request": {
    params: { group_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SeenGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "group_wrong_membership" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The groups that the caller is a member of. */
  "user.group.list_groups": {
    params: {};
    result: SeenGroup[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The members of a group that the caller is in: id, login and name. */
  "user.group.list_members": {
    params: { group_id: number };
    result: GroupPerson[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "group_not_member" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The groups that the caller leads, with how many wait to be let in. */
  "user.group.list_own_groups": {
    params: {};
    result: LedGroup[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Who waits to be let in, for the leader: id, login and name. */
  "user.group.list_requests": {
    params: { group_id: number };
    result: GroupPerson[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "group_not_leader" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Give an activity up that is under way, as ``user.operation.abandon``. Whoever could ask for it may. */
  "user.instance.abort": {
    params: { operation_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "operation_not_abandonable" | "operation_wrong_state" | "vm_busy" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an instance, running or stopped, a network card, as ``user.nic.attach``. Its owners may. */
  "user.instance.add_interface": {
    params: { vm_id: number | string; network_id: number | string; address?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_free_address" | "quota_reached" | "address_taken" | "bandwidth_not_held" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "network_out_of_reach" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "bandwidth_refused" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a port of an instance be reached from outside, as ``user.vm.add_port``. Its operators may. */
  "user.instance.add_port": {
    params: { vm_id: number | string; port: number; protocol?: PortProtocol; nic?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_public_port" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "not_reachable" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an instance, running or stopped, one more disk, which goes with it. Its owners may; its account's quota pays. */
  "user.instance.create_disk": {
    params: { vm_id: number | string; size: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Start instances that are stopped, pending or in error, as ``user.vm.start``. */
  "user.instance.deploy": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Destroy instances, as ``user.vm.trash``: they can be recovered (``recover``) until they are gone for good, by ``user.vm.destroy`` or after ``cluster.vm_trash_s``. */
  "user.instance.destroy": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change what an instance says of itself. Its operators may. */
  "user.instance.edit": {
    params: { vm_id: number | string; description: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What was done to an instance, or is, newest first, each with what it had others do. */
  "user.instance.get_activities": {
    params: { vm_id: number | string; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Activity[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All of one instance, also of a destroyed one of the caller's. ``pw`` is told to owners alone. */
  "user.instance.get_by_id": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: InstanceDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's instances, newest first: CIRCLE's ``active``. */
  "user.instance.get_list": {
    params: { everything?: boolean; shared?: boolean; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Instance[] | { items: (Instance & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What may be asked of instances as they are now and, of the rest, why not; and what is best asked next. What else a call may be refused for, such as a quota, it tells itself. */
  "user.instance.get_operations": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null };
    result: AvailableOperations[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let SSH keys log in to a running instance's guest, as ``user.vm.install_keys``. */
  "user.instance.install_keys": {
    params: { vm_id: number | string; keys: string; user?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an account of a running instance's guest another password, as ``user.vm.password_reset``. It is kept, encrypted, and told to owners by ``get_by_id`` (``pw``). */
  "user.instance.password_reset": {
    params: { vm_id: number | string; user?: string | null; password?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Ask a running instance's guest to reboot, as ``user.vm.reboot``. */
  "user.instance.reboot": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have destroyed instances back that are not gone for good, stopped, as ``user.vm.recover``. */
  "user.instance.recover": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Detach a disk from an instance, as ``user.disk.detach``. It stays, unlike CIRCLE's: ``user.disk.delete`` puts it into the trash then. */
  "user.instance.remove_disk": {
    params: { vm_id: number | string; disk_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a network card from an instance, as ``user.nic.detach``. Its owners may. */
  "user.instance.remove_interface": {
    params: { vm_id: number | string; nic: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let SSH keys log in to a running instance's guest no more, as ``user.vm.remove_keys``. */
  "user.instance.remove_keys": {
    params: { vm_id: number | string; keys: string; user?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a port of an instance be reached from outside no more. Its operators may. */
  "user.instance.remove_port": {
    params: { vm_id: number | string; port: number; protocol?: PortProtocol; nic?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an instance another name. Its operators may. */
  "user.instance.rename": {
    params: { vm_id: number | string; new_name: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have the times of an instance's lease begin anew from now, as ``user.expiry.renew``. Its operators may. */
  "user.instance.renew": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "expiry_not_yours" | "no_expiry" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Press the reset buttons of running instances, as ``user.vm.reset``. */
  "user.instance.reset": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a disk larger, as ``user.disk.grow``. :param size: rounded up to MiB. */
  "user.instance.resize_disk": {
    params: { disk_id: number | string; size: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an instance the CPUs and memory of another size, as ``user.vm.resize``. Its owners may. */
  "user.instance.resources_change": {
    params: { vm_id: number | string; template_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_prepared" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a VM template of an instance while it goes on, as ``user.vm.save_as_template``. */
  "user.instance.save_as_template": {
    params: { vm_id: number | string; name?: string | null; description?: string; freeze?: Freeze; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Activity;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "storage_not_on_node" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What a running instance's screen shows now, as a picture. */
  "user.instance.screenshot": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: Screenshot;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Cut the power of instances, as ``user.vm.stop``: what their guests had not written yet is lost. */
  "user.instance.shut_off": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Ask the guests of running instances to shut down, as ``user.vm.shutdown``. */
  "user.instance.shutdown": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Write the memory of running instances to storages and free their nodes of them, as ``user.vm.suspend``. */
  "user.instance.sleep": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have suspended instances go on, on any node that they can, as ``user.vm.wake_up``. */
  "user.instance.wake_up": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: InstanceOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put an ISO image into a CD drive of a VM, running or stopped, as ``user.vm.insert_cd`` does. */
  "user.iso_image.attach": {
    params: { image_id: number | string; vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DriveWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give out an address that an ISO image's file can be read at for a while, with ranges: as it lies on the storage, in the format that the image tells. */
  "user.iso_image.create_download": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Download;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_whole" | "object_told_twice" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete an ISO image that no VM has attached; its owners may. */
  "user.iso_image.delete": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take an ISO image out of the drive of a VM that it is in, as ``user.vm.eject_cd`` does. */
  "user.iso_image.detach": {
    params: { image_id: number | string; vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DriveWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change an ISO image's name or description; what is not given stays. Its operators may. */
  "user.iso_image.edit": {
    params: { image_id: number | string; name?: string | null; description?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One ISO image that the caller can use. */
  "user.iso_image.get_by_id": {
    params: { image_id: number | string; cluster?: number | string | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** ISO images that the caller can use, newest first. */
  "user.iso_image.get_list": {
    params: { access?: ImageFilter | null; group_id?: number | null; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Image[] | { items: (Image & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import an ISO image from a URL, as the caller's own, as it is or packed: by gzip, bzip2, xz, zstd, in a zip archive. */
  "user.iso_image.import_url": {
    params: { name: string; description: string; url: string; sha256?: string | null; sha512?: string | null; sums?: string | null; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "address_refused" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Upload an ISO image, as the caller's own: as it is or packed: by gzip, bzip2, xz, zstd, in a zip archive. */
  "user.iso_image.upload": {
    params: { name: string; description: string; size_bytes: number; sha256?: string | null; filename?: string; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Upload;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_staging_room" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Write to the cloud's operators; they answer by mail, to the caller's address. */
  "user.issue.send": {
    params: { topic: string; text: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "issue_limit" | "issue_not_configured" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Make no more calls of a run that is under way; one that is being made is still made. */
  "user.job.cancel": {
    params: { job_run_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: JobRunDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "job_run_over" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a job. Its calls are made in the caller's name, with the rights that they have when it is run, but for what is shared with groups alone; one that is refused does not stop the others. */
  "user.job.create": {
    params: { name: string; method: string; parameters: Record<string, unknown>[]; cron?: string; timezone?: string; enabled?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: JobDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a job and what is known of its runs. A call that is being made is still made. */
  "user.job.delete": {
    params: { job_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a job; what is left out stays. A run that is under way goes on as it began. */
  "user.job.edit": {
    params: { job_id: number | string; name?: string | null; parameters?: Record<string, unknown>[] | null; cron?: string | null; timezone?: string | null; enabled?: boolean | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: JobDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's jobs, with what it calls. */
  "user.job.get_by_id": {
    params: { job_id: number | string; cluster?: number | string | null };
    result: JobDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's jobs, by id, each with its last run. */
  "user.job.get_list": {
    params: { limit?: number; after?: number | null; cluster?: number | string | null };
    result: Job[] | { items: (Job & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A run with what came of each call. */
  "user.job.get_run": {
    params: { job_run_id: number | string; cluster?: number | string | null };
    result: JobRunDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The last hundred runs of a job, newest first, and moments of its schedule for which there was none: "missed", as no cluster manager was there, which is not made up for; "skipped", as one was under way. */
  "user.job.get_runs": {
    params: { job_id: number | string; limit?: number; before?: number | null; cluster?: number | string | null };
    result: JobRun[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a job be run now, whatever its schedule says; within seconds. No second run while one is under way. */
  "user.job.run": {
    params: { job_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: JobRunDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "job_under_way" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import a public key: Ed25519, ECDSA, RSA of 2048 bits or more, or one of a security key. */
  "user.key.add": {
    params: { name: string; key: string; tags?: Record<string, string> | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SSHKey;
    errors: "incident" | "ssh_key_format" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "ssh_key_limit" | "name_taken" | "ssh_key_known" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete a key, by its name. VMs that have it keep it. */
  "user.key.delete": {
    params: { name: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete a key. VMs that have it keep it. */
  "user.key.delete_by_id": {
    params: { key_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Make a pair of keys. The answer holds private_key, this once: it is kept nowhere. */
  "user.key.generate": {
    params: { name: string; kind?: "ecdsa" | "ed25519" | "rsa"; tags?: Record<string, string> | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GeneratedSSHKey;
    errors: "incident" | "ssh_key_format" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "ssh_key_limit" | "name_taken" | "not_supported" | "ssh_key_known" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** One key, by its name. */
  "user.key.get": {
    params: { name: string };
    result: SSHKey;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** One key. */
  "user.key.get_by_id": {
    params: { key_id: number };
    result: SSHKey;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** All keys of the caller's, by name. */
  "user.key.get_list": {
    params: {};
    result: SSHKey[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Give a key tags, or take some; others that it has stay. */
  "user.key.tag": {
    params: { key_id: number; tags?: Record<string, string> | null; remove?: string[] | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SSHKey;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "tag_limit" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Another version; the default one stays what it is. */
  "user.launch_template.add_version": {
    params: { launch_template_id: number; data: string; description?: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: LaunchTemplateVersion;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "launch_template_limit" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Keep a launch template, with its first version, which is the default one. What its data name is looked at when VMs are made of it. */
  "user.launch_template.create": {
    params: { name: string; data: string; cluster_id: number; description?: string; tags?: Record<string, string> | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: LaunchTemplate;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "launch_template_limit" | "name_taken" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete one with all its versions. VMs that were made of it go on. */
  "user.launch_template.delete": {
    params: { launch_template_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete a version, but for the default one. */
  "user.launch_template.delete_version": {
    params: { launch_template_id: number; number: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "launch_template_default" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The caller's for all clusters, newest first. */
  "user.launch_template.get_list": {
    params: {};
    result: LaunchTemplate[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** All versions of one, the newest first. */
  "user.launch_template.list_versions": {
    params: { launch_template_id: number };
    result: LaunchTemplateVersion[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Have another version be the one that is taken where none is named. */
  "user.launch_template.set_default": {
    params: { launch_template_id: number; number: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: LaunchTemplate;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Give it tags, or take some; others that it has stay. */
  "user.launch_template.tag": {
    params: { launch_template_id: number; tags?: Record<string, string> | null; remove?: string[] | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: LaunchTemplate;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "tag_limit" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** How many messages the caller has, and how many of them are unread. */
  "user.message.count": {
    params: {};
    result: MessageCount;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Delete messages. */
  "user.message.delete": {
    params: { message_ids: number[]; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** The caller's messages, the newest first. before: message_id of the last one of the page before. */
  "user.message.get_list": {
    params: { unread_only?: boolean; limit?: number; before?: number | null };
    result: Message[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Mark messages as read. */
  "user.message.mark_read": {
    params: { message_ids: number[]; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** What was measured of a VM until ``time``, in CC1's shape. ``user.vm.statistics`` has more. */
  "user.monia.vm_stats": {
    params: { vm_id: number | string; stat_name: number | number[]; time: number; stat_range: number; resolution: number; cluster?: number | string | null };
    result: ((string | number | (string | number)[] | null)[])[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give one up: nothing of it stays. */
  "user.multipart.abort": {
    params: { multipart_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Begin an object that comes in parts. */
  "user.multipart.begin": {
    params: { bucket_id: number | string; key: string; headers?: Record<string, string> | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Multipart;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's that are not complete, in all buckets, by key. */
  "user.multipart.get_list": {
    params: { cluster?: number | string | null };
    result: Multipart[] | { items: (Multipart & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Which parts of one have come, by number. */
  "user.multipart.get_parts": {
    params: { multipart_id: number | string; cluster?: number | string | null };
    result: Part[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a network's name, description or servers; what is left out stays. Its domain stays what it was made as. */
  "user.network.edit": {
    params: { network_id: number | string; name?: string | null; description?: string | null; dns?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Network;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Whether the first packet of a flow would pass between a VM and another, or an address outside, and what decides. */
  "user.network.explain": {
    params: { vm_id: number | string; to_vm_id?: number | string | null; address?: string | null; protocol?: string; port?: number | null; incoming?: boolean; nic?: number; to_nic?: number; cluster?: number | string | null };
    result: Passage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's networks, or one that is shared with them. */
  "user.network.get_by_id": {
    params: { network_id: number | string; cluster?: number | string | null };
    result: ListedNetwork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The pools that networks are cut from. */
  "user.network.list_available_networks": {
    params: { cluster?: number | string | null };
    result: AvailableNetwork[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The addresses of one of the caller's networks, or one that is shared with them, by id, with the VMs that have them. */
  "user.network.list_leases": {
    params: { network_id: number | string; used_only?: boolean; limit?: number; after?: number | null; cluster?: number | string | null };
    result: NetworkLease[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's networks, with how many of their addresses are used. */
  "user.network.list_user_networks": {
    params: { shared?: boolean; cluster?: number | string | null };
    result: ListedNetwork[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give back a network that no VM is on. */
  "user.network.release": {
    params: { network_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Get a network of one's own. */
  "user.network.request": {
    params: { mask?: number | null; name?: string; network?: string | null; pool?: string | null; description?: string; dns?: string; tags?: Record<string, string> | null; ipv6?: boolean | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Network;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "pool_full" | "quota_reached" | "tag_limit" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "network_overlaps" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a VM, running or stopped, another network card. A running guest sees it when the operation is done. */
  "user.nic.attach": {
    params: { vm_id: number | string; network_id: number | string; address?: string | null; model?: NicModel | null; security_group_ids?: (number | string)[] | null; kbit_in?: number | null; kbit_out?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: NicWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_free_address" | "quota_reached" | "address_taken" | "bandwidth_not_held" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "network_out_of_reach" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "bandwidth_refused" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a network card from a VM, running or stopped. The operation is done when the guest has let go of the card, and its addresses are free then; a guest that does not within the time that the operator grants keeps it: the operation fails. */
  "user.nic.detach": {
    params: { vm_id: number | string; nic: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: NicWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change what nodes let a network card do, without a restart; what is left out stays. */
  "user.nic.edit": {
    params: { vm_id: number | string; nic: number; spoofing?: boolean | null; kbit_in?: number | null; kbit_out?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Nic;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "bandwidth_not_held" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "bandwidth_refused" | "not_cluster_administrator" | "spoofing_refused" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The network cards of the caller's VMs by ``nic_id``, with their networks, addresses and security groups. */
  "user.nic.get_list": {
    params: { vm_id?: number | string | null; limit?: number; after?: number | null; cluster?: number | string | null };
    result: Nic[] | { items: (Nic & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What these uuids are and where: VMs, images and templates that the caller sees; all others are left out. */
  "user.object.find": {
    params: { uuids: string[] };
    result: PlacedObject[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_told_twice" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** What the caller sees of the cluster as objects that name each other, with the names, types and units of Xen Orchestra's model: xo, pool, SR, VM, VDI, VBD; hosts and PBDs are administrators' to see. They are told, not changed: each noun's own views change what they say. */
  "user.object.get_all": {
    params: { filter?: string; limit?: number | null; cluster?: number | string | null };
    result: GraphObject[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give up an operation that is under way; a creation is undone. Whoever could ask for it may. */
  "user.operation.abandon": {
    params: { operation_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: OperationNumber;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "operation_not_abandonable" | "operation_wrong_state" | "vm_busy" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One operation, of a VM or image that the caller sees. */
  "user.operation.get": {
    params: { operation_id: number | string; cluster?: number | string | null };
    result: Operation;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What the caller asked for, newest first. */
  "user.operation.get_list": {
    params: { vm_id?: number | string | null; only_open?: boolean; before?: number | null; limit?: number; cluster?: number | string | null };
    result: Operation[] | { items: (Operation & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Try a failed operation again; whoever could ask for it may. */
  "user.operation.retry": {
    params: { operation_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: OperationNumber;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "operation_wrong_state" | "storage_draining" | "storage_locked" | "storage_not_on_node" | "storages_apart" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "upload_gone" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Wait until an operation has ended, for at most ``timeout`` seconds; answers as ``get`` either way. */
  "user.operation.wait": {
    params: { operation_id: number | string; timeout?: number; cluster?: number | string | null };
    result: Operation;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a VM's network card be reached by an address of its owner's, as far as its security groups let others in. It keeps it until it is unassigned or the VM destroyed; while the VM does not run, nobody answers. */
  "user.public_address.assign": {
    params: { public_address_id: number | string; vm_id: number | string; nic?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PublicAddress;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "not_reachable" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change what is said of an address. */
  "user.public_address.edit": {
    params: { public_address_id: number | string; description: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PublicAddress;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's addresses. */
  "user.public_address.get_by_id": {
    params: { public_address_id: number | string; cluster?: number | string | null };
    result: PublicAddress;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's addresses, with the VMs that are reached by them. */
  "user.public_address.get_list": {
    params: { cluster?: number | string | null };
    result: PublicAddress[] | { items: (PublicAddress & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give back an address that no VM has. */
  "user.public_address.release": {
    params: { public_address_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Get a public address, which stays the caller's until they release it. */
  "user.public_address.request": {
    params: { address?: string | null; family?: 4 | 6; description?: string; tags?: Record<string, string> | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PublicAddress;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_public_address" | "quota_reached" | "tag_limit" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have nobody be reached by an address any more; it stays the caller's. */
  "user.public_address.unassign": {
    params: { public_address_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PublicAddress;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a VM be reached by an address, as ``user.public_address.assign`` does. */
  "user.public_ip.assign": {
    params: { lease_id: number | string; public_ip_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "not_reachable" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's addresses. */
  "user.public_ip.get_list": {
    params: { cluster?: number | string | null };
    result: PublicIP[] | { items: (PublicIP & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give back an address that no VM has. */
  "user.public_ip.release": {
    params: { public_ip_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Get a free public address of IPv4. */
  "user.public_ip.request": {
    params: { cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: string;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_public_address" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a VM's own address be reached from outside no more; the public address stays the caller's. */
  "user.public_ip.unassign": {
    params: { lease_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The resource pools on which the caller has a privilege, by name, with their limits and what is used. */
  "user.resource_pool.get_list": {
    params: { cluster?: number | string | null };
    result: ListedResourcePool[] | { items: (ListedResourcePool & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Allow something, by IPv4 and IPv6 unless the range says which. */
  "user.security_group.add_rule": {
    params: { security_group_id: number | string; direction: RuleDirection; protocol?: string; ports?: string | null; remote?: string | null; remote_group_id?: number | string | null; description?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put a VM's network card into these groups of its owner's, and out of all others; it answers with them. */
  "user.security_group.assign": {
    params: { vm_id: number | string; security_group_ids: (number | string)[]; nic?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SecurityGroup[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a group without rules: nothing passes at the network cards that are put into it, but for answers. */
  "user.security_group.create": {
    params: { name: string; description?: string; tags?: Record<string, string> | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "tag_limit" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a group that no network card is in and no other group's rule names. */
  "user.security_group.delete": {
    params: { security_group_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change the name or the description of a group. */
  "user.security_group.edit": {
    params: { security_group_id: number | string; name?: string | null; description?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Say what a rule is for; what it allows stays. */
  "user.security_group.edit_rule": {
    params: { security_group_id: number | string; rule_id: number | string; description: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's default group, made if it is not there: all out, nothing in but from itself. */
  "user.security_group.ensure_default": {
    params: { cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's groups. */
  "user.security_group.get_by_id": {
    params: { security_group_id: number | string; cluster?: number | string | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's groups with their rules, by name. */
  "user.security_group.get_list": {
    params: { cluster?: number | string | null };
    result: SecurityGroup[] | { items: (SecurityGroup & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Allow it no longer: connections that only this rule allowed end. */
  "user.security_group.remove_rule": {
    params: { security_group_id: number | string; rule_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SecurityGroup;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** End a session. */
  "user.session.delete": {
    params: { session_id: number; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Open sessions, the one used last first; current tells which of them this call came with. */
  "user.session.get_list": {
    params: {};
    result: Session[];
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** End the session that this call came with; with another credential there is nothing to end. */
  "user.session.logout": {
    params: { dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "request_id_reused" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Make a new disk of the caller's own with what a snapshot holds: whole, so that neither needs the other. The VM whose disk it is may run meanwhile. Its operators may. */
  "user.snapshot.create_disk": {
    params: { snapshot_id: number | string; name: string; description?: string; storage_id?: number | string | null; tags?: Record<string, string> | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskCopyWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "tag_limit" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a snapshot. What was written since is merged with it, while the VM runs on; disks and later snapshots have what they had. */
  "user.snapshot.delete": {
    params: { snapshot_id: number | string; alone?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SnapshotWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a snapshot's name or description; what is left out stays. */
  "user.snapshot.edit": {
    params: { snapshot_id: number | string; name?: string | null; description?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Snapshot;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One snapshot of a disk that the caller sees. */
  "user.snapshot.get_by_id": {
    params: { snapshot_id: number | string; cluster?: number | string | null };
    result: Snapshot;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The snapshots of the caller's disks, newest first. */
  "user.snapshot.get_list": {
    params: { disk_id?: number | string | null; vm_id?: number | string | null; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Snapshot[] | { items: (Snapshot & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What may be asked of snapshots as they are now and, of the rest, why not, as of ``user.disk.operations``. Of what was taken together ``revert`` and ``delete`` are told of as for all of it, not ``alone``. */
  "user.snapshot.operations": {
    params: { snapshot_ids: (number | string)[]; cluster?: number | string | null };
    result: SnapshotOffers[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take disks back to a snapshot. What was written since is lost; later snapshots stay, and the disks can be taken back to them likewise. The VM must be stopped. */
  "user.snapshot.revert": {
    params: { snapshot_id: number | string; alone?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SnapshotWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Copy what a snapshot holds to a system image of the caller's own, which VMs can be made from: so an image of a VM is made while it runs on. Its operators may. */
  "user.snapshot.to_image": {
    params: { snapshot_id: number | string; name: string; description?: string; storage_id?: number | string | null; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskCopyWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Storages that may be chosen for new disks and images, the one that is taken by default first; often none. */
  "user.storage.get_list": {
    params: { cluster?: number | string | null };
    result: OfferedStorage[] | { items: (OfferedStorage & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Attach a storage image to a VM, running or stopped, which may write to it, as ``user.disk.attach`` does. */
  "user.storage_image.attach": {
    params: { image_id: number | string; vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AttachWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_out_of_reach" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a storage image that no VM has attached a system image, which VMs are made from, as it lies there. It is a disk no more. Its owners may. */
  "user.storage_image.convert_to_system_image": {
    params: { image_id: number | string; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "guest_format" | "image_wrong_state" | "in_use" | "not_whole" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make an empty disk of the caller's own, as ``user.disk.create`` does. */
  "user.storage_image.create": {
    params: { name: string; description: string; filesystem: Filesystem | null; size_mib: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give out an address that a storage image's file can be read at for a while, with ranges: as it lies on the storage, in the format that the image tells. It is refused while a VM that may write to it runs. */
  "user.storage_image.create_download": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Download;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_whole" | "object_told_twice" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a storage image that no VM has attached; its owners may. */
  "user.storage_image.delete": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Detach a storage image from a VM, as ``user.disk.detach`` does: done when the guest has let go of it. */
  "user.storage_image.detach": {
    params: { image_id: number | string; vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: AttachWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a storage image's name, description or device; what is not given stays. Its operators may. */
  "user.storage_image.edit": {
    params: { image_id: number | string; name?: string | null; description?: string | null; disk_controller?: DiskBus | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One storage image that the caller can use. */
  "user.storage_image.get_by_id": {
    params: { image_id: number | string; cluster?: number | string | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What disks may be attached by, and whether a VM that runs takes one so. */
  "user.storage_image.get_disk_controllers": {
    params: { cluster?: number | string | null };
    result: DiskController[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What ``create`` formats disks with. */
  "user.storage_image.get_filesystems": {
    params: { cluster?: number | string | null };
    result: Filesystem[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Storage images that the caller can use, newest first. */
  "user.storage_image.get_list": {
    params: { access?: ImageFilter | null; group_id?: number | null; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Image[] | { items: (Image & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import a storage image from a URL, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip, bzip2, xz, zstd or in a zip archive. */
  "user.storage_image.import_url": {
    params: { name: string; description: string; url: string; format?: SourceFormat | null; disk_controller?: DiskBus; sha256?: string | null; sha512?: string | null; sums?: string | null; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "address_refused" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Upload a storage image, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip, bzip2, xz, zstd or in a zip archive. */
  "user.storage_image.upload": {
    params: { name: string; description: string; size_bytes: number; format?: SourceFormat | null; disk_controller?: DiskBus; sha256?: string | null; filename?: string; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Upload;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_staging_room" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete objects by their keys; what is not there is deleted already. */
  "user.stored_object.delete": {
    params: { bucket_id: number | string; keys: string[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "vm_busy" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Objects of one of the caller's buckets, in the order of their keys' bytes. */
  "user.stored_object.get_page": {
    params: { bucket_id: number | string; prefix?: string; delimiter?: string; after?: string; limit?: number; cluster?: number | string | null };
    result: ObjectPage;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a system image that no VM is made from a storage image, which a VM attaches and writes to, as it lies there. Its owners may. */
  "user.system_image.convert_to_storage_image": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "guest_format" | "image_wrong_state" | "in_use" | "not_whole" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Copy an image that the caller can use to a new one of their own, private, which stays when that one goes. */
  "user.system_image.copy": {
    params: { image_id: number | string; name: string; description?: string | null; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DiskCopyWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "storage_unreached" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "storages_apart" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Copy an image that the caller can use to another cluster, as their own, private; it stays when that one goes. */
  "user.system_image.copy_to_cluster": {
    params: { uuid: string; target: number | string; name: string; description?: string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageOfCluster;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Give out an address that a system image's file can be read at for a while, with ranges: as it lies on the storage, in the format that the image tells. */
  "user.system_image.create_download": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Download;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "not_whole" | "object_told_twice" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete an image that no VM needs; its owners may. */
  "user.system_image.delete": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change the description, devices and facts of an image; what is not given stays. Its operators may. */
  "user.system_image.edit": {
    params: { image_id: number | string; name?: string | null; description?: string | null; disk_controller?: DiskBus | null; video_device?: VideoModel | null; network_device?: NicModel | null; platform?: string | null; system?: string | null; architecture?: Architecture | null; least_memory_mib?: number | null; least_disk_bytes?: number | null; default_user?: string | null; agent?: boolean | null; family?: string | null; family_version?: string | null; imds_tokens?: MetadataTokens | null; imds_hop_limit?: number | null; imds_enabled?: boolean | null; metadata?: MetadataSource | null; firmware?: Firmware | null; machine?: MachineType | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One system image that the caller can use. */
  "user.system_image.get_by_id": {
    params: { image_id: number | string; cluster?: number | string | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** System images that the caller can use, newest first. */
  "user.system_image.get_list": {
    params: { access?: ImageFilter | null; group_id?: number | null; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Image[] | { items: (Image & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The newest image of a family that the caller can use. */
  "user.system_image.get_newest": {
    params: { family: string; cluster?: number | string | null };
    result: Image;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import a system image from an object of one of the caller's buckets, as of ``import_url``. */
  "user.system_image.import_object": {
    params: { name: string; bucket_id: number | string; key: string; description?: string; format?: SourceFormat | null; platform?: string; architecture?: Architecture | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Import a system image from a URL, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip, bzip2, xz, zstd or in a zip archive. */
  "user.system_image.import_url": {
    params: { name: string; description: string; url: string; format?: SourceFormat | null; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; sha256?: string | null; sha512?: string | null; sums?: string | null; system?: string | null; architecture?: Architecture | null; least_memory_mib?: number | null; least_disk_bytes?: number | null; default_user?: string | null; agent?: boolean | null; family?: string | null; family_version?: string | null; storage_id?: number | string | null; imds_tokens?: MetadataTokens | null; imds_hop_limit?: number | null; imds_enabled?: boolean | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ImageWork;
    errors: "incident" | "address_refused" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "in_use" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What may be asked of system images as they are now and, of the rest, why not, as of ``user.disk.operations``. */
  "user.system_image.operations": {
    params: { image_ids: (number | string)[]; cluster?: number | string | null };
    result: ImageOffers[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let one of the caller's groups use an image, and nobody by its being public any more; its owners may. */
  "user.system_image.set_group": {
    params: { image_id: number | string; group_id: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "permission_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let neither groups nor the public use an image any more; its owners may. VMs made from it go on. */
  "user.system_image.set_private": {
    params: { image_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Upload a system image, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip, bzip2, xz, zstd or in a zip archive. */
  "user.system_image.upload": {
    params: { name: string; description: string; size_bytes: number; format?: SourceFormat | null; platform?: string; disk_controller?: DiskBus; network_device?: NicModel; video_device?: VideoModel; sha256?: string | null; filename?: string; system?: string | null; architecture?: Architecture | null; least_memory_mib?: number | null; least_disk_bytes?: number | null; default_user?: string | null; agent?: boolean | null; family?: string | null; family_version?: string | null; storage_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Upload;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_staging_room" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "storage_draining" | "storage_locked" | "storage_of_node" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The tags of an object that the caller sees. */
  "user.tag.get": {
    params: { kind: TagKind; object_id: number | string; cluster?: number | string | null };
    result: Tags;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's own objects that have tags, with these; of one kind or of all. */
  "user.tag.get_list": {
    params: { kind?: TagKind | null; cluster?: number | string | null };
    result: Tags[] | { items: (Tags & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take tags from an object; those that it does not have are gone already. Its operators may. */
  "user.tag.remove": {
    params: { kind: TagKind; object_id: number | string; keys: string[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Tags;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an object tags; others that it has stay. Its operators may. */
  "user.tag.set": {
    params: { kind: TagKind; object_id: number | string; tags: Record<string, string>; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Tags;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "tag_limit" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One template. */
  "user.template.get_by_id": {
    params: { template_id: number | string; cluster?: number | string | null };
    result: Template;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** All templates, the smallest first. */
  "user.template.get_list": {
    params: { cluster?: number | string | null };
    result: Template[] | { items: (Template & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** A secret for an authenticator, told this once, also as the uri of a QR code. It counts once it is confirmed. */
  "user.totp.begin": {
    params: { dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: BegunFactor;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "totp_active" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Turn the second factor on with a code of the authenticator. The answer holds recovery_codes, told this once. */
  "user.totp.confirm": {
    params: { otp: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: RecoveryCodes;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "totp_active" | "totp_missing" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "otp_refused" | "not_authenticated" | "otp_required";
  };
  /** Turn the second factor off, with a code (or a recovery code) and the password. */
  "user.totp.disable": {
    params: { otp: string; password: string; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "not_supported" | "totp_missing" | "request_id_reused" | "object_not_found" | "session_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "otp_refused" | "not_authenticated" | "otp_required";
  };
  /** Whether it is on, and how many recovery codes are left. */
  "user.totp.get": {
    params: {};
    result: SecondFactor;
    errors: "incident" | "invalid_parameter" | "too_large" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "object_not_found" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "not_authenticated" | "otp_required";
  };
  /** Have what was offered to the caller be theirs from now on: it counts in their quota, and nobody else has a level on it any more. */
  "user.transfer.accept": {
    params: { transfer_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Transfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_transferable" | "object_told_twice" | "transfer_closed" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "transfer_not_yours" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Offer an object of the caller's own to another account, which is told; it stays the caller's until that accepts. With a VM go the disks that it has attached, and their snapshots. */
  "user.transfer.create": {
    params: { kind: TransferKind; object_id: number | string; login?: string | null; account_number?: string | null; text?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: OfferedTransfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_transferable" | "object_told_twice" | "transfer_offered" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "owners_alone" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Decline what was offered to the caller; whoever offered it is told. */
  "user.transfer.decline": {
    params: { transfer_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Transfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "transfer_closed" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "transfer_not_yours" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The offer that a link is about, where it was made to the caller; it is accepted by its ``transfer_id``. */
  "user.transfer.find": {
    params: { token: string; cluster?: number | string | null };
    result: Transfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** An offer that the caller made, or that was made to them. */
  "user.transfer.get_by_id": {
    params: { transfer_id: number | string; cluster?: number | string | null };
    result: Transfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Offers that the caller made, and that were made to them, newest first. */
  "user.transfer.get_list": {
    params: { answered?: boolean; limit?: number; before?: number | null; cluster?: number | string | null };
    result: Transfer[] | { items: (Transfer & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take back an offer of the caller's that nobody has answered. */
  "user.transfer.withdraw": {
    params: { transfer_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Transfer;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "transfer_closed" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "transfer_not_yours" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's quotas, what is used of them and what is left. */
  "user.user.check_quota": {
    params: { cluster?: number | string | null };
    result: QuotaUse;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What the caller's VMs cost in a month, by default the present one, and how it came to that. */
  "user.user.points_history": {
    params: { month?: string; cluster?: number | string | null };
    result: PointsHistory;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a port of a VM be reached from outside by a port of a shared public address, as far as its security groups let others in. It is answered with, also if it is there already; ``user.vm.get_by_id`` lists them. */
  "user.vm.add_port": {
    params: { vm_id: number | string; guest_port: number; protocol?: PortProtocol; nic?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: PublicPort;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_public_port" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "not_reachable" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Open a VM's screen over VNC. */
  "user.vm.attach_vnc": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Screen;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Create virtual machines: claim what they need and start them. */
  "user.vm.create": {
    params: { name: string; description: string; image_id: number | string | null; template_id: number | string; public_ip_id?: number | string | null; iso_list?: (number | string)[] | null; disk_list?: (number | string)[] | null; vnc?: boolean; groups?: number[] | null; count?: number; user_data?: string | null; ssh_key?: string | null; ssh_username?: string | null; on_poweroff?: PowerOffPolicy; deploy_mode?: DeployMode; disk_mib?: number | null; local_disk?: boolean | null; new_disks?: number[] | null; new_disks_match?: Match; networks?: (number | string)[] | null; addresses?: string[] | null; security_group_ids?: (number | string)[] | null; user_data_encoding?: UserDataEncoding; tags?: Record<string, string> | null; guarded?: boolean; kbit_in?: number | null; kbit_out?: number | null; imds_tokens?: MetadataTokens | null; imds_hop_limit?: number | null; imds_enabled?: boolean | null; imds_ipv6?: boolean | null; imds_tags?: boolean | null; affinity_group_id?: number | string | null; expiry_id?: number | string | null; vm_template_id?: number | string | null; metadata?: MetadataSource | null; firmware?: Firmware | null; machine?: MachineType | null; boot_menu_s?: number | null; cpu_model?: CpuModel | null; max_cpu?: number | null; max_memory_mib?: number | null; dns?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: CreatedVM[];
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "no_free_address" | "no_free_port" | "no_storage" | "points_used_up" | "pool_full" | "quota_reached" | "storage_full" | "tag_limit" | "address_taken" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "name_taken" | "network_overlaps" | "no_cpu_baseline" | "no_variables" | "not_reachable" | "object_told_twice" | "storage_draining" | "version_changed" | "vm_busy" | "request_id_reused" | "object_not_found" | "access_needed" | "bandwidth_refused" | "not_cluster_administrator" | "owner_blocked" | "permission_needed" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take a snapshot of all disks that a VM writes to, at one moment. Its memory is not kept: taken back to it, the VM boots. */
  "user.vm.create_snapshot": {
    params: { vm_id: number | string; name: string; description?: string; freeze?: Freeze; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SnapshotWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "storage_full" | "too_many_snapshots" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "disk_wrong_state" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Destroy VMs: cut their power and delete their disks. */
  "user.vm.destroy": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Close a VM's screen: the password that ``attach_vnc`` gave works no more. */
  "user.vm.detach_vnc": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: Screen;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a VM's name, description or servers for names, or, while it is stopped, its machine; what is left out stays. Its operators may. */
  "user.vm.edit": {
    params: { vm_id: number | string; name?: string | null; description?: string | null; firmware?: Firmware | null; machine?: MachineType | null; boot_menu_s?: number | null; cpu_model?: CpuModel | null; dns?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "cluster_incompatible" | "cluster_locked" | "no_cpu_baseline" | "no_variables" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take the CD out of a drive of a VM, running or stopped. Its operators may. */
  "user.vm.eject_cd": {
    params: { vm_id: number | string; device?: string | null; force?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DriveWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make an SSH key (Ed25519) for an account of a running VM's guest, within it, if it has none: its private part stays there. Its owners may; it takes Wawel's own agent. */
  "user.vm.generate_key": {
    params: { vm_id: number | string; user?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestOwnKey;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "agent_needed" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Everything about one of the caller's VMs, also a destroyed one, or about one that is shared with them. */
  "user.vm.get_by_id": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: VMDetail;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What to type, or to open, to reach a VM: by ssh, rdp (Windows), vnc or http, from outside by its public addresses and ports, from its networks by its own addresses, and at its screen where that is open. Its security groups have to let callers in. Its serial console is ``open_console``'s. */
  "user.vm.get_connections": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: Entrance[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The last bytes of what a VM wrote to its serial console. */
  "user.vm.get_console": {
    params: { vm_id: number | string; limit?: number; cluster?: number | string | null };
    result: string;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "object_not_found" | "volume_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's VMs, newest first; destroyed ones only if ``closed``. */
  "user.vm.get_list": {
    params: { limit?: number; before?: number | null; closed?: boolean; shared?: boolean; cluster?: number | string | null };
    result: ListedVM[] | { items: (ListedVM & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** How busy VMs were over the last 1, 5 and 15 minutes, as means of their CPU: 100 is one CPU. */
  "user.vm.get_load": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null };
    result: VMLoad[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What a running VM's screen shows now, as a picture: also where ``attach_vnc`` has not opened it. */
  "user.vm.get_screenshot": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: Screenshot;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a running VM's guest make its root file system as large as its disk, as after ``user.disk.grow``: the partition first, where it is the last one. Its operators may; it takes Wawel's own agent. */
  "user.vm.grow_root": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestRoot;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "agent_needed" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What a running VM's guest tells of itself: its host name, system, addresses, file systems, and who is logged in. ``way`` says how it was asked; a guest that has no agent is refused with that reason. */
  "user.vm.guest_info": {
    params: { vm_id: number | string; cluster?: number | string | null };
    result: GuestInfo;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put an ISO image into a CD drive of a VM, running or stopped, in place of what is in it. Its operators may. */
  "user.vm.insert_cd": {
    params: { vm_id: number | string; iso_image_id: number | string; device?: string | null; force?: boolean; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: DriveWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let SSH keys log in to a running VM's guest, beside those that may. Its owners may. */
  "user.vm.install_keys": {
    params: { vm_id: number | string; keys: string; user?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestKeys;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's VMs, newest first, with their network cards, disks and tags: in one answer what else takes one of each kind's. */
  "user.vm.list_whole": {
    params: { uuids?: string[] | null; ended_s?: number; limit?: number; before?: number | null; cluster?: number | string | null };
    result: WholeVM[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a running VM's guest mount what another host shares, until its next boot. The guest needs the programs for it (nfs-common, cifs-utils, sshfs). Its owners may; it takes Wawel's own agent. */
  "user.vm.mount_share": {
    params: { vm_id: number | string; kind: ShareKind; source: string; mountpoint: string; user?: string; password?: string | null; key?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestChange;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "agent_needed" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let the caller speak to a running VM's serial console, or look at its screen, which ``attach_vnc`` has opened: by a WebSocket, whose bytes are the console's, or VNC's without a password. */
  "user.vm.open_console": {
    params: { vm_id: number | string; kind?: ConsoleKind; force?: boolean; origin?: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: ConsoleTicket;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "screen_closed" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What may be asked of VMs as they are now and, of the rest, why not: by the caller's level, the VM's state, and what is under way. What else a call may be refused for, such as a quota, it tells itself; ``dry_run`` finds out. */
  "user.vm.operations": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null };
    result: VMOffers[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give an account of a running VM's guest another password, by the way that the guest has. Its owners may. */
  "user.vm.password_reset": {
    params: { vm_id: number | string; user?: string | null; password?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestPassword;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Halt a VM's CPUs; its memory stays in place. */
  "user.vm.pause": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Ask a running VM's guest to reboot: by the agent that it has, else by Ctrl+Alt+Del, which it may ignore; ``reset`` asks nobody. Its operators may. */
  "user.vm.reboot": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestChange;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Take VMs out of the trash again: they are stopped, and have all that they had. A lease of theirs begins anew. */
  "user.vm.recover": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let SSH keys log in to a running VM's guest no more; those that are not there are no error. Its owners may. */
  "user.vm.remove_keys": {
    params: { vm_id: number | string; keys: string; user?: string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestKeys;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a port of a VM be reached from outside no more. */
  "user.vm.remove_port": {
    params: { vm_id: number | string; guest_port: number; protocol?: PortProtocol; nic?: number; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Press the reset buttons of running VMs. */
  "user.vm.reset": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a VM another size: a stopped one from its next start on, one that runs as it runs, within what it was prepared for. It is counted of the quota at once, and costs what the new size does. Its disks stay as they are. Its owners may. */
  "user.vm.resize": {
    params: { vm_id: number | string; template_id: number | string; max_cpu?: number | null; max_memory_mib?: number | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "image_needs_more" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_capacity" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "not_prepared" | "object_told_twice" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Let a paused VM go on. */
  "user.vm.resume": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a new system image of a VM's root disk, as it is at one moment, while the VM goes on. */
  "user.vm.save": {
    params: { vm_id: number | string; name: string; description?: string; freeze?: Freeze; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SavedVM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "image_wrong_state" | "in_use" | "not_supported" | "object_told_twice" | "storage_not_on_node" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Shut a VM down and keep its root disk as a new system image, which new VMs can boot from. */
  "user.vm.save_and_shutdown": {
    params: { vm_id: number | string; name: string; description: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SavedVM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "storage_not_on_node" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a VM template of a VM, as it is at one moment, while the VM goes on: an image of its root disk as by ``save``, and what the VM template that it was made by says beside. */
  "user.vm.save_as_template": {
    params: { vm_id: number | string; name?: string | null; description?: string; freeze?: Freeze; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: SavedTemplate;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "no_storage" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "disk_held" | "not_supported" | "object_told_twice" | "storage_not_on_node" | "version_changed" | "vm_busy" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put a VM into an affinity group of its owner's, and out of the one that it was in, which tells where it starts and moves to from then on. Its owners may. */
  "user.vm.set_affinity_group": {
    params: { vm_id: number | string; affinity_group_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Say what a VM boots from, from its next start on. Its operators may. */
  "user.vm.set_boot_order": {
    params: { vm_id: number | string; devices: string[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Give a running VM's guest another host name, now and after its next boot. The VM's name is not changed by it, nor what its network's names call it. Its operators may; it takes Wawel's own agent. */
  "user.vm.set_hostname": {
    params: { vm_id: number | string; hostname: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestHostname;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "agent_needed" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Say which other hosts a running VM's guest knows by name, in its /etc/hosts, in place of what this said before; lines of others' making stay. Its operators may; it takes Wawel's own agent. */
  "user.vm.set_hosts": {
    params: { vm_id: number | string; hosts: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestChange;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "agent_needed" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change how a VM's guest is told EC2's metadata, from its next request on; what is left out stays. Its operators may. ``user.vm.get_by_id`` tells all of it (``imds``). */
  "user.vm.set_imds": {
    params: { vm_id: number | string; tokens?: MetadataTokens | null; hop_limit?: number | null; enabled?: boolean | null; ipv6?: boolean | null; tags?: boolean | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change what becomes of a VM whose guest powers itself off, crashes or hangs, or whose host fails, or whether it is guarded; what is left out stays. Its owners may. ``user.vm.get_by_id`` tells all. */
  "user.vm.set_policy": {
    params: { vm_id: number | string; on_poweroff?: PowerOffPolicy | null; guarded?: boolean | null; on_host_failure?: HostFailurePolicy | null; on_crash?: CrashPolicy | null; on_hang?: HangPolicy | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VM;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Set the clock of a running VM's guest to that of the cluster manager. Its operators may. */
  "user.vm.set_time": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestChange;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "node_busy" | "node_unreachable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "hypervisor_error" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "domain_not_running" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Ask a VM's guest to shut down; its disk, address and quota stay. */
  "user.vm.shutdown": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Start a stopped VM, on any node that reaches its disks. */
  "user.vm.start": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** What VMs used over a time, as series with totals: CPU, memory, disks, network. */
  "user.vm.statistics": {
    params: { vm_ids: (number | string)[]; metrics?: VMMetric[] | null; resolution_s?: number | null; since?: number | null; until?: number | null; devices?: boolean; cluster?: number | string | null };
    result: MeasuredVM[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Cut a VM's power; its disk, address and quota stay. */
  "user.vm.stop": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Suspend a running VM: its guest's memory is written to the storage of its root disk, where it counts of its account's quota, and its node's CPUs and memory are free for others, until ``wake_up``. Its disks stay as they are meanwhile; should the memory not fit, the guest goes on. ``stop`` forgets the memory: the VM is stopped then. */
  "user.vm.suspend": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "quota_reached" | "storage_full" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "operation_not_abandonable" | "storage_draining" | "storage_locked" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "owner_blocked" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Put VMs into the trash: cut their power, and keep all that they have, on the quota too, until they are recovered (``user.vm.recover``), or destroyed: by a call, or by themselves after ``cluster.vm_trash_s``. */
  "user.vm.trash": {
    params: { vm_ids: (number | string)[]; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMOutcome[];
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a running VM's guest unmount what ``mount_share`` mounted. Its owners may; it takes Wawel's own agent. */
  "user.vm.unmount_share": {
    params: { vm_id: number | string; mountpoint: string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: GuestChange;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "agent_needed" | "agent_refused" | "agent_silent" | "cluster_incompatible" | "cluster_locked" | "not_supported" | "object_told_twice" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Have a suspended VM go on, on any node that reaches its disks and has a CPU like that of its node. Where that fails it stays suspended. */
  "user.vm.wake_up": {
    params: { vm_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMWork;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "points_used_up" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "operation_not_abandonable" | "version_changed" | "vm_busy" | "vm_guarded" | "vm_wrong_state" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Save a size and a VM template under a name: any size goes with any template. */
  "user.vm_profile.create": {
    params: { name: string; vm_template_id: number | string; template_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMProfile;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a profile; neither its size nor its VM template goes with it. */
  "user.vm_profile.delete": {
    params: { vm_profile_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a profile's name or size; what is not given stays. */
  "user.vm_profile.edit": {
    params: { vm_profile_id: number | string; name?: string | null; template_id?: number | string | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMProfile;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "name_taken" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of the caller's profiles. */
  "user.vm_profile.get_by_id": {
    params: { vm_profile_id: number | string; cluster?: number | string | null };
    result: VMProfile;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The caller's profiles, by name. */
  "user.vm_profile.get_list": {
    params: { cluster?: number | string | null };
    result: VMProfile[] | { items: (VMProfile & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Make a VM template. What is not given it has of its parent, or leaves open. */
  "user.vm_template.create": {
    params: { name: string; description?: string; parent_template_id?: number | string | null; image_id?: number | string | null; iso_list?: (number | string)[] | null; new_disks?: number[] | null; networks?: (number | string)[] | null; system?: string | null; access_method?: AccessMethod | null; has_agent?: boolean | null; traits?: string[] | null; tags?: Record<string, string> | null; firmware?: Firmware | null; machine?: MachineType | null; boot_menu_s?: number | null; cpu_model?: CpuModel | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMTemplate;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "quota_reached" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "object_told_twice" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Delete a VM template that no other of its account is made of; VMs that were made by it go on. Its owners may. */
  "user.vm_template.delete": {
    params: { vm_template_id: number | string; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: null;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "in_use" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** Change a VM template; what is not given stays. VMs that were made by it stay as they are. Its owners may. */
  "user.vm_template.edit": {
    params: { vm_template_id: number | string; name?: string | null; description?: string | null; parent_template_id?: number | string | null; image_id?: number | string | null; iso_list?: (number | string)[] | null; new_disks?: number[] | null; networks?: (number | string)[] | null; system?: string | null; access_method?: AccessMethod | null; has_agent?: boolean | null; traits?: string[] | null; tags?: Record<string, string> | null; inherit?: TemplateField[] | null; orphan?: boolean; firmware?: Firmware | null; machine?: MachineType | null; boot_menu_s?: number | null; cpu_model?: CpuModel | null; cluster?: number | string | null; dry_run?: boolean; request_id?: string | null; if_version?: number | null };
    result: VMTemplate;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "commit_unknown" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "rate_limited" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "image_wrong_state" | "object_told_twice" | "version_changed" | "request_id_reused" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** One of them. */
  "user.vm_template.get_by_id": {
    params: { vm_template_id: number | string; cluster?: number | string | null };
    result: ListedVMTemplate;
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "access_needed" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
  /** The VM templates that the caller may make VMs by: their own, and those that are shared with them, by name. */
  "user.vm_template.get_list": {
    params: { cluster?: number | string | null };
    result: ListedVMTemplate[] | { items: (ListedVMTemplate & { cluster: string })[]; missing: { cluster: string; code: string; message: string }[] };
    errors: "incident" | "invalid_parameter" | "too_large" | "cluster_refused" | "cluster_unavailable" | "database_unavailable" | "deadline_exceeded" | "overloaded" | "stopping" | "too_many_at_once" | "too_many_logins" | "cluster_incompatible" | "cluster_locked" | "object_told_twice" | "object_not_found" | "not_cluster_administrator" | "account_blocked" | "account_inactive" | "role_needed" | "scope_needed" | "token_refused" | "not_authenticated" | "otp_required";
  };
}

export type Method = keyof Methods;
/** The slugs that a method can be refused with: `switch (error.slug as Slug<"user.vm.create">)`. */
export type Slug<M extends Method> = Methods[M]["errors"];
export type Params<M extends Method> = Methods[M]["params"];
export type Given<M extends Method> = {} extends Params<M> ? [params?: Params<M>] : [params: Params<M>];

/** What the server answered in place of a result; `slug` is for ever, the message is for people. */
export class WawelError extends Error {
  readonly code: number;
  readonly slug: string;
  readonly fields: Record<string, unknown>;
  /** Whether the same call may succeed later, unchanged. */
  readonly retry: boolean;

  constructor(
    code: number,
    message: string,
    data?: { slug?: string; fields?: Record<string, unknown>; retry?: boolean },
  ) {
    super(message);
    this.name = "WawelError";
    this.code = code;
    this.slug = data?.slug ?? "error";
    this.fields = data?.fields ?? {};
    this.retry = data?.retry ?? false;
  }
}

export interface Options {
  /** `https://host:port`, without a path. */
  url: string;
  /** A session's token or an API key. */
  token?: string;
  login?: string;
  password?: string;
  /** Milliseconds that a call may take; 40,000 without it. */
  timeout?: number;
}

export class Client {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #timeout: number;
  #last = 0;

  constructor(options: Options) {
    this.#url = options.url.replace(/\/+$/, "") + "/jsonrpc";
    this.#headers = { "content-type": "application/json" };
    this.#timeout = options.timeout ?? 40_000;
    if (options.token !== undefined) {
      this.#headers["authorization"] = "Bearer " + options.token;
    } else if (options.login !== undefined) {
      const pair = new TextEncoder().encode(options.login + ":" + (options.password ?? ""));
      this.#headers["authorization"] = "Basic " + btoa(String.fromCharCode(...pair));
    }
  }

  /** @throws {WawelError} What the server refused. Whatever else is thrown is `fetch`'s: no answer came. */
  async call<M extends Method>(method: M, ...given: Given<M>): Promise<Methods[M]["result"]> {
    this.#last += 1;
    const response = await fetch(this.#url, {
      method: "POST",
      headers: this.#headers,
      body: JSON.stringify({ jsonrpc: "2.0", id: this.#last, method, params: given[0] ?? {} }),
      signal: AbortSignal.timeout(this.#timeout),
    });
    const answer = await response.json();
    if (answer.error !== undefined) {
      throw new WawelError(answer.error.code, answer.error.message, answer.error.data);
    }
    return answer.result;
  }
}
