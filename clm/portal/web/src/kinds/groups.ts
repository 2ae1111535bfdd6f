// Groups of people: what is shown of them and done to them.
import { ofCloud } from "../api/list.ts";
import { ask } from "../api/request.ts";
import { session } from "../api/session.ts";
import type { SeenGroup } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { named } from "../model/fields.ts";
import { textOf } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";

export type Group = SeenGroup;
export const GROUPS = ofCloud("user.group.get_list", { kinds: ["", "group"] });

const c = columns<Group>();
export const GROUP_COLUMNS: readonly Column<Group>[] = [
  c.link("name", "column.name", (row) => addressTo("group", { id: String(row.group_id) })),
  c.status("status", "groups.mine", "groupStatus"),
  c.text("leader_name", "groups.leader", { show: (row) => row.leader_name || row.leader, isMinor: true }),
  c.text("members", "groups.members", { isMinor: true }),
  c.text("description", "column.description", { isMinor: true }),
];

export const leads = (row: Group): boolean => row.leader_id === session.get()?.user_id;
const myself = (): number => session.get()?.user_id ?? 0;

export const GROUP_ACTIONS: readonly Action<Group>[] = [
  { key: "join", title: "groups.join", may: (row) => row.status === "none", request: ({ group_id }) => ask("user.group.join_request", { group_id }) },
  {
    key: "leave", title: "groups.leave", may: (row) => row.status === "member" && !leads(row),
    confirm: { title: "groups.leaveAsk", help: "groups.leaveHelp" },
    request: ({ group_id }) => ask("user.group.delete_user", { group_id, user_id: myself() }),
  },
  {
    key: "withdraw", title: "groups.withdraw", may: (row) => row.status === "waiting",
    request: ({ group_id }) => ask("user.group.delete_user", { group_id, user_id: myself() }),
  },
  {
    key: "edit", title: "action.edit", may: leads, fields: named,
    request: ({ group_id }, values) => ask("user.group.edit", { group_id, name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "delete", title: "action.delete", may: leads, isDanger: true, confirm: { title: "confirm.delete", help: "groups.deleteHelp" },
    request: ({ group_id }) => ask("user.group.delete", { group_id }),
  },
];
