import type { ReactNode } from "react";
import { CLUSTER } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { SECURITY_ACTIONS, SECURITY_COLUMNS, SECURITY_GROUPS, type SecurityGroup } from "../kinds/security.ts";
import { DESCRIPTION, NAME } from "../model/fields.ts";
import { given, textOf } from "../model/form.ts";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import type { Making } from "../ui/parts.tsx";

const SPEC: ListSpec<SecurityGroup> = {
  title: "menu.security",
  columns: SECURITY_COLUMNS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: SECURITY_ACTIONS,
  none: ["security.none", "security.noneHelp"],
};

const MAKE: Making = {
  key: "make-security",
  title: "security.create",
  help: "security.createHelp",
  fields: [NAME, DESCRIPTION, CLUSTER],
  request: (values) => ask("user.security_group.create", { name: textOf(values, "name"), ...given(values, "description", "cluster") }),
};

export default function SecurityGroups(): ReactNode {
  return <ListPage source={SECURITY_GROUPS} spec={SPEC} making={[MAKE]} />;
}
