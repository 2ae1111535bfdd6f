import type { ReactNode } from "react";
import { ofCloud } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { Message } from "../api/wawel.ts";
import { sentence } from "../model/messages.ts";
import { columns } from "../ui/columns.tsx";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";

const c = columns<Message>();
const SPEC: ListSpec<Message> = {
  title: "menu.messages",
  columns: [
    c.of("created", "column.when", (row) => -Date.parse(row.created), { show: (row, { time }) => time(row.created) }),
    c.of("text", "messages.text", (row) => row.code, {
      show: (row, { t }) => <span className="w-prewrap">{row.read ? sentence(t, row) : <strong>{sentence(t, row)}</strong>}</span>, isWide: true,
    }),
    c.status("level", "messages.level", "messageLevel", { isMinor: true }),
  ],
  filters: [{
    key: "read", title: "messages.read", any: "messages.all", of: (row) => (row.read ? "read" : "unread"),
    options: [{ value: "unread", title: "messages.isUnread" }, { value: "read", title: "messages.isRead" }],
  }],
  search: (row) => [row.code, ...Object.values(row.params).map(String)],
  id: (row) => String(row.message_id),
  name: (row) => row.code,
  actions: [
    { key: "read", title: "messages.mark", may: (row) => !row.read, request: ({ message_id }) => ask("user.message.mark_read", { message_ids: [message_id] }) },
    { key: "delete", title: "action.delete", isDanger: true, request: ({ message_id }) => ask("user.message.delete", { message_ids: [message_id] }) },
  ],
  none: ["messages.none", "messages.noneHelp"],
};

export default function Messages(): ReactNode {
  return <ListPage source={ofCloud("user.message.get_list", { page: ["before", "message_id"], kinds: ["", "message"] })} spec={SPEC} />;
}
