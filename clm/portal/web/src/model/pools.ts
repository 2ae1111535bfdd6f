// What resource pools limit, and how much of it is used: pure.
import type { PoolResource, ResourcePool } from "../api/wawel.ts";
import { numberOf, type Values } from "./form.ts";

export const RESOURCES = ["vms", "cpu", "memory_mib", "storage_mib", "nics"] as const satisfies readonly PoolResource[];

type Limited = Pick<ResourcePool, "limits">;

/** What a form says of limits: what is empty is limited by the pools that it is in, and only what changed is told. */
export function limitsOf(values: Values, was?: Limited): Record<string, unknown> {
  const told: Record<string, unknown> = {};
  const inherit: PoolResource[] = [];
  for (const resource of RESOURCES) {
    const typed = numberOf(values, resource) ?? null;
    if (typed === (was?.limits[resource] ?? null)) continue;
    if (typed === null) inherit.push(resource);
    else told[resource] = typed;
  }
  return { ...told, ...(inherit.length && { inherit }) };
}
