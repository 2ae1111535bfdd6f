import type { ReactNode } from "react";
import { ofCloud } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import type { Session } from "../../api/wawel.ts";
import { AtAccount } from "../../ui/AtAccount.tsx";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListSection } from "../../ui/lists.tsx";

const c = columns<Session>();
const SPEC: ListSpec<Session> = {
  title: "sessions.title",
  columns: [
    c.text("client", "sessions.client", { isWide: true, show: (row, { t }) => (row.current ? `${row.client} (${t("sessions.this")})` : row.client) }),
    c.text("remote", "sessions.remote"), c.time("used", "sessions.used"), c.time("created", "column.created"), c.time("expires", "column.expires"),
  ],
  id: (row) => String(row.session_id),
  name: (row) => row.client || row.remote,
  actions: [{
    key: "end", title: "sessions.end", isDanger: true, may: (row) => !row.current, confirm: { title: "sessions.endAsk", help: "sessions.endHelp" },
    request: ({ session_id }) => ask("user.session.delete", { session_id }),
  }],
  none: ["sessions.none", "sessions.noneHelp"],
};

export default function Sessions(): ReactNode {
  return <AtAccount><ListSection source={ofCloud("user.session.get_list")} spec={SPEC} /></AtAccount>;
}
