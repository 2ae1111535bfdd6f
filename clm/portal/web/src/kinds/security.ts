// Security groups: what is shown of them and done to them.
import { everywhere, type ItemOf, type Placed } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { Action } from "../model/action.ts";
import { named } from "../model/fields.ts";
import { textOf } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";

export type SecurityGroup = ItemOf<"user.security_group.get_list"> & Placed;

export const SECURITY_GROUPS = everywhere("user.security_group.get_list", { kinds: ["security_group"] });

const c = columns<SecurityGroup>();
export const SECURITY_COLUMNS: readonly Column<SecurityGroup>[] = [
  c.link("name", "column.name", (row) => addressTo("securityGroup", { uuid: row.uuid })),
  c.of("rules", "security.rules", (row) => row.rules.length),
  c.text("nics", "security.nics"),
  c.yes("default", "security.isDefault"),
  c.text("description", "column.description", { isMinor: true }),
  c.text("cluster", "column.cluster", { isMinor: true }),
];

const of = ({ security_group_id, cluster }: SecurityGroup): { security_group_id: number; cluster: string } => ({ security_group_id, cluster });
export const SECURITY_ACTIONS: readonly Action<SecurityGroup>[] = [
  {
    key: "edit", title: "action.edit", fields: named,
    request: (row, values) =>
      ask("user.security_group.edit", { ...of(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "delete", title: "action.delete", isDanger: true, may: (row) => row.nics === 0, confirm: { title: "confirm.delete", help: "security.deleteHelp" },
    request: (row) => ask("user.security_group.delete", of(row)),
  },
];
