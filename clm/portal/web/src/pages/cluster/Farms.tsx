import type { ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { CLUSTER_FARM_ACTIONS, CLUSTER_FARM_COLUMNS, FARM_FILTERS, type Farm } from "../../kinds/farms.ts";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";

const SPEC: ListSpec<Farm> = {
  title: "menu.farms",
  columns: CLUSTER_FARM_COLUMNS,
  filters: FARM_FILTERS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: CLUSTER_FARM_ACTIONS,
  none: ["farms.nobody", "farms.nobodyHelp"],
};

/** Everybody's farms. */
export default function Farms({ params }: PageProps): ReactNode {
  return <ListPage spec={SPEC} source={ofCluster("admin.farm.get_list", params["cluster"] ?? "", { page: ["before", "farm_id"], kinds: ["", "farm"], all: true })} />;
}
