// What is done to machines. Those of one cluster go in one call; each outcome is told by its machine.
import type { Action } from "../model/machines.ts";
import type { Machine } from "./cloud.ts";
import { call, plan, WawelError, type PlanStep } from "./rpc.ts";
import type { VMOutcome } from "./wawel.ts";

/** Machines of one call; the server takes no more. */
const BATCH = 200;

function batches(machines: readonly Machine[]): [string, Machine[]][] {
  const found = new Map<string, Machine[]>();
  for (const machine of machines) found.set(machine.cluster, [...(found.get(machine.cluster) ?? []), machine]);
  return [...found].flatMap(([cluster, all]) =>
    Array.from({ length: Math.ceil(all.length / BATCH) }, (_, index): [string, Machine[]] => [
      cluster,
      all.slice(index * BATCH, (index + 1) * BATCH),
    ]),
  );
}

/** What would be done. @throws {WawelError} it would be refused. */
export async function planOf(action: Action, machines: readonly Machine[]): Promise<PlanStep[]> {
  const steps: PlanStep[] = [];
  for (const [cluster, all] of batches(machines)) {
    if (action === "destroy" || action === "reset") {
      steps.push(...(await plan(`user.vm.${action}`, { cluster, vm_ids: all.map((machine) => machine.vm_id) })));
      continue;
    }
    for (const machine of all) steps.push(...(await plan(`user.vm.${action}`, { cluster, vm_id: machine.vm_id })));
  }
  return steps;
}

/** Do it. @throws {WawelError} the first that was refused; what was asked of the others goes on. */
export async function act(action: Action, machines: readonly Machine[]): Promise<void> {
  const refused: WawelError[] = [];
  for (const [cluster, all] of batches(machines)) {
    if (action === "destroy" || action === "reset") {
      const outcomes = await call(`user.vm.${action}`, { cluster, vm_ids: all.map((machine) => machine.vm_id) });
      refused.push(...outcomes.flatMap((outcome) => refusalOf(outcome, all)));
      continue;
    }
    for (const machine of all) await call(`user.vm.${action}`, { cluster, vm_id: machine.vm_id });
  }
  if (refused[0]) throw refused[0];
}

function refusalOf(outcome: VMOutcome, machines: readonly Machine[]): WawelError[] {
  if (outcome.operation_id !== undefined || outcome.message === undefined) return [];
  const name = machines.find((machine) => machine.vm_id === outcome.vm_id)?.name ?? String(outcome.vm_id);
  // The slug is of many machines': the sentence with its name says more than ours would.
  return [new WawelError(0, `${name}: ${outcome.message}`, { slug: "outcome" })];
}
