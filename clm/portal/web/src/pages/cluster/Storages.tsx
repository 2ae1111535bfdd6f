import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { call } from "../../api/rpc.ts";
import type { StorageKind } from "../../api/wawel.ts";
import { locks } from "../../kinds/locks.ts";
import { NAME, plainly } from "../../model/fields.ts";
import { given, isSet, numberOf, textOf, type Field } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

type Storage = ItemOf<"admin.storage.get_list"> & Placed;
const c = columns<Storage>();
const of = ({ storage_id, cluster }: Storage): { storage_id: number; cluster: string } => ({ storage_id, cluster });

const nodeField = (cluster: string): Field => ({
  name: "node_id", label: "column.node", as: "select", isRequired: true,
  options: async () => {
    const rows = await call("admin.node.get_list", { cluster });
    return Array.isArray(rows) ? rows.map((row) => ({ value: String(row.node_id), text: row.name })) : [];
  },
});

const SPEC: ListSpec<Storage> = {
  title: "menu.storages",
  columns: [
    c.text("name", "column.name"), c.word("kind", "column.kind", "storageKind"),
    c.of("claimed", "storages.claimed", (row) => row.claimed_bytes, {
      show: (row, { t, bytes }) => t("quota.usedOf", { used: bytes(row.claimed_bytes), of: bytes(row.capacity_bytes) }), isMinor: true,
    }),
    c.of("nodes", "menu.nodes", (row) => row.nodes.map((each) => each.name).join(", "), { isMinor: true }),
    c.yes("is_default", "storages.isDefault"), c.yes("offered", "storages.offered"), c.yes("locked", "admin.locked", { isMinor: false }), c.yes("draining", "storages.draining"),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
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
  ],
  none: ["storages.none", "storages.noneHelp"],
};

export default function Storages({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(
    () => [{
      key: "add-storage", title: "storages.add",
      fields: [
        NAME, { name: "kind", label: "column.kind", as: "select", isRequired: true, initial: "netfs", options: plainly(["netfs", "dir", "logical"]) },
        { name: "path", label: "storages.path" }, { name: "address", label: "column.address", isShown: (values) => values["kind"] === "netfs" },
        { name: "source", label: "storages.source", help: "storages.sourceHelp", isShown: (values) => values["kind"] !== "dir" },
      ],
      request: (values) => ask("admin.storage.add", { cluster, name: textOf(values, "name"), kind: textOf(values, "kind") as StorageKind, ...given(values, "path", "address", "source") }),
    }],
    [cluster],
  );
  return <ListPage spec={SPEC} making={making} source={ofCluster("admin.storage.get_list", cluster, { kinds: ["storage"], all: true })} />;
}
