// Operations: what is under way, and what has been.
import type { AdminOperation, Operation } from "../api/wawel.ts";
import type { Placed } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { Action } from "../model/action.ts";
import type { Filter } from "../model/table.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";

export type Work = (Operation | AdminOperation) & Placed;

const c = columns<Work>();
const failure = (row: Work): string => ("admin_text" in row && row.admin_text) || row.text || row.error;

export const WORK_COLUMNS: readonly Column<Work>[] = [
  // The latest first.
  c.of("created", "column.created", (row) => -Date.parse(row.created), { show: (row, { time }) => time(row.created) }),
  c.word("kind", "work.kind", "work"),
  c.status("state", "column.state", "workState"),
  c.of("progress", "work.progress", (row) => row.progress, { show: (row) => `${row.progress} %`, isMinor: true }),
  c.of("reason", "column.reason", failure, { isMinor: true }),
  c.time("finished", "work.finished"),
];

const STATES = ["queued", "waiting", "running", "done", "failed", "abandoned"] as const;
export const WORK_FILTERS: readonly Filter<Work>[] = [{
  key: "state", title: "column.state", any: "list.anyState", options: STATES.map((value) => ({ value, title: `workState.${value}` as const })),
  of: (row) => row.state,
}];

export const isOpen = (row: Work): boolean => ["queued", "waiting", "running"].includes(row.state);
/** A machine's way to another node while it runs. */
export const isMigrating = (row: Work): boolean => row.kind === "vm_migrate" && isOpen(row);

/** Of a machine that is on its way to another node while it runs. */
export const STAY: readonly Action<Work>[] = [{
  key: "stay", title: "admin.stay", confirm: { title: "admin.stayAsk", help: "admin.stayHelp" },
  request: ({ vm_id, cluster }) => ask("admin.vm.abort_migration", { vm_id: vm_id ?? 0, cluster }),
}];

/** Of a node that is being emptied. */
export const STOP_EVACUATION: readonly Action<Work>[] = [{
  key: "stop", title: "nodes.stop", isDanger: true, confirm: { title: "nodes.stopAsk", help: "nodes.stopHelp" },
  request: ({ operation_id, cluster }) => ask("admin.operation.abandon", { operation_id, cluster }),
}];

/** @param front whose calls they are. */
export const workActions = (front: "user" | "admin"): readonly Action<Work>[] => [
  {
    key: "retry", title: "action.retry", may: isOpen,
    request: ({ operation_id, cluster }) => ask(`${front}.operation.retry`, { operation_id, cluster }),
  },
  {
    key: "abandon", title: "action.abandon", may: isOpen, isDanger: true, confirm: { title: "work.abandonAsk", help: "work.abandonHelp" },
    request: ({ operation_id, cluster }) => ask(`${front}.operation.abandon`, { operation_id, cluster }),
  },
];
