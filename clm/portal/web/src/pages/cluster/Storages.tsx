import { useMemo, type ReactNode } from "react";
import { ask } from "../../api/request.ts";
import type { StorageKind } from "../../api/wawel.ts";
import { STORAGE_ACTIONS, storagesOf, type Storage } from "../../kinds/storages.ts";
import { NAME, plainly } from "../../model/fields.ts";
import { given, textOf } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

const c = columns<Storage>();
const SPEC: ListSpec<Storage> = {
  title: "menu.storages",
  columns: [
    c.link("name", "column.name", (row) => addressTo("storage", { cluster: row.cluster, uuid: row.uuid })), c.word("kind", "column.kind", "storageKind"),
    c.of("claimed", "storages.claimed", (row) => row.claimed_bytes, {
      show: (row, { t, bytes }) => t("quota.usedOf", { used: bytes(row.claimed_bytes), of: bytes(row.capacity_bytes) }), isMinor: true,
    }),
    c.of("nodes", "menu.nodes", (row) => row.nodes.map((each) => each.name).join(", "), { isMinor: true }),
    c.yes("is_default", "storages.isDefault"), c.yes("offered", "storages.offered"), c.yes("locked", "admin.locked", { isMinor: false }), c.yes("draining", "storages.draining"),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: STORAGE_ACTIONS,
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
  return <ListPage spec={SPEC} making={making} source={storagesOf(cluster)} />;
}
