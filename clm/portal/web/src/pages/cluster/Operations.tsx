import type { ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { WORK_COLUMNS, WORK_FILTERS, workActions, type Work } from "../../kinds/operations.ts";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";

/** The latest: what is older, the console's client lists. */
const LATEST = 1000;

const SPEC: ListSpec<Work> = {
  title: "menu.operations",
  columns: WORK_COLUMNS,
  filters: WORK_FILTERS,
  search: (row) => [row.kind, row.error, row.text, String(row.operation_id), String(row.vm_id ?? ""), String(row.node_id ?? "")],
  id: (row) => String(row.operation_id),
  name: (row) => String(row.operation_id),
  actions: workActions("admin"),
  none: ["work.none", "work.noneHelp"],
};

export default function Operations({ params }: PageProps): ReactNode {
  return (
    <ListPage spec={SPEC}
      source={ofCluster("admin.operation.get_list", params["cluster"] ?? "", { kinds: ["", "vm", "node", "disk", "image", "storage"], all: true }, { limit: LATEST })} />
  );
}
