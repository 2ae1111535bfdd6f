import type { PlanStep } from "../api/rpc.ts";

/** A plan's steps as they are read: the step, and its fields as the server names them. */
export function linesOf(steps: readonly PlanStep[]): { step: string; rest: string }[] {
  return steps.map(({ step, ...fields }) => ({
    step: step.replaceAll("_", " "),
    rest: Object.entries(fields)
      .filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && value.length === 0))
      .map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
      .join(", "),
  }));
}
