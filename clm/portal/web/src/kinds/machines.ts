// What is done to machines. Those of one cluster go in one call, where a call takes many; each outcome is told by its machine.
import { sizeOptions } from "../api/options.ts";
import type { Action, Outcome } from "../model/action.ts";
import type { Offers } from "../ui/offers.ts";
import { may, type MachineAction } from "../model/machines.ts";
import { given, numberOf, textOf, type Field } from "../model/form.ts";
import type { Machine } from "../api/cloud.ts";
import { ask } from "../api/request.ts";
import { call, plan, problemOf, type PlanStep } from "../api/rpc.ts";
import type { VMOutcome } from "../api/wawel.ts";
import { batches, refusals } from "./offers.ts";
import { giving } from "./giving.ts";

export type Placed = Pick<Machine, "vm_id" | "name" | "cluster">;

function outcomeOf(told: VMOutcome, machines: readonly Placed[]): Outcome {
  const name = machines.find((machine) => machine.vm_id === told.vm_id)?.name ?? String(told.vm_id);
  if (told.operation_id !== undefined || told.message === undefined) return { name };
  return { name, error: { slug: told.status, message: told.message } };
}

/** Many machines in few calls. */
export function batchOf<T extends Placed>(method: "user.vm.destroy" | "user.vm.reset" | "user.vm.trash" | "user.vm.recover" | "admin.vm.destroy" | "admin.vm.recover"): NonNullable<Action<T>["batch"]> {
  const params = (cluster: string, all: readonly T[]): { cluster: string; vm_ids: number[] } =>
    ({ cluster, vm_ids: all.map((machine) => machine.vm_id) });
  return {
    plan: async (machines) => {
      const steps: PlanStep[] = [];
      for (const [cluster, all] of batches(machines)) steps.push(...(await plan(method, params(cluster, all))));
      return steps;
    },
    run: async (machines) => {
      const outcomes: Outcome[] = [];
      for (const [cluster, all] of batches(machines)) {
        try {
          const answer = await call(method, params(cluster, all));
          outcomes.push(...answer.map((each) => outcomeOf(each, all)));
        } catch (problem) {
          outcomes.push(...all.map((machine) => ({ name: machine.name, error: problemOf(problem) })));
        }
      }
      return outcomes;
    },
  };
}

/** What the server says of machines; of one that is no longer to be seen, nothing. */
export const MACHINE_OFFERS: Offers<Machine> = {
  key: (machine) => `${machine.uuid}@${machine.version}`,
  ask: (machines) =>
    refusals(machines, MACHINE_OFFERS.key, (cluster, all) => call("user.vm.operations", { cluster, vm_ids: all.map((machine) => machine.vm_id) })),
};

type Simple = Exclude<MachineAction, "destroy" | "trash" | "recover" | "reset" | "edit" | "resize" | "save" | "save_as_template" | "give">;
const simple = (key: Simple, more: Partial<Action<Machine>> = {}): Action<Machine> => ({
  key,
  title: `action.${key}`,
  call: `user.vm.${key}`,
  may: (machine) => may(key, machine),
  request: ({ vm_id, cluster }) => ask(`user.vm.${key}`, { vm_id, cluster }),
  ...more,
});

/** Another size; of the one that it has only its name is known here. */
export const sizeField = ({ cluster }: { cluster: string }): Field =>
  ({ name: "template_id", label: "column.size", as: "select", isRequired: true, options: sizeOptions(cluster), help: "machine.resizeHelp" });

export const MACHINE_ACTIONS: readonly Action<Machine>[] = [
  simple("start"),
  simple("shutdown"),
  simple("stop", { confirm: { title: "confirm.stop", help: "confirm.stopHelp" } }),
  {
    key: "reset", title: "action.reset", call: "user.vm.reset", may: (machine) => may("reset", machine), batch: batchOf("user.vm.reset"),
    confirm: { title: "confirm.reset", help: "confirm.resetHelp" },
  },
  simple("pause"),
  simple("resume"),
  simple("suspend"),
  simple("wake_up"),
  {
    key: "edit", title: "action.edit", call: "user.vm.edit", may: (machine) => may("edit", machine),
    fields: (machine) => [
      { name: "name", label: "column.name", isRequired: true, initial: machine.name, maxLength: 128 },
      { name: "description", label: "column.description", as: "area", initial: machine.description },
    ],
    request: ({ vm_id, cluster }, values) =>
      ask("user.vm.edit", { vm_id, cluster, name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "resize", title: "action.resize", call: "user.vm.resize", may: (machine) => may("resize", machine), fields: (machine) => [sizeField(machine)],
    request: ({ vm_id, cluster }, values) => ask("user.vm.resize", { vm_id, cluster, template_id: numberOf(values, "template_id") ?? 0 }),
  },
  {
    key: "save", title: "action.save", call: "user.vm.save", may: (machine) => may("save", machine),
    fields: (machine) => [
      { name: "name", label: "column.name", isRequired: true, initial: machine.name, maxLength: 128, help: "machine.saveHelp" },
      { name: "description", label: "column.description", as: "area" },
    ],
    request: ({ vm_id, cluster }, values) =>
      ask("user.vm.save", { vm_id, cluster, name: textOf(values, "name"), ...given(values, "description") }),
  },
  {
    key: "save_as_template", title: "action.save_as_template", call: "user.vm.save_as_template", may: (machine) => may("save_as_template", machine),
    fields: () => [
      { name: "name", label: "column.name", maxLength: 128, help: "machine.saveTemplateHelp" },
      { name: "description", label: "column.description", as: "area" },
    ],
    request: ({ vm_id, cluster }, values) => ask("user.vm.save_as_template", { vm_id, cluster, ...given(values, "name", "description") }),
  },
  giving("vm", (machine) => machine.vm_id, (machine) => may("give", machine)),
  {
    key: "trash", title: "action.trash", call: "user.vm.trash", may: (machine) => may("trash", machine), batch: batchOf("user.vm.trash"),
    confirm: { title: "confirm.trash", help: "confirm.trashHelp" },
  },
  { key: "recover", title: "action.restore", call: "user.vm.recover", may: (machine) => may("recover", machine), batch: batchOf("user.vm.recover") },
  {
    key: "destroy", title: "action.destroy", call: "user.vm.destroy", may: (machine) => may("destroy", machine), batch: batchOf("user.vm.destroy"),
    confirm: { title: "confirm.destroy", help: "confirm.destroyHelp" }, isDanger: true,
  },
];
