import type { ReactNode } from "react";
import { DISK_COLUMNS, DISK_OFFERS, TRASH, TRASH_ACTIONS, type Disk } from "../kinds/disks.ts";
import { columns } from "../ui/columns.tsx";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";

const c = columns<Disk>();
const SPEC: ListSpec<Disk> = {
  title: "trash.title",
  columns: [
    c.text("name", "column.name"), ...DISK_COLUMNS.filter((column) => ["size_bytes", "cluster"].includes(column.key)),
    c.time("trashed", "trash.since"), c.time("purged", "trash.until", { isMinor: false }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: TRASH_ACTIONS,
  offers: DISK_OFFERS,
  none: ["trash.none", "trash.noneHelp"],
};

export default function Trash(): ReactNode {
  return <ListPage source={TRASH} spec={SPEC} />;
}
