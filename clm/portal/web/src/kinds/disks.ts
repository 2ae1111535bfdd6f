// Disks: their lists, what is shown of them and done to them.
import { CLUSTER, machineOptions, storageOptions } from "../api/options.ts";
import { everywhere, ofCluster, type ItemOf, type Placed, type Source } from "../api/list.ts";
import { ask } from "../api/request.ts";
import { call } from "../api/rpc.ts";
import type { Action } from "../model/action.ts";
import { BUSES, DESCRIPTION, MIB_OF_GIB, NAME, named, plainly, SIZE_GIB } from "../model/fields.ts";
import { given, isSet, numberOf, textOf, type Field, type Values } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import { columns } from "../ui/columns.tsx";
import type { Column, ListSpec } from "../ui/List.tsx";
import type { Offers } from "../ui/offers.ts";
import type { Making } from "../ui/parts.tsx";
import type { DiskBus, Filesystem, Freeze } from "../api/wawel.ts";
import { refusals } from "./offers.ts";

export type Disk = ItemOf<"user.disk.get_list"> & Placed;
export type Snapshot = ItemOf<"user.snapshot.get_list"> & Placed;

const PAGED = ["before", "disk_id"] as const;
export const DISKS = everywhere("user.disk.get_list", { page: PAGED, kinds: ["disk"] }, { kind: "storage" });
export const TRASH = everywhere("user.disk.get_list", { page: PAGED, kinds: ["disk"] }, { trashed: true });
export const SHARED_DISKS = everywhere("user.disk.get_list", { page: PAGED, kinds: ["disk"] }, { shared: true });

const c = columns<Disk>();
export const DISK_COLUMNS: readonly Column<Disk>[] = [
  c.link("name", "column.name", (row) => addressTo("disk", { uuid: row.uuid })),
  c.status("state", "column.state", "diskState"),
  c.bytes("size_bytes", "column.size", { isMinor: false }),
  c.of("vms", "column.attachedTo", (row) => row.attachments.map((each) => each.vm_name).join(", "), { isMinor: true }),
  c.text("storage_name", "column.storage", { isMinor: true }),
  c.text("cluster", "column.cluster", { isMinor: true }),
];

const isFree = (row: Disk): boolean => row.attachments.length === 0;
const isWhole = (row: Disk): boolean => row.state === "ok" && row.operation_id === null;
const of = ({ disk_id, cluster }: Disk): { disk_id: number; cluster: string } => ({ disk_id, cluster });
const storageOf = (values: Values): { storage_id?: number } => {
  const id = numberOf(values, "storage_id");
  return id === undefined ? {} : { storage_id: id };
};
const storageField = (cluster?: string): Field =>
  ({ name: "storage_id", label: "column.storage", as: "select", options: storageOptions(cluster), help: "field.storageHelp" });
export const FREEZE: Field = {
  name: "freeze", label: "field.freeze", help: "field.freezeHelp", as: "select", isRequired: true, initial: "auto",
  options: [{ value: "auto", title: "freeze.auto" }, { value: "yes", title: "freeze.yes" }, { value: "no", title: "freeze.no" }],
};

export const MAKE_DISK: Making = {
  key: "make-disk",
  title: "disks.create",
  fields: [
    NAME, SIZE_GIB, DESCRIPTION, CLUSTER,
    { name: "filesystem", label: "field.filesystem", help: "field.filesystemHelp", as: "select", options: plainly(["ext4", "xfs", "vfat", "ntfs"]) },
  ],
  request: (values) =>
    ask("user.disk.create", {
      name: textOf(values, "name"), size_mib: (numberOf(values, "size_mib") ?? 0) * MIB_OF_GIB, description: textOf(values, "description"),
      ...given(values, "cluster"), ...(given(values, "filesystem") as { filesystem?: Filesystem }),
    }),
};

export const ATTACH_FIELDS: readonly Field[] = [
  { name: "bus", label: "field.bus", as: "select", isRequired: true, initial: "virtio", options: BUSES },
  { name: "read_only", label: "field.readOnly", as: "check" },
  { name: "delete_with_vm", label: "field.deleteWithVm", as: "check" },
];
export const attachParams = (values: Values): { bus: DiskBus; read_only: boolean; delete_with_vm: boolean } =>
  ({ bus: textOf(values, "bus") as DiskBus, read_only: isSet(values, "read_only"), delete_with_vm: isSet(values, "delete_with_vm") });

/** What the server says of disks, which hangs on the machines that have them, too. */
export const DISK_OFFERS: Offers<Disk> = {
  key: (row) => `${row.uuid}@${row.version}`,
  kinds: ["disk", "vm", "snapshot"],
  ask: (rows) => refusals(rows, DISK_OFFERS.key, (cluster, all) => call("user.disk.operations", { cluster, disk_ids: all.map((row) => row.disk_id) })),
};

