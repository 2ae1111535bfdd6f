import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { locks } from "../../kinds/locks.ts";
import { NAME } from "../../model/fields.ts";
import { given, textOf } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

type Network = ItemOf<"admin.network.get_list"> & Placed;
const c = columns<Network>();

const SPEC: ListSpec<Network> = {
  title: "menu.networks",
  columns: [
    c.text("name", "column.name"), c.text("network", "networks.range"), c.text("kind", "column.kind", { isMinor: true }),
    c.of("leases", "networks.used", (row) => row.leases_used, { show: (row, { t }) => t("networks.usedOf", { used: row.leases_used, of: row.leases }), isMinor: true }),
    c.text("user_id", "column.ownerId", { isMinor: true }), c.yes("locked", "admin.locked"), c.text("bridge", "networks.bridge", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    ...locks<Network>("network", ({ network_id }) => ({ pool_id: network_id }), "networks.lockHelp"),
    {
      key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "networks.deleteHelp" },
      request: ({ network_id, cluster }) => ask("admin.network.delete", { pool_id: network_id, cluster }),
    },
  ],
  none: ["admin.noNetworks", "admin.noNetworksHelp"],
};

export default function Networks({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(
    () => [{
      key: "add-network", title: "admin.addNetwork",
      fields: [
        NAME, { name: "network", label: "networks.range", help: "networks.adminRangeHelp" }, { name: "gateway", label: "column.gateway" },
        { name: "bridge", label: "networks.bridge" }, { name: "dns", label: "column.dns" },
      ],
      request: (values) => ask("admin.network.add", { cluster, name: textOf(values, "name"), ...given(values, "network", "gateway", "bridge", "dns") }),
    }],
    [cluster],
  );
  return <ListPage spec={SPEC} making={making} source={ofCluster("admin.network.get_list", cluster, { kinds: ["network"], all: true })} />;
}
