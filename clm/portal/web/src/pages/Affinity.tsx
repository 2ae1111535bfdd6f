import type { ReactNode } from "react";
import { everywhere, type ItemOf, type Placed } from "../api/list.ts";
import { CLUSTER, machineOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import type { Affinity as Where } from "../api/wawel.ts";
import { NAME, words } from "../model/fields.ts";
import { given, isSet, numberOf, textOf } from "../model/form.ts";
import { columns } from "../ui/columns.tsx";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import type { Making } from "../ui/parts.tsx";

type AffinityGroup = ItemOf<"user.affinity_group.get_list"> & Placed;
const c = columns<AffinityGroup>();
const of = ({ affinity_group_id, cluster }: AffinityGroup): { affinity_group_id: number; cluster: string } => ({ affinity_group_id, cluster });
const STRICT = { name: "strict", label: "affinity.strict", help: "affinity.strictHelp", as: "check" } as const;

const SPEC: ListSpec<AffinityGroup> = {
  title: "menu.affinity",
  columns: [
    c.text("name", "column.name"), c.word("affinity", "affinity.where", "affinity"), c.yes("strict", "affinity.strict"),
    c.of("vms", "machines.title", (row) => machineOptions(row.cluster, (machine) => row.vm_ids.includes(machine.vm_id)).map((each) => each.text).join(", ")),
    c.text("cluster", "column.cluster", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    {
      key: "put", title: "affinity.put",
      fields: (row) => [{
        name: "vm_id", label: "column.machine", as: "select", isRequired: true, help: "affinity.putHelp",
        options: machineOptions(row.cluster, (machine) => machine.access !== "operator" && !row.vm_ids.includes(machine.vm_id)),
      }],
      request: (row, values) => ask("user.vm.set_affinity_group", { ...of(row), vm_id: numberOf(values, "vm_id") ?? 0 }),
    },
    {
      key: "take", title: "affinity.take", may: (row) => row.vm_ids.length > 0,
      fields: (row) => [{
        name: "vm_id", label: "column.machine", as: "select", isRequired: true,
        options: machineOptions(row.cluster, (machine) => row.vm_ids.includes(machine.vm_id)),
      }],
      request: (row, values) => ask("user.vm.set_affinity_group", { cluster: row.cluster, vm_id: numberOf(values, "vm_id") ?? 0, affinity_group_id: null }),
    },
    {
      key: "edit", title: "action.edit", fields: (row) => [{ ...NAME, initial: row.name }, { ...STRICT, initial: row.strict }],
      request: (row, values) => ask("user.affinity_group.edit", { ...of(row), name: textOf(values, "name"), strict: isSet(values, "strict") }),
    },
    {
      key: "delete", title: "action.delete", isDanger: true, may: (row) => row.vm_ids.length === 0, confirm: { title: "confirm.delete", help: "affinity.deleteHelp" },
      request: (row) => ask("user.affinity_group.delete", of(row)),
    },
  ],
  none: ["affinity.none", "affinity.noneHelp"],
};

const MAKE: Making = {
  key: "make-affinity",
  title: "affinity.create",
  help: "affinity.createHelp",
  fields: [NAME, CLUSTER, { name: "affinity", label: "affinity.where", as: "select", isRequired: true, initial: "apart", options: words("affinity", ["apart", "together"]) }, STRICT],
  request: (values) =>
    ask("user.affinity_group.create", { name: textOf(values, "name"), affinity: textOf(values, "affinity") as Where, strict: isSet(values, "strict"), ...given(values, "cluster") }),
};

/** Which of one's machines are to run on one node, and which each on another. */
export default function Affinity(): ReactNode {
  return <ListPage source={everywhere("user.affinity_group.get_list", { kinds: ["", "vm"] })} spec={SPEC} making={[MAKE]} />;
}
