import type { PlanStep } from "../api/rpc.ts";
import { word, type Translate } from "../texts/translate.ts";

export interface Said {
  t: Translate;
  memory: (mib: number) => string;
  bytes: (count: number) => string;
}

/** What says nothing beside the step's own words. */
const SILENT: Readonly<Record<string, readonly string[]>> = {
  operation: ["kind", "steps"], move: ["vm_id", "node_id", "begun", "state"], leave: ["vm_id", "code", "operation_id"],
};
/** Whose value is one of the server's words, and of which group. */
const WORDS: Readonly<Record<string, string>> = { how: "moveHow", state: "state" };

function shown(name: string, value: unknown, said: Said): string {
  if (Array.isArray(value)) return value.map((each) => shown(name, each, said)).join(", ");
  if (typeof value === "number" && name.endsWith("_mib")) return said.memory(value);
  if (typeof value === "number" && /(^|_)bytes$/.test(name)) return said.bytes(value);
  if (typeof value === "boolean") return said.t(value ? "list.yes" : "list.no");
  const group = WORDS[name];
  if (group && typeof value === "string") return word(said.t, group, value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A plan's steps as they are read: the step and its fields in the reader's words, or where we have none as the server names them. */
export function linesOf(steps: readonly PlanStep[], said: Said): { step: string; rest: string }[] {
  return steps.map(({ step, ...fields }) => {
    const key = step.replaceAll(" ", "_");
    const kind = key === "operation" && typeof fields["kind"] === "string" ? fields["kind"] : "";
    return {
      step: kind ? word(said.t, "work", kind) : word(said.t, "plan", key),
      rest: Object.entries(fields)
        .filter(([name, value]) => value !== null && value !== "" && !(Array.isArray(value) && value.length === 0) && !SILENT[key]?.includes(name))
        .map(([name, value]) => `${word(said.t, "planField", name)}: ${shown(name, value, said)}`)
        .join(", "),
    };
  });
}
