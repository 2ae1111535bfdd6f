import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../api/list.ts";
import { groupOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import type { Level, Shared } from "../api/wawel.ts";
import { numberOf, textOf, type Option } from "../model/form.ts";
import { columns } from "./columns.tsx";
import type { ListSpec } from "./List.tsx";
import { ListSection } from "./lists.tsx";
import type { Making } from "./parts.tsx";

type Entry = ItemOf<"user.acl.get_list"> & Placed;
interface Subject {
  kind: Shared;
  object_id: number;
  cluster: string;
}

const LEVELS: readonly Option[] = [
  { value: "user", title: "level.user" }, { value: "operator", title: "level.operator" }, { value: "owner", title: "level.owner" },
];
const whom = ({ subject }: Entry): string => subject.login ?? String(subject.group_id ?? subject.user_id ?? "");

function specOf(at: Subject): ListSpec<Entry> {
  const c = columns<Entry>();
  return {
    title: "access.title",
    columns: [
      c.of("subject", "access.subject", whom, { show: (row, { t }) => (row.subject.group_id === undefined ? whom(row) : t("access.group", { name: whom(row) })) }),
      c.word("level", "access.level", "level"),
    ],
    id: whom,
    name: whom,
    actions: [{
      key: "revoke", title: "access.revoke", confirm: { title: "access.revokeAsk", help: "access.revokeHelp" },
      request: ({ subject }) =>
        ask("user.acl.set", {
          ...at, level: null, ...(subject.group_id === undefined ? { login: subject.login ?? null } : { group_id: subject.group_id }),
        }),
    }],
    none: ["access.none", "access.noneHelp"],
  };
}

const share = (at: Subject): Making => ({
  key: "share", title: "access.share",
  help: "access.shareHelp",
  fields: [
    { name: "with", label: "access.with", as: "select", isRequired: true, initial: "login", options: [{ value: "login", title: "access.person" }, { value: "group", title: "access.aGroup" }] },
    { name: "login", label: "column.login", isRequired: true, isShown: (values) => values["with"] === "login" },
    { name: "group_id", label: "column.group", as: "select", isRequired: true, options: groupOptions, isShown: (values) => values["with"] === "group" },
    { name: "level", label: "access.level", as: "select", isRequired: true, initial: "user", options: LEVELS },
  ],
  request: (values) =>
    ask("user.acl.set", {
      ...at, level: textOf(values, "level") as Level,
      ...(values["with"] === "group" ? { group_id: numberOf(values, "group_id") ?? null } : { login: textOf(values, "login") }),
    }),
});

/** Who else may do what with something. */
export function Access(at: Subject): ReactNode {
  const { kind, object_id, cluster } = at;
  const source = useMemo(() => ofCluster("user.acl.get_list", cluster, { kinds: [kind] }, { kind, object_id }), [kind, object_id, cluster]);
  const spec = useMemo(() => specOf({ kind, object_id, cluster }), [kind, object_id, cluster]);
  return <ListSection source={source} spec={spec} making={[share({ kind, object_id, cluster })]} />;
}
