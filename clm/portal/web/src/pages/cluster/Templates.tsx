import type { ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";

type Row = ItemOf<"admin.vm_template.get_list"> & Placed;
const c = columns<Row>();
const SPEC: ListSpec<Row> = {
  title: "menu.templates",
  columns: [
    c.text("name", "column.name"), c.text("user_login", "column.owner"), c.of("system", "templates.system", (row) => row.effective.system, { isMinor: true }),
    c.text("description", "column.description", { isMinor: true, isWide: true }), c.time("created", "column.created"),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  none: ["templates.nobody", "templates.nobodyHelp"],
};

/** Everybody's VM templates; their owners change them. */
export default function Templates({ params }: PageProps): ReactNode {
  return <ListPage spec={SPEC} source={ofCluster("admin.vm_template.get_list", params["cluster"] ?? "", { kinds: ["", "vm_template"], all: true })} />;
}
