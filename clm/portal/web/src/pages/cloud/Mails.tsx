import type { ReactNode } from "react";
import { ofCloud } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import type { Mail } from "../../api/wawel.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage } from "../../ui/lists.tsx";

const c = columns<Mail>();
const STATES = ["due", "sent", "failed"] as const;
const SPEC: ListSpec<Mail> = {
  title: "menu.mails",
  columns: [
    c.of("created", "column.created", (row) => -Date.parse(row.created), { show: (row, { time }) => time(row.created) }), c.text("recipient", "mails.recipient"), c.status("state", "column.state", "mailState"),
    c.text("template", "mails.template", { isMinor: true }), c.text("attempts", "mails.attempts", { isMinor: true }), c.text("trouble", "column.reason", { isMinor: true }),
  ],
  filters: [{ key: "state", title: "column.state", any: "list.anyState", options: STATES.map((value) => ({ value, title: `mailState.${value}` as const })), of: (row) => row.state }],
  id: (row) => String(row.mail_id),
  name: (row) => row.recipient,
  actions: [{ key: "retry", title: "action.retry", may: (row) => row.state !== "sent", request: ({ mail_id }) => ask("cloud.mail.retry", { mail_id }) }],
  none: ["mails.none", "mails.noneHelp"],
};

export default function Mails(): ReactNode {
  return <ListPage source={ofCloud("cloud.mail.get_list", {}, { limit: 1000 })} spec={SPEC} />;
}
