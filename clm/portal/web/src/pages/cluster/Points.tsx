import { FormSelect, FormSelectOption } from "@patternfly/react-core/dist/esm/components/FormSelect/index.js";
import { useMemo, useState, type ReactNode } from "react";
import { serverNow } from "../../api/clock.ts";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { months } from "../../model/points.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { useTexts } from "../../ui/settings.ts";

type Cost = ItemOf<"admin.user.points_report"> & Placed;
const c = columns<Cost>();
const MONTHS = 12;

const SPEC: ListSpec<Cost> = {
  title: "menu.points",
  columns: [
    c.link("login", "column.login", (row) => addressTo("accountPoints", { cluster: row.cluster, id: String(row.user_id) })),
    c.of("used", "points.used", (row) => row.used, { show: (row, { number }) => number(row.used) }),
    c.of("limit", "points.limit", (row) => row.limit, { show: (row, { t, number }) => (row.limit ? number(row.limit) : t("points.noLimit")) }),
    c.of("share", "points.share", (row) => (row.limit ? row.used / row.limit : 0), {
      show: (row, { number }) => (row.limit ? `${number(Math.round((row.used / row.limit) * 100))} %` : ""), isMinor: true,
    }),
    c.of("hours", "points.hours", (row) => row.hours, { show: (row, { number }) => number(row.hours), isMinor: true }),
    c.text("vms", "machines.title", { isMinor: true }),
  ],
  id: (row) => String(row.user_id),
  name: (row) => row.login,
  none: ["points.none", "points.noneHelp"],
};

/** What each account's machines cost in a month. */
export default function Points({ params }: PageProps): ReactNode {
  const { t, month: named } = useTexts();
  const known = useMemo(() => months(new Date(serverNow()), MONTHS), []);
  const [month, setMonth] = useState(known[0] ?? "");
  const source = ofCluster("admin.user.points_report", params["cluster"] ?? "", { page: ["after", "user_id"], kinds: ["", "vm", "user"], all: true }, { month });
  const choice = (
    <FormSelect aria-label={t("points.month")} value={month} onChange={(_event, chosen) => setMonth(chosen)}>
      {known.map((each) => <FormSelectOption key={each} value={each} label={named(each)} />)}
    </FormSelect>
  );
  return <ListPage spec={SPEC} source={source} beside={<div className="w-tools">{choice}</div>} />;
}
