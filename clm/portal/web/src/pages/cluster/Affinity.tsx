import type { ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";

type AffinityGroup = ItemOf<"admin.affinity_group.get_list"> & Placed;
const c = columns<AffinityGroup>();
const of = ({ affinity_group_id, cluster }: AffinityGroup): { affinity_group_id: number; cluster: string } => ({ affinity_group_id, cluster });

const SPEC: ListSpec<AffinityGroup> = {
  title: "menu.affinity",
  columns: [
    c.text("name", "column.name"), c.word("affinity", "affinity.where", "affinity"), c.yes("strict", "affinity.strict", { isMinor: false }),
    c.of("vms", "machines.title", (row) => row.vm_ids.length), c.text("user_id", "column.ownerId", { isMinor: true }), c.time("created", "column.created"),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    {
      key: "loosen", title: "affinity.loosen", may: (row) => row.strict, confirm: { title: "affinity.loosenAsk", help: "affinity.loosenHelp" },
      request: (row) => ask("admin.affinity_group.edit", { ...of(row), strict: false }),
    },
    {
      key: "tighten", title: "affinity.tighten", may: (row) => !row.strict, confirm: { title: "affinity.tightenAsk", help: "affinity.strictHelp" },
      request: (row) => ask("admin.affinity_group.edit", { ...of(row), strict: true }),
    },
  ],
  none: ["affinity.nobody", "affinity.nobodyHelp"],
};

export default function Affinity({ params }: PageProps): ReactNode {
  return <ListPage spec={SPEC} source={ofCluster("admin.affinity_group.get_list", params["cluster"] ?? "", { kinds: ["", "vm"], all: true })} />;
}
