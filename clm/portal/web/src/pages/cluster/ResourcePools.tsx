import { useMemo, type ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import type { Methods } from "../../api/wawel.ts";
import { poolActions, poolLimits, poolOptions, type Pool } from "../../kinds/clusterPools.ts";
import { usageColumns } from "../../kinds/pools.ts";
import { DESCRIPTION, NAME } from "../../model/fields.ts";
import { given, numberOf, textOf } from "../../model/form.ts";
import { limitsOf } from "../../model/pools.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

const c = columns<Pool>();
const SPEC: ListSpec<Pool> = {
  title: "menu.resourcePools",
  columns: [
    c.link("name", "column.name", (row) => addressTo("clusterPool", { cluster: row.cluster, uuid: row.uuid })),
    ...usageColumns<Pool>(), c.text("hardware_pool", "rpools.hardware", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: poolActions,
  none: ["rpools.nobody", "rpools.nobodyHelp"],
};

export default function ResourcePools({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(() => [{
    key: "add-resource-pool", title: "rpools.add", help: "rpools.addHelp",
    fields: [
      NAME, { name: "parent_pool_id", label: "rpools.parent", help: "rpools.parentHelp", as: "select", options: poolOptions(cluster) },
      { name: "hardware_pool", label: "rpools.hardware", help: "rpools.hardwareHelp" }, ...poolLimits(), DESCRIPTION,
    ],
    request: (values) =>
      ask("admin.resource_pool.add", {
        cluster, name: textOf(values, "name"), ...given(values, "description", "hardware_pool"), parent_pool_id: numberOf(values, "parent_pool_id") ?? null, ...limitsOf(values),
      } as Methods["admin.resource_pool.add"]["params"]),
  }], [cluster]);
  return <ListPage spec={SPEC} making={making} source={ofCluster("admin.resource_pool.get_list", cluster, { kinds: ["", "vm"], all: true })} />;
}
