import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { locks } from "../../kinds/locks.ts";
import { NAME } from "../../model/fields.ts";
import { given, numberOf, textOf } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

type Pool = ItemOf<"admin.pool.get_list"> & Placed;
const c = columns<Pool>();

const SPEC: ListSpec<Pool> = {
  title: "menu.pools",
  columns: [
    c.text("name", "column.name"), c.text("network", "networks.range"), c.text("network6", "pools.range6", { isMinor: true }),
    c.of("prefix", "pools.prefixes", (row) => row.prefix_default, { show: (row) => `/${row.prefix_min} – /${row.prefix_max}`, isMinor: true }),
    c.text("networks", "pools.networks"), c.yes("locked", "admin.locked"),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    ...locks<Pool>("pool", ({ pool_id }) => ({ pool_id }), "pools.lockHelp"),
    {
      key: "delete", title: "action.delete", isDanger: true, may: (row) => row.networks === 0, confirm: { title: "confirm.delete", help: "pools.deleteHelp" },
      request: ({ pool_id, cluster }) => ask("admin.pool.delete", { pool_id, cluster }),
    },
  ],
  none: ["pools.none", "pools.noneHelp"],
};

export default function Pools({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(
    () => [{
      key: "add-pool", title: "pools.add", help: "pools.addHelp",
      fields: [
        NAME, { name: "network", label: "networks.range" }, { name: "network6", label: "pools.range6" },
        { name: "prefix_default", label: "pools.prefix", help: "networks.maskHelp", as: "number", min: 8, max: 30 },
      ],
      request: (values) =>
        ask("admin.pool.add", { cluster, name: textOf(values, "name"), ...given(values, "network", "network6"), prefix_default: numberOf(values, "prefix_default") ?? null }),
    }],
    [cluster],
  );
  return <ListPage spec={SPEC} making={making} source={ofCluster("admin.pool.get_list", cluster, { kinds: ["", "pool", "network"], all: true })} />;
}
