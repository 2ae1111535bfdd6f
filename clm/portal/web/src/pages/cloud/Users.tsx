import type { ReactNode } from "react";
import { ofCloud } from "../../api/list.ts";
import { clusterOptions } from "../../api/options.ts";
import { ask } from "../../api/request.ts";
import type { User } from "../../api/wawel.ts";
import { given, isSet, numberOf, textOf } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

const c = columns<User>();
const of = ({ user_id }: User): { user_id: number } => ({ user_id });
const STATES = ["registered", "confirmed", "active", "blocked"] as const;

const SPEC: ListSpec<User> = {
  title: "menu.users",
  columns: [
    c.text("login", "column.login"), c.status("state", "column.state", "userState"),
    c.of("name", "column.name", (row) => `${row.first_name} ${row.last_name}`.trim(), { isMinor: true }),
    c.text("email", "account.email", { isMinor: true }), c.yes("is_cloud_admin", "users.isAdmin"), c.yes("has_totp", "factor.title"),
    c.time("last_login", "account.lastLogin"),
  ],
  filters: [{ key: "state", title: "column.state", any: "list.anyState", options: STATES.map((value) => ({ value, title: `userState.${value}` as const })), of: (row) => row.state }],
  search: (row) => [row.login, row.email, row.first_name, row.last_name, row.organization],
  id: (row) => row.uuid,
  name: (row) => row.login,
  actions: [
    { key: "activate", title: "users.activate", may: (row) => ["registered", "confirmed"].includes(row.state), request: (row) => ask("cloud.user.activate", of(row)) },
    {
      key: "block", title: "users.block", isDanger: true, may: (row) => row.state === "active", confirm: { title: "users.blockAsk", help: "users.blockHelp" },
      request: (row) => ask("cloud.user.block", { ...of(row), block: true }),
    },
    { key: "unblock", title: "users.unblock", may: (row) => row.state === "blocked", request: (row) => ask("cloud.user.block", { ...of(row), block: false }) },
    {
      key: "edit", title: "action.edit",
      fields: (row) => [
        { name: "first_name", label: "account.firstName", initial: row.first_name }, { name: "last_name", label: "account.lastName", initial: row.last_name },
        { name: "organization", label: "account.organization", initial: row.organization }, { name: "email", label: "account.email", as: "email", initial: row.email },
      ],
      request: (row, values) =>
        ask("cloud.user.edit", {
          ...of(row), first_name: textOf(values, "first_name"), last_name: textOf(values, "last_name"), organization: textOf(values, "organization"),
          ...(textOf(values, "email") !== row.email && { email: textOf(values, "email") }),
        }),
    },
    {
      key: "quota", title: "admin.setQuota",
      fields: () => [
        { name: "cluster", label: "column.cluster", as: "select", isRequired: true, options: clusterOptions },
        { name: "vms", label: "quota.vms", help: "users.quotaHelp", as: "number", min: 0 }, { name: "cpu", label: "quota.cpu", as: "number", min: 0 },
        { name: "memory_mib", label: "quota.memoryMib", as: "number", min: 0 }, { name: "storage_mib", label: "quota.storageMib", as: "number", min: 0 },
      ],
      request: ({ user_id }, values) =>
        ask("cloud.quota.edit", {
          cluster: textOf(values, "cluster"), user_ids: [user_id],
          ...Object.fromEntries(["vms", "cpu", "memory_mib", "storage_mib"].flatMap((name) => (numberOf(values, name) === undefined ? [] : [[name, numberOf(values, name)]]))),
        }),
    },
    {
      key: "password", title: "account.setPassword", fields: () => [{ name: "new_password", label: "account.newPassword", as: "password", isRequired: true, autoComplete: "new-password" }],
      request: (row, values) => ask("cloud.user.set_password", { ...of(row), new_password: String(values["new_password"]) }),
    },
    { key: "sessions", title: "users.endSessions", confirm: { title: "users.endSessionsAsk", help: "sessions.endHelp" }, request: (row) => ask("cloud.user.end_sessions", of(row)) },
    {
      key: "totp", title: "users.resetTotp", may: (row) => row.has_totp, confirm: { title: "users.resetTotpAsk", help: "users.resetTotpHelp" },
      request: (row) => ask("cloud.user.reset_totp", of(row)),
    },
    {
      key: "admin", title: "users.makeAdmin", may: (row) => !row.is_cloud_admin && row.state === "active", confirm: { title: "users.makeAdminAsk", help: "users.makeAdminHelp" },
      request: (row) => ask("cloud.user.set_admin", { ...of(row), admin: true }),
    },
    {
      key: "noAdmin", title: "users.unmakeAdmin", may: (row) => row.is_cloud_admin, confirm: { title: "users.unmakeAdminAsk", help: "users.unmakeAdminHelp" },
      request: (row) => ask("cloud.user.set_admin", { ...of(row), admin: false }),
    },
    { key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "users.deleteHelp" }, request: (row) => ask("cloud.user.delete", of(row)) },
  ],
  none: ["admin.noUsers", "admin.noUsersHelp"],
};

const ADD: Making = {
  key: "add-user",
  title: "users.add",
  fields: [
    { name: "login", label: "column.login", isRequired: true, maxLength: 64 }, { name: "email", label: "account.email", as: "email" },
    { name: "password", label: "login.password", as: "password", autoComplete: "new-password" }, { name: "first_name", label: "account.firstName" },
    { name: "last_name", label: "account.lastName" }, { name: "organization", label: "account.organization" }, { name: "is_cloud_admin", label: "users.isAdmin", as: "check" },
  ],
  request: (values) =>
    ask("cloud.user.add", {
      login: textOf(values, "login"), ...given(values, "email", "first_name", "last_name", "organization"), is_cloud_admin: isSet(values, "is_cloud_admin"),
      password: String(values["password"]) || null,
    }),
};

export default function Users(): ReactNode {
  return <ListPage source={ofCloud("cloud.user.get_list", { page: ["after", "user_id"], kinds: ["", "user"], all: true })} spec={SPEC} making={[ADD]} />;
}
