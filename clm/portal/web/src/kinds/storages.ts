// Storages: what is shown of them and done to them.
import { ofCluster, type ItemOf, type Placed, type Source } from "../api/list.ts";
import { ask } from "../api/request.ts";
import { call } from "../api/rpc.ts";
import type { Action } from "../model/action.ts";
import { NAME } from "../model/fields.ts";
import { isSet, numberOf, textOf, type Field } from "../model/form.ts";
import { locks } from "./locks.ts";

export type Storage = ItemOf<"admin.storage.get_list"> & Placed;
const of = ({ storage_id, cluster }: Storage): { storage_id: number; cluster: string } => ({ storage_id, cluster });

const nodeField = (cluster: string): Field => ({
  name: "node_id", label: "column.node", as: "select", isRequired: true,
  options: async () => {
    const rows = await call("admin.node.get_list", { cluster });
    return Array.isArray(rows) ? rows.map((row) => ({ value: String(row.node_id), text: row.name })) : [];
  },
});

export const storagesOf = (cluster: string): Source<Storage> => ofCluster("admin.storage.get_list", cluster, { kinds: ["storage"], all: true });

export const STORAGE_ACTIONS: readonly Action<Storage>[] = [
  ...locks<Storage>("storage", ({ storage_id }) => ({ storage_id }), "storages.lockHelp"),
  { key: "drain", title: "storages.drain", may: (row) => !row.draining, confirm: { title: "storages.drainAsk", help: "storages.drainHelp" }, request: (row) => ask("admin.storage.drain", of(row)) },
  { key: "undrain", title: "storages.undrain", may: (row) => row.draining, request: (row) => ask("admin.storage.undrain", of(row)) },
  { key: "default", title: "storages.setDefault", may: (row) => !row.is_default, request: (row) => ask("admin.storage.set_default", { ...of(row), is_default: true }) },
  { key: "attach", title: "action.attach", fields: (row) => [nodeField(row.cluster)], request: (row, values) => ask("admin.storage.attach", { ...of(row), node_id: numberOf(values, "node_id") ?? 0 }) },
  { key: "detach", title: "action.detach", may: (row) => row.nodes.length > 0, fields: (row) => [nodeField(row.cluster)], request: (row, values) => ask("admin.storage.detach", { ...of(row), node_id: numberOf(values, "node_id") ?? 0 }) },
  {
    key: "edit", title: "action.edit",
    fields: (row) => [{ ...NAME, initial: row.name }, { name: "priority", label: "nodes.priority", as: "number", isRequired: true, initial: String(row.priority) }, { name: "offered", label: "storages.offered", help: "storages.offeredHelp", as: "check", initial: row.offered }],
    request: (row, values) => ask("admin.storage.edit", { ...of(row), name: textOf(values, "name"), priority: numberOf(values, "priority") ?? null, offered: isSet(values, "offered") }),
  },
  { key: "delete", title: "action.delete", isDanger: true, may: (row) => row.nodes.length === 0, confirm: { title: "confirm.delete", help: "storages.deleteHelp" }, request: (row) => ask("admin.storage.delete", of(row)) },
];
