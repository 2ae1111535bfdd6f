// Resource pools: what is shown of what they limit, and who may use them.
import type { ResourcePool } from "../api/wawel.ts";
import { RESOURCES } from "../model/pools.ts";
import type { Key } from "../texts/translate.ts";
import type { Column } from "../ui/List.tsx";
import type { Texts } from "../ui/settings.ts";

type Counted = Pick<ResourcePool, "pending" | "effective" | "limits" | "current">;
type Resource = (typeof RESOURCES)[number];

export const RESOURCE_NAMES: Record<Resource, Key> = {
  vms: "quota.vms", cpu: "quota.cpu", memory_mib: "quota.memory", storage_mib: "quota.storage", nics: "nics.title",
};
export const amountOf = (resource: Resource, amount: number, { memory, number }: Texts): string => (resource.endsWith("_mib") ? memory(amount) : number(amount));

/** How much of it is promised, of how much. */
export function usageOf(row: Counted, resource: Resource, texts: Texts): string {
  const used = amountOf(resource, row.pending[resource], texts);
  const most = row.effective[resource];
  return most === null ? texts.t("rpools.free", { used }) : texts.t("rpools.use", { used, of: amountOf(resource, most, texts) });
}

export const usageColumns = <T extends Counted>(): readonly Column<T>[] =>
  RESOURCES.map((resource) => ({
    key: resource, title: RESOURCE_NAMES[resource], value: (row) => row.pending[resource],
    show: (row, texts) => usageOf(row, resource, texts), isMinor: resource === "storage_mib" || resource === "nics",
  }));
