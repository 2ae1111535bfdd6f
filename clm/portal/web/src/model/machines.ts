// What may be done with machines and how they are shown: pure.
import type { Machine } from "../api/cloud.ts";
import type { VMState } from "../api/wawel.ts";

export type Action = "start" | "shutdown" | "stop" | "reset" | "destroy";
export const ACTIONS: readonly Action[] = ["start", "shutdown", "stop", "reset", "destroy"];

const NEEDS: Record<Action, readonly VMState[]> = {
  start: ["stopped"],
  shutdown: ["running"],
  stop: ["running", "paused"],
  reset: ["running"],
  destroy: ["running", "paused", "stopped", "error", "starting", "stopping", "pending", "rebooting"],
};

/** Whether the server would take it as things are: of one's own, what fits the state; of others', what the level lets. */
export function may(action: Action, machine: Pick<Machine, "state" | "access">): boolean {
  if (machine.access === "user" || (machine.access === "operator" && action === "destroy")) return false;
  return NEEDS[action].includes(machine.state);
}

export type Colour = "green" | "blue" | "grey" | "red" | "orange";
const COLOURS: Record<VMState, Colour> = {
  running: "green", starting: "blue", rebooting: "blue", pending: "blue", stopping: "blue", saving: "blue",
  destroying: "blue", paused: "orange", stopped: "grey", destroyed: "grey", error: "red",
};
/** A state that this portal does not know yet is grey. */
export const colourOf = (state: VMState): Colour => COLOURS[state] ?? "grey";

export const SORTS = ["name", "state", "cluster", "address", "image_name", "cpu", "memory_mib"] as const;
export type SortKey = (typeof SORTS)[number];
export interface View {
  search: string;
  state: string;
  sort: SortKey;
  descending: boolean;
}

export function viewOf(query: URLSearchParams): View {
  const asked = query.get("sort") ?? "name";
  const key = asked.replace(/^-/, "");
  return {
    search: query.get("search") ?? "",
    state: query.get("state") ?? "",
    sort: SORTS.find((each) => each === key) ?? "name",
    descending: asked.startsWith("-"),
  };
}

/** The address's query for a view; what is as ever is left out. */
export function queryOf(view: View): string {
  const query = new URLSearchParams();
  if (view.search) query.set("search", view.search);
  if (view.state) query.set("state", view.state);
  if (view.sort !== "name" || view.descending) query.set("sort", (view.descending ? "-" : "") + view.sort);
  const text = query.toString();
  return text ? `?${text}` : "";
}

export const addressOf = (machine: Machine): string => machine.leases[0]?.address ?? "";

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function valueOf(machine: Machine, key: SortKey): string | number {
  return key === "address" ? addressOf(machine) : machine[key];
}

export function chosen(machines: readonly Machine[], view: View): Machine[] {
  const needle = view.search.trim().toLowerCase();
  const found = machines.filter(
    (machine) =>
      (!view.state || machine.state === view.state) &&
      (!needle ||
        machine.name.toLowerCase().includes(needle) ||
        machine.leases.some((lease) => lease.address.includes(needle))),
  );
  const sign = view.descending ? -1 : 1;
  return found.sort((a, b) => {
    const x = valueOf(a, view.sort);
    const y = valueOf(b, view.sort);
    const order = typeof x === "number" && typeof y === "number" ? x - y : collator.compare(String(x), String(y));
    return sign * order || (a.uuid < b.uuid ? -1 : 1);
  });
}