export const DISK_ACTIONS: readonly Action<Disk>[] = [
  {
    key: "attach", title: "action.attach", call: "user.disk.attach", may: (row) => isWhole(row),
    fields: (row) => [
      { name: "vm_id", label: "column.machine", as: "select", isRequired: true, options: machineOptions(row.cluster) }, ...ATTACH_FIELDS,
    ],
    request: (row, values) => ask("user.disk.attach", { ...of(row), vm_id: numberOf(values, "vm_id") ?? 0, ...attachParams(values) }),
  },
  {
    key: "detach", title: "action.detach", call: "user.disk.detach", may: (row) => row.attachments.length > 0,
    confirm: { title: "disks.detachAsk", help: "disks.detachHelp" },
    request: (row) => ask("user.disk.detach", { ...of(row), vm_id: row.attachments[0]?.vm_id ?? 0 }),
  },
  {
    key: "grow", title: "action.grow", call: "user.disk.grow", may: isWhole,
    fields: (row) => {
      const now = Math.ceil(row.size_bytes / 2 ** 30);
      return [{ ...SIZE_GIB, initial: String(now + 1), min: now, help: "disks.growHelp" }];
    },
    request: (row, values) => ask("user.disk.grow", { ...of(row), size_mib: (numberOf(values, "size_mib") ?? 0) * MIB_OF_GIB }),
  },
  {
    key: "snapshot", title: "action.snapshot", call: "user.disk.create_snapshot", may: isWhole, fields: () => [NAME, DESCRIPTION, FREEZE],
    request: (row, values) =>
      ask("user.disk.create_snapshot", {
        ...of(row), name: textOf(values, "name"), description: textOf(values, "description"), freeze: textOf(values, "freeze") as Freeze,
      }),
  },
  {
    key: "copy", title: "action.copy", call: "user.disk.copy", may: isWhole, fields: (row) => [NAME, DESCRIPTION, storageField(row.cluster)],
    request: (row, values) =>
      ask("user.disk.copy", { ...of(row), name: textOf(values, "name"), description: textOf(values, "description"), ...storageOf(values) }),
  },
  {
    key: "image", title: "action.toImage", call: "user.disk.to_image", may: isWhole, fields: () => [NAME, DESCRIPTION],
    request: (row, values) =>
      ask("user.disk.to_image", { ...of(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "edit", title: "action.edit", call: "user.disk.edit", fields: named,
    request: (row, values) => ask("user.disk.edit", { ...of(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "delete", title: "action.trash", call: "user.disk.delete", may: isFree, isDanger: true, confirm: { title: "disks.trashAsk", help: "disks.trashHelp" },
    request: (row) => ask("user.disk.delete", of(row)),
  },
];

export const TRASH_ACTIONS: readonly Action<Disk>[] = [
  { key: "restore", title: "action.restore", call: "user.disk.restore", request: (row) => ask("user.disk.restore", of(row)) },
  {
    key: "purge", title: "action.purge", call: "user.disk.purge", isDanger: true, confirm: { title: "trash.purgeAsk", help: "trash.purgeHelp" },
    request: (row) => ask("user.disk.purge", of(row)),
  },
];

const s = columns<Snapshot>();
const SNAPSHOT_COLUMNS: readonly Column<Snapshot>[] = [
  s.text("name", "column.name"),
  s.time("taken", "snapshots.taken", { isMinor: false }),
  s.text("disk_name", "column.disk", { isMinor: true }),
  s.word("consistency", "snapshots.consistency", "consistency", { isMinor: true }),
  s.bytes("size_bytes", "column.size"),
  s.text("description", "column.description", { isMinor: true }),
];

const SNAPSHOT_OFFERS: Offers<Snapshot> = {
  key: (row) => row.uuid,
  kinds: ["disk", "vm", "snapshot"],
  ask: (rows) =>
    refusals(rows, SNAPSHOT_OFFERS.key, (cluster, all) => call("user.snapshot.operations", { cluster, snapshot_ids: all.map((row) => row.snapshot_id) })),
};

const ofSnapshot = ({ snapshot_id, cluster }: Snapshot): { snapshot_id: number; cluster: string } => ({ snapshot_id, cluster });
const SNAPSHOT_ACTIONS: readonly Action<Snapshot>[] = [
  {
    key: "revert", title: "action.revert", call: "user.snapshot.revert", isDanger: true, confirm: { title: "snapshots.revertAsk", help: "snapshots.revertHelp" },
    request: (row) => ask("user.snapshot.revert", ofSnapshot(row)),
  },
  {
    key: "disk", title: "action.toDisk", call: "user.snapshot.create_disk", fields: () => [NAME, DESCRIPTION],
    request: (row, values) =>
      ask("user.snapshot.create_disk", { ...ofSnapshot(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "image", title: "action.toImage", call: "user.snapshot.to_image", fields: () => [NAME, DESCRIPTION],
    request: (row, values) =>
      ask("user.snapshot.to_image", { ...ofSnapshot(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "edit", title: "action.edit", call: "user.snapshot.edit", fields: named,
    request: (row, values) =>
      ask("user.snapshot.edit", { ...ofSnapshot(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "delete", title: "action.delete", call: "user.snapshot.delete", isDanger: true, confirm: { title: "confirm.delete", help: "confirm.deleteHelp" },
    request: (row) => ask("user.snapshot.delete", ofSnapshot(row)),
  },
];

export const SNAPSHOT_LIST: ListSpec<Snapshot> = {
  title: "snapshots.title",
  columns: SNAPSHOT_COLUMNS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: SNAPSHOT_ACTIONS,
  offers: SNAPSHOT_OFFERS,
  none: ["snapshots.none", "snapshots.noneHelp"],
};

/** Those of a disk, or of the disks that a machine writes to. */
export const snapshotsOf = (cluster: string, whose: { disk_id: number } | { vm_id: number }): Source<Snapshot> =>
  ofCluster("user.snapshot.get_list", cluster, { page: ["before", "snapshot_id"], kinds: ["snapshot", "disk", "vm"] }, whose);
