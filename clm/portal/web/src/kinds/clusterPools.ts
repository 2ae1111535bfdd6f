// Resource pools as administrators have them: what is done to them.
import type { ItemOf, Placed } from "../api/list.ts";
import { ask } from "../api/request.ts";
import { call } from "../api/rpc.ts";
import type { Methods } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { named } from "../model/fields.ts";
import { textOf, type Field, type Option } from "../model/form.ts";
import { limitsOf, RESOURCES } from "../model/pools.ts";
import type { Key } from "../texts/translate.ts";

export type Pool = ItemOf<"admin.resource_pool.get_list"> & Placed;

const LABELS: Record<(typeof RESOURCES)[number], Key> = {
  vms: "quota.vms", cpu: "quota.cpu", memory_mib: "quota.memoryMib", storage_mib: "quota.storageMib", nics: "nics.title",
};

export const poolLimits = (row?: Pool): Field[] =>
  RESOURCES.map((resource) => ({
    name: resource, label: LABELS[resource], as: "number", min: 0, help: "rpools.limitHelp", initial: String(row?.limits[resource] ?? ""),
  }));

export const poolOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("admin.resource_pool.get_list", { cluster });
  return Array.isArray(rows) ? rows.map((row) => ({ value: String(row.resource_pool_id), text: row.name })) : [];
};

const of = ({ resource_pool_id, cluster }: Pool): { resource_pool_id: number; cluster: string } => ({ resource_pool_id, cluster });

export const poolActions: readonly Action<Pool>[] = [
  {
    key: "edit", title: "action.edit", fields: (row) => [...named(row), ...poolLimits(row)],
    request: (row, values) =>
      ask("admin.resource_pool.edit", {
        ...of(row), name: textOf(values, "name"), description: textOf(values, "description"), ...limitsOf(values, row),
      } as Methods["admin.resource_pool.edit"]["params"]),
  },
  {
    key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "rpools.deleteHelp" },
    request: (row) => ask("admin.resource_pool.delete", of(row)),
  },
];
