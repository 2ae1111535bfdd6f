import type { ReactNode } from "react";
import { ofCloud } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import type { News as Row } from "../../api/wawel.ts";
import { isSet, textOf, type Field } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

const c = columns<Row>();
const fields = (row?: Row): readonly Field[] => [
  { name: "topic", label: "news.topic", isRequired: true, initial: row?.topic ?? "", maxLength: 128 },
  { name: "content", label: "news.content", as: "area", initial: row?.content ?? "" },
  { name: "sticky", label: "news.sticky", as: "check", initial: row?.sticky ?? false },
];

const SPEC: ListSpec<Row> = {
  title: "menu.news",
  columns: [c.text("topic", "news.topic"), c.text("content", "news.content", { isMinor: true, isWide: true }), c.yes("sticky", "news.sticky"), c.time("created", "column.created")],
  id: (row) => String(row.news_id),
  name: (row) => row.topic,
  actions: [
    {
      key: "edit", title: "action.edit", fields,
      request: ({ news_id }, values) => ask("cloud.news.edit", { news_id, topic: textOf(values, "topic"), content: textOf(values, "content"), sticky: isSet(values, "sticky") }),
    },
    { key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "news.deleteHelp" }, request: ({ news_id }) => ask("cloud.news.delete", { news_id }) },
  ],
  none: ["news.none", "news.noneHelp"],
};

const ADD: Making = {
  key: "add-news", title: "news.add", fields: fields(),
  request: (values) => ask("cloud.news.add", { topic: textOf(values, "topic"), content: textOf(values, "content"), sticky: isSet(values, "sticky") }),
};

export default function News(): ReactNode {
  return <ListPage source={ofCloud("guest.news.get_list", { page: ["before", "news_id"] })} spec={SPEC} making={[ADD]} />;
}
