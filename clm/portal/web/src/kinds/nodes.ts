// Nodes: what is shown of them and done to them.
import type { ItemOf, Placed } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { Enrolment } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { traitsField, traitsOf } from "../model/fields.ts";
import { given, numberOf, textOf, type Field } from "../model/form.ts";
import { locks } from "./locks.ts";

export type Node = ItemOf<"admin.node.get_list"> & Placed;
const of = ({ node_id, cluster }: Node): { node_id: number; cluster: string } => ({ node_id, cluster });

/** Why it is taken out of use, for whoever sees it so. */
const REASON: readonly Field[] = [{ name: "reason", label: "nodes.reason", help: "nodes.reasonHelp", maxLength: 4096 }];

export const NODE_ACTIONS: readonly Action<Node>[] = [
  { key: "check", title: "nodes.check", request: (row) => ask("admin.node.check", of(row)) },
  ...locks<Node>("node", ({ node_id }) => ({ node_id }), "nodes.lockHelp", REASON),
  {
    key: "evacuate", title: "nodes.evacuate", isDanger: true, confirm: { title: "nodes.evacuateAsk", help: "nodes.evacuateHelp", beside: REASON },
    request: (row, values) => ask("admin.node.evacuate", { ...of(row), ...given(values, "reason") }),
  },
  {
    key: "maintain", title: "nodes.maintain", isDanger: true, may: (row) => row.mode !== "maintenance", confirm: { title: "nodes.maintainAsk", help: "nodes.maintainHelp", beside: REASON },
    request: (row, values) => ask("admin.node.maintain", { ...of(row), ...given(values, "reason") }),
  },
  {
    key: "fence", title: "nodes.fence", isDanger: true, may: (row) => row.state === "unreachable", confirm: { title: "nodes.fenceAsk", help: "nodes.fenceHelp", beside: REASON },
    request: (row, values) => ask("admin.node.fence", { ...of(row), ...given(values, "reason") }),
  },
  {
    key: "disable", title: "nodes.disable", isDanger: true, may: (row) => row.locked && row.mode !== "disabled", confirm: { title: "nodes.disableAsk", help: "nodes.disableHelp", beside: REASON },
    request: (row, values) => ask("admin.node.disable", { ...of(row), ...given(values, "reason") }),
  },
  {
    key: "edit", title: "action.edit",
    fields: (row) => [
      { name: "comment", label: "column.description", initial: row.comment },
      { name: "priority", label: "nodes.priority", as: "number", isRequired: true, initial: String(row.priority) },
      { name: "cpu_total", label: "column.cpu", as: "number", isRequired: true, min: 1, initial: String(row.cpu_total) },
      { name: "memory_mib_total", label: "quota.memoryMib", as: "number", isRequired: true, min: 1, initial: String(row.memory_mib_total) },
      traitsField(row.traits, "nodes.traitsHelp"),
    ],
    request: (row, values) =>
      ask("admin.node.edit", {
        ...of(row), comment: textOf(values, "comment"), priority: numberOf(values, "priority") ?? null,
        cpu_total: numberOf(values, "cpu_total") ?? null, memory_mib_total: numberOf(values, "memory_mib_total") ?? null, traits: traitsOf(values),
      }),
  },
  {
    key: "enrol", title: "nodes.enrol", fields: () => [], request: (row) => ask("admin.node.enrol", of(row)),
    secret: (answer) => [["nodes.token", (answer as Enrolment).token]],
  },
  {
    key: "delete", title: "action.delete", isDanger: true, may: (row) => row.locked, confirm: { title: "confirm.delete", help: "nodes.deleteHelp" },
    request: (row) => ask("admin.node.delete", of(row)),
  },
];
