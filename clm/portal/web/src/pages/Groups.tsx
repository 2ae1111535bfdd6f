import type { ReactNode } from "react";
import { GROUP_ACTIONS, GROUP_COLUMNS, GROUPS, type Group } from "../kinds/groups.ts";
import { ask } from "../api/request.ts";
import { DESCRIPTION, NAME } from "../model/fields.ts";
import { given, textOf } from "../model/form.ts";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import type { Making } from "../ui/parts.tsx";

const SPEC: ListSpec<Group> = {
  title: "menu.groups",
  columns: GROUP_COLUMNS,
  filters: [{
    key: "status", title: "groups.mine", any: "groups.all", of: (row) => row.status,
    options: [{ value: "member", title: "groupStatus.member" }, { value: "waiting", title: "groupStatus.waiting" }, { value: "none", title: "groupStatus.none" }],
  }],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: GROUP_ACTIONS,
  none: ["groups.none", "groups.noneHelp"],
};

const MAKE: Making = {
  key: "make-group",
  title: "groups.create",
  help: "groups.createHelp",
  fields: [NAME, DESCRIPTION],
  request: (values) => ask("user.group.create", { name: textOf(values, "name"), ...given(values, "description") }),
};

export default function Groups(): ReactNode {
  return <ListPage source={GROUPS} spec={SPEC} making={[MAKE]} />;
}
