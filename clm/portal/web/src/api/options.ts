// What forms let people choose from.
import type { Field, Option } from "../model/form.ts";
import { sizeOf } from "../model/machines.ts";
import { machines, type Machine } from "./cloud.ts";
import { call } from "./rpc.ts";

const named = <T>(rows: readonly T[], value: (row: T) => string | number, text: (row: T) => string): Option[] =>
  rows.map((row) => ({ value: String(value(row)), text: text(row) }));

export const clusterOptions = async (): Promise<Option[]> =>
  named(await call("user.cluster.get_list"), (row) => row.name, (row) => row.name);

/** Which cluster something is made in: without a choice, the person's own. */
export const CLUSTER: Field = { name: "cluster", label: "column.cluster", as: "select", options: clusterOptions };

/** Of a cluster, the machines that fit. */
export const machineOptions = (cluster: string, fits: (machine: Machine) => boolean = () => true): Option[] =>
  named(
    machines.snapshot().filter((machine) => machine.cluster === cluster && machine.access !== "user" && fits(machine)),
    (machine) => machine.vm_id,
    (machine) => machine.name,
  );

export const storageOptions = (cluster?: string) => async (): Promise<Option[]> => {
  const rows = await call("user.storage.get_list", { cluster: cluster ?? null });
  return Array.isArray(rows) ? named(rows, (row) => row.storage_id, (row) => row.name) : [];
};

export const sizeOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.template.get_list", { cluster });
  if (!Array.isArray(rows)) return [];
  return rows.map((row) => ({ value: String(row.template_id), said: (words) => `${row.name}: ${sizeOf(row, words)}` }));
};

export const nodeOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("admin.node.get_list", { cluster });
  return Array.isArray(rows) ? named(rows.filter((row) => !row.locked), (row) => row.node_id, (row) => row.name) : [];
};

export const networkOptions = (cluster: string) => async (): Promise<Option[]> =>
  named(await call("user.network.list_user_networks", { cluster }), (row) => row.network_id, (row) => `${row.name} (${row.network})`);

export const securityOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.security_group.get_list", { cluster });
  return Array.isArray(rows) ? named(rows, (row) => row.security_group_id, (row) => row.name) : [];
};

export const groupOptions = async (): Promise<Option[]> =>
  named((await call("user.group.get_list")).filter((row) => row.status === "member"), (row) => row.group_id, (row) => row.name);

/** One's disks that no machine has. */
export const diskOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.disk.get_list", { cluster });
  if (!Array.isArray(rows)) return [];
  return named(rows.filter((row) => row.kind === "storage" && row.attachments.length === 0), (row) => row.disk_id, (row) => row.name);
};

export const isoOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.iso_image.get_list", { cluster });
  return Array.isArray(rows) ? named(rows, (row) => row.image_id, (row) => row.name) : [];
};

/** The expiry leases that one may choose. */
export const expiryOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.expiry.get_list", { cluster });
  return Array.isArray(rows) ? named(rows, (row) => row.expiry_id, (row) => row.name) : [];
};
