import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { locks } from "../../kinds/locks.ts";
import { DESCRIPTION, NAME } from "../../model/fields.ts";
import { given, isSet, numberOf, textOf, type Field, type Values } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

type Pool = ItemOf<"admin.pool.get_list"> & Placed;
const c = columns<Pool>();
const BITS = { as: "number", min: 20, max: 30 } as const;

/** Of a pool that is one network by itself nothing but its description is anybody's to change. */
const fields = (row: Pool): readonly Field[] => [
  ...(row.kind === "vxlan" ? [
    { ...NAME, initial: row.name },
    { name: "network", label: "networks.range", help: "pools.rangeHelp", initial: row.network, isRequired: true },
    { name: "network6", label: "pools.range6", help: "pools.range6Help", initial: row.network6 ?? "" },
    { name: "prefix_default", label: "pools.prefix", initial: String(row.prefix_default), isRequired: true, ...BITS },
    { name: "prefix_min", label: "pools.prefixMin", initial: String(row.prefix_min), isRequired: true, ...BITS },
    { name: "prefix_max", label: "pools.prefixMax", initial: String(row.prefix_max), isRequired: true, ...BITS },
    { name: "overlap", label: "pools.overlap", help: "pools.overlapHelp", as: "check", initial: row.overlap },
  ] as const : []),
  { ...DESCRIPTION, initial: row.description },
];

/** What is as it was is left out: the server looks at networks for what is to be another. */
function changed(row: Pool, values: Values): object {
  const now = {
    name: textOf(values, "name"), network: textOf(values, "network"), network6: textOf(values, "network6"), overlap: isSet(values, "overlap"),
    prefix_default: numberOf(values, "prefix_default"), prefix_min: numberOf(values, "prefix_min"), prefix_max: numberOf(values, "prefix_max"),
    description: textOf(values, "description"),
  };
  const was = { ...row, network6: row.network6 ?? "" };
  const asked = new Set(fields(row).map((field) => field.name));
  return Object.fromEntries(Object.entries(now).filter(([name, value]) => asked.has(name) && value !== was[name as keyof typeof now]));
}

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
    {
      key: "edit", title: "action.edit", fields,
      request: (row, values) => ask("admin.pool.edit", { pool_id: row.pool_id, cluster: row.cluster, ...changed(row, values) }),
    },
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
