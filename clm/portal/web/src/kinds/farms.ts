// Farms: what is shown of them and done to them.
import { serverNow } from "../api/clock.ts";
import { everywhere, type ItemOf, type Placed } from "../api/list.ts";
import { sizeOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { call, plan, problemOf, type PlanStep } from "../api/rpc.ts";
import type { FarmEnd, FarmState, FarmVM } from "../api/wawel.ts";
import type { Action, Outcome } from "../model/action.ts";
import { DESCRIPTION, NAME } from "../model/fields.ts";
import { lasting, NAME_MAX, WORKERS_MAX } from "../model/farms.ts";
import { numberOf, textOf, type Field } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import type { Filter } from "../model/table.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";
import type { Texts } from "../ui/settings.ts";
import { batches } from "./offers.ts";

export type Farm = ItemOf<"user.farm.get_list"> & Placed;
/** One of its machines, with whose it is. */
export type FarmMachine = FarmVM & Placed & { farm_id: number };

/** Every change of a machine of a farm is told as one of the farm, too; its own version stays then, so it is read anew. */
export const FARMS = everywhere("user.farm.get_list", { page: ["before", "farm_id"], kinds: ["", "farm"] });

export const upFor = ({ started }: Farm, { language }: Texts): string => (started ? lasting(language, (serverNow() - Date.parse(started)) / 1000) : "");

const c = columns<Farm>();
const COLUMNS: readonly Column<Farm>[] = [
  c.status("state", "column.state", "farmState"),
  c.text("workers", "farms.workers"),
  c.text("cpu", "column.cpu", { isMinor: true }), c.memory("memory_mib", "column.memory"), c.memory("disk_mib", "menu.disks"),
  c.of("started", "farms.uptime", (row) => row.started, { show: upFor, isMinor: true }),
];
export const FARM_COLUMNS: readonly Column<Farm>[] = [
  c.link("name", "column.name", ({ uuid }) => addressTo("farm", { uuid })), ...COLUMNS, c.text("cluster", "column.cluster", { isMinor: true }),
];
export const CLUSTER_FARM_COLUMNS: readonly Column<Farm>[] = [
  c.link("name", "column.name", ({ uuid, cluster }) => addressTo("clusterFarm", { uuid, cluster })), c.text("user_login", "column.owner"), ...COLUMNS,
];

const STATES: readonly FarmState[] = ["starting_head", "starting_workers", "running", "stopped", "degraded", "error"];
export const FARM_FILTERS: readonly Filter<Farm>[] = [{
  key: "state", title: "column.state", any: "list.anyState", of: (row) => row.state,
  options: STATES.map((value) => ({ value, title: `farmState.${value}` as "farmState.running" })),
}];

/** In which it may get more workers. */
const GROWS: readonly FarmState[] = ["starting_head", "starting_workers", "running", "degraded"];
const ENDS: readonly FarmState[] = ["saving_head", "destroying", "destroyed"];
const of = ({ farm_id, cluster }: Farm): { farm_id: number; cluster: string } => ({ farm_id, cluster });
const COUNT: Field = { name: "count", label: "farms.count", as: "number", isRequired: true, initial: "1", min: 1, max: WORKERS_MAX };

export const FARM_ACTIONS: readonly Action<Farm>[] = [
  {
    key: "grow", title: "farms.grow", may: (row) => GROWS.includes(row.state) && row.operation_id === null,
    fields: (row) => [
      { ...COUNT, help: "farms.growHelp" },
      { name: "template_id", label: "column.size", help: "farms.sizeHelp", as: "select", options: sizeOptions(row.cluster) },
    ],
    request: (row, values) => ask("user.farm.grow", { ...of(row), count: numberOf(values, "count") ?? 1, template_id: numberOf(values, "template_id") ?? null }),
  },
  {
    key: "shrink", title: "farms.shrink", may: (row) => row.workers > 0 && !ENDS.includes(row.state),
    confirm: { title: "farms.shrinkAsk", help: "farms.shrinkHelp", beside: [COUNT], depends: true },
    request: (row, values) => ask("user.farm.shrink", { ...of(row), count: numberOf(values, "count") ?? 0 }),
  },
  {
    key: "edit", title: "action.edit",
    fields: (row) => [{ ...NAME, maxLength: NAME_MAX, initial: row.name, help: "farms.nameHelp" }, { ...DESCRIPTION, initial: row.description }],
    request: (row, values) => ask("user.farm.edit", { ...of(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "giveUp", title: "farms.giveUp", isDanger: true, may: (row) => row.operation_id !== null,
    confirm: { title: "farms.giveUpAsk", help: "farms.giveUpHelp" },
    request: ({ operation_id, cluster }) => ask("user.operation.abandon", { operation_id: operation_id ?? 0, cluster }),
  },
  {
    key: "save", title: "farms.save", isDanger: true, may: (row) => !ENDS.includes(row.state),
    confirm: { title: "farms.saveAsk", help: "farms.saveHelp", beside: [{ ...NAME, isRequired: false, help: "farms.imageHelp" }, DESCRIPTION] },
    request: (row, values) => ask("user.farm.save_and_shutdown", { ...of(row), name: textOf(values, "name") || row.name, description: textOf(values, "description") }),
  },
  {
    key: "destroy", title: "action.destroy", isDanger: true, may: (row) => row.state !== "destroying",
    confirm: { title: "farms.destroyAsk", help: "farms.destroyHelp" },
    request: (row) => ask("user.farm.destroy", of(row)),
  },
];

const outcomeOf = (told: FarmEnd, name: string): Outcome =>
  told.status === "ok" || told.message === undefined ? { name } : { name, error: { slug: told.status, message: told.message } };

/** Anybody's, many in few calls. */
export const CLUSTER_FARM_ACTIONS: readonly Action<Farm>[] = [{
  key: "destroy", title: "action.destroy", isDanger: true, may: (row) => row.state !== "destroying", confirm: { title: "farms.destroyAsk", help: "farms.destroyHelp" },
  batch: {
    plan: async (farms) => {
      const steps: PlanStep[] = [];
      for (const [cluster, all] of batches(farms)) steps.push(...(await plan("admin.farm.destroy", { cluster, farm_ids: all.map((each) => each.farm_id) })));
      return steps;
    },
    run: async (farms) => {
      const outcomes: Outcome[] = [];
      for (const [cluster, all] of batches(farms)) {
        const told = await call("admin.farm.destroy", { cluster, farm_ids: all.map((each) => each.farm_id) });
        outcomes.push(...told.map((each) => outcomeOf(each, all.find((farm) => farm.farm_id === each.farm_id)?.name ?? String(each.farm_id))));
      }
      return outcomes;
    },
  },
}];

const ending = (rows: readonly FarmMachine[]): { farm_id: number; cluster: string; worker_ids: number[] } =>
  ({ farm_id: rows[0]?.farm_id ?? 0, cluster: rows[0]?.cluster ?? "", worker_ids: rows.map((row) => row.vm_id) });

/** Workers of one farm: all that are chosen, or none. */
export const WORKER_ACTIONS: readonly Action<FarmMachine>[] = [{
  key: "shrink-by", title: "farms.shrinkBy", isDanger: true, may: (row) => row.role === "worker" && row.state !== "destroying",
  confirm: { title: "confirm.destroy", help: "confirm.destroyHelp" },
  batch: {
    plan: (rows) => plan("user.farm.shrink", ending(rows)),
    run: async (rows) => {
      try {
        await call("user.farm.shrink", ending(rows));
        return rows.map(({ name }) => ({ name }));
      } catch (problem) {
        return rows.map(({ name }) => ({ name, error: problemOf(problem) }));
      }
    },
  },
}];
