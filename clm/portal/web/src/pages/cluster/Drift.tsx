import type { ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";

type Finding = ItemOf<"admin.drift.get_list"> & Placed;
const c = columns<Finding>();
const of = ({ drift_id, cluster }: Finding): { drift_id: number; cluster: string } => ({ drift_id, cluster });
const isOpen = (row: Finding): boolean => row.closed === null;

const SPEC: ListSpec<Finding> = {
  title: "menu.drift",
  columns: [
    c.word("kind", "drift.kind", "driftKind"), c.text("subject", "drift.subject"), c.text("node", "column.node", { isMinor: true }),
    c.text("proposal", "drift.proposal", { isMinor: true, isWide: true }), c.time("first_seen", "drift.since"), c.text("outcome", "drift.outcome", { isMinor: true }),
  ],
  id: (row) => String(row.drift_id),
  name: (row) => row.subject,
  actions: [
    { key: "apply", title: "drift.apply", isDanger: true, may: isOpen, confirm: { title: "drift.applyAsk", help: "drift.applyHelp" }, request: (row) => ask("admin.drift.apply", of(row)) },
    { key: "dismiss", title: "drift.dismiss", may: isOpen, confirm: { title: "drift.dismissAsk", help: "drift.dismissHelp" }, request: (row) => ask("admin.drift.dismiss", of(row)) },
  ],
  none: ["drift.none", "drift.noneHelp"],
};

export default function Drift({ params }: PageProps): ReactNode {
  return (
    <ListPage spec={SPEC}
      source={ofCluster("admin.drift.get_list", params["cluster"] ?? "", { page: ["before", "drift_id"], kinds: ["", "vm", "node", "storage"], all: true })} />
  );
}
