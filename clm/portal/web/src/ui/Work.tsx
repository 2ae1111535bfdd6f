// What is done on one object, and was: on pages that are about it.
import { useMemo, type ReactNode } from "react";
import { ofCluster } from "../api/list.ts";
import { WORK_COLUMNS, workActions, type Work } from "../kinds/operations.ts";
import { List, type ListSpec } from "./List.tsx";
import { useRows, type LiveRows } from "./live.ts";
import { Section } from "./parts.tsx";

/** Of so many operations, the latest of those that somebody sees: older ones, the console's client lists. */
const LATEST = 200;

type Front = "user" | "admin";
const spec = (front: Front): ListSpec<Work> => ({
  title: "work.title",
  columns: WORK_COLUMNS,
  id: (row) => String(row.operation_id),
  name: (row) => String(row.operation_id),
  actions: workActions(front),
  none: ["work.none", "work.noneHelp"],
});
const SPECS: Record<Front, ListSpec<Work>> = { user: spec("user"), admin: spec("admin") };

/** Operations about an object, and those that these opened. */
export function useWork(front: Front, cluster: string, member: "image_id" | "node_id" | "storage_id", id: number): LiveRows<Work> {
  const source = useMemo(
    () => ofCluster(`${front}.operation.get_list`, cluster, { kinds: ["", "vm", "node", "image", "storage"], all: front === "admin" }, { limit: LATEST }),
    [front, cluster],
  );
  const work = useRows(source);
  return useMemo(() => {
    const own = new Set(work.rows.filter((each) => each[member] === id).map((each) => each.operation_id));
    return { ...work, rows: work.rows.filter((each) => own.has(each.operation_id) || own.has(each.parent_id ?? 0)) };
  }, [work, member, id]);
}

export function WorkSection({ front, data }: { front: Front; data: LiveRows<Work> }): ReactNode {
  return <Section title="work.title"><List spec={SPECS[front]} data={data} isPart /></Section>;
}
