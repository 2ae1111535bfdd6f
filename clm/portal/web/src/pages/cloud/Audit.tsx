import type { ReactNode } from "react";
import { ofCloud } from "../../api/list.ts";
import type { AuditEntry, LoginEntry } from "../../api/wawel.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage, ListSection } from "../../ui/lists.tsx";

/** The latest: what is older, the console's client lists. */
const LATEST = 1000;

const c = columns<AuditEntry>();
const SPEC: ListSpec<AuditEntry> = {
  title: "menu.audit",
  columns: [
    c.of("at", "column.when", (row) => -Date.parse(row.at), { show: (row, { time }) => time(row.at) }), c.text("login", "column.login"), c.text("method", "audit.method"),
    c.of("arguments", "audit.arguments", (row) => JSON.stringify(row.arguments), { isMinor: true, isWide: true }), c.text("remote", "sessions.remote", { isMinor: true }),
    c.text("call_id", "audit.call", { isMinor: true }),
  ],
  id: (row) => String(row.audit_id),
  name: (row) => row.method,
  none: ["audit.none", "audit.noneHelp"],
};

const l = columns<LoginEntry>();
const LOGINS: ListSpec<LoginEntry> = {
  title: "logins.title",
  columns: [
    l.of("last", "column.when", (row) => -Date.parse(row.last), { show: (row, { time }) => time(row.last) }), l.text("login", "column.login"), l.text("outcome", "drift.outcome"),
    l.text("how", "logins.how", { isMinor: true }), l.text("remote", "sessions.remote", { isMinor: true }), l.text("count", "logins.count", { isMinor: true }),
  ],
  id: (row) => String(row.login_id),
  name: (row) => row.login,
  none: ["logins.none", "audit.noneHelp"],
};

export default function Audit(): ReactNode {
  return (
    <>
      <ListPage source={ofCloud("cloud.audit.get_list", {}, { limit: LATEST })} spec={SPEC} />
      <ListSection source={ofCloud("cloud.login.get_list", {}, { limit: LATEST })} spec={LOGINS} />
    </>
  );
}
