// What may be done with machines and how they are shown: pure.
import type { Machine } from "../api/cloud.ts";
import type { VMState } from "../api/wawel.ts";
import type { Said } from "./plan.ts";
import type { Column, Filter } from "./table.ts";

export const MACHINE_ACTIONS = ["start", "shutdown", "stop", "reset", "pause", "resume", "suspend", "wake_up", "edit", "resize", "save", "save_as_template", "give", "trash", "recover", "destroy"] as const;
export type MachineAction = (typeof MACHINE_ACTIONS)[number];

const NEEDS: Record<MachineAction, readonly VMState[]> = {
  start: ["stopped"],
  shutdown: ["running"],
  stop: ["running", "paused", "suspended"],
  reset: ["running"],
  pause: ["running"],
  resume: ["paused"],
  suspend: ["running"],
  wake_up: ["suspended"],
  edit: ["running", "paused", "stopped", "suspended", "error", "starting", "stopping", "pending", "rebooting", "saving"],
  resize: ["stopped", "running"],
  save: ["running", "stopped"],
  save_as_template: ["running", "stopped"],
  give: ["running", "paused", "stopped", "suspended"],
  trash: ["running", "paused", "stopped", "suspended", "error", "pending"],
  recover: ["trashed"],
  destroy: ["running", "paused", "stopped", "suspended", "error", "starting", "stopping", "pending", "rebooting", "trashed"],
};

/** What operators of others' machines may not. */
const OWNERS: readonly MachineAction[] = ["edit", "resize", "save", "save_as_template", "give", "trash", "recover", "destroy"];

/** Whether the server would take it as things are: of one's own, what fits the state; of others', what the level lets. */
export function may(action: MachineAction, machine: Pick<Machine, "state" | "access">): boolean {
  if (machine.access === "user" || (machine.access === "operator" && OWNERS.includes(action))) return false;
  return NEEDS[action].includes(machine.state);
}

export type Colour = "green" | "blue" | "grey" | "red" | "orange";
const COLOURS: Record<VMState, Colour> = {
  running: "green", starting: "blue", rebooting: "blue", pending: "blue", stopping: "blue", saving: "blue",
  destroying: "blue", paused: "orange", suspended: "orange", stopped: "grey", trashed: "grey", destroyed: "grey", error: "red",
};
/** A state that this portal does not know yet is grey. */
export const colourOf = (state: VMState): Colour => COLOURS[state] ?? "grey";

/** What a size is, and costs. */
export const sizeOf = (size: { cpu: number; memory_mib: number; points: number }, { t, memory }: Said): string =>
  t("create.sizeFits", { cpu: t("count.cpu", { n: size.cpu }), memory: memory(size.memory_mib) })
  + (size.points ? `, ${t("sizes.cost", { n: size.points })}` : "");

export const addressOf = (machine: Pick<Machine, "leases">): string => machine.leases[0]?.address ?? "";

/** What a list of machines shows, and is sorted by. */
export const MACHINE_COLUMNS = [
  { key: "name", title: "column.name", value: (machine) => machine.name },
  { key: "state", title: "column.state", value: (machine) => machine.state },
  { key: "cluster", title: "column.cluster", value: (machine) => machine.cluster },
  { key: "address", title: "column.address", value: addressOf },
  { key: "image_name", title: "column.image", value: (machine) => machine.image_name },
  { key: "cpu", title: "column.cpu", value: (machine) => machine.cpu },
  { key: "memory_mib", title: "column.memory", value: (machine) => machine.memory_mib },
] as const satisfies readonly Column<Machine>[];

const STATES = ["running", "stopped", "starting", "stopping", "paused", "suspended", "error", "trashed"] as const;
export const STATE_FILTER: Filter<{ state: VMState }> = {
  key: "state", title: "column.state", any: "list.anyState",
  options: STATES.map((state) => ({ value: state, title: `state.${state}` as const })),
  of: (machine) => machine.state,
};

/** People look for a name, or for who has an address. */
export const wordsOf = (machine: Pick<Machine, "name" | "leases">): string[] =>
  [machine.name, ...machine.leases.map((lease) => lease.address)];
