// What forms hold of jobs, and what they call: pure.
import type { JobDetail } from "../api/wawel.ts";
import { isSet, listOf, textOf, type Values } from "./form.ts";

/** What most want done to machines at set times. */
export const TASKS = ["user.vm.start", "user.vm.shutdown", "user.vm.stop", "user.vm.reset", "user.vm.suspend", "user.vm.wake_up"] as const;
export type Task = (typeof TASKS)[number];
export const OTHER = "other";
export const isTask = (method: string): method is Task => (TASKS as readonly string[]).includes(method);

/** One call about one machine. */
const about = (task: Task, vm_id: number): Record<string, unknown> => (task === "user.vm.reset" ? { vm_ids: [vm_id] } : { vm_id });

/** The machine that a call is about; nothing where it says anything else. */
function machineOf(task: Task, params: Readonly<Record<string, unknown>>): number | undefined {
  const found = task === "user.vm.reset" ? params["vm_ids"] : params["vm_id"];
  const vm_id: unknown = Array.isArray(found) && found.length === 1 ? found[0] : found;
  return Object.keys(params).length === 1 && typeof vm_id === "number" ? vm_id : undefined;
}

/** The machines of calls that are about one each; `undefined` where a form for machines would lose something of them. */
export function machinesOf(method: string, params: JobDetail["params"]): number[] | undefined {
  if (!isTask(method)) return undefined;
  const found = params.map((each) => machineOf(method, each));
  return found.every((each) => each !== undefined) ? (found as number[]) : undefined;
}

/** A call a line, or all of them as one list; what is no JSON is left for the server to refuse. */
export function callsOf(text: string): unknown {
  const read = (part: string): unknown => {
    try {
      return JSON.parse(part) as unknown;
    } catch {
      return part;
    }
  };
  const whole = read(text);
  if (Array.isArray(whole)) return whole;
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map(read);
}
export const linesOf = (params: JobDetail["params"]): string => params.map((each) => JSON.stringify(each)).join("\n");

/** What is called how often, as a form says. */
function calls(values: Values): { method: string; parameters: JobDetail["params"] } {
  const task = textOf(values, "task");
  if (isTask(task)) return { method: task, parameters: listOf(values, "machines").map((each) => about(task, Number(each))) };
  return { method: textOf(values, "method"), parameters: callsOf(textOf(values, "parameters")) as JobDetail["params"] };
}

const when = (values: Values): { cron: string; timezone: string; enabled: boolean } =>
  ({ cron: textOf(values, "cron"), timezone: textOf(values, "timezone") || "UTC", enabled: isSet(values, "enabled") });

export const created = (values: Values): { name: string; method: string; parameters: JobDetail["params"]; cron: string; timezone: string; enabled: boolean } =>
  ({ name: textOf(values, "name"), ...calls(values), ...when(values) });

/** What it calls stays; with which parameters may be another. */
export const edited = (values: Values): { name: string; parameters: JobDetail["params"]; cron: string; timezone: string; enabled: boolean } =>
  ({ name: textOf(values, "name"), parameters: calls(values).parameters, ...when(values) });
