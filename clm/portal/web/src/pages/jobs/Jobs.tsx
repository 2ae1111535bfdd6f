import type { ReactNode } from "react";
import { JOB_ACTIONS, JOB_COLUMNS, JOB_FILTERS, JOBS, type Job } from "../../kinds/jobs.ts";
import { addressTo } from "../../model/routes.ts";
import "../../texts/scheduled.ts";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { ButtonTo } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";

const SPEC: ListSpec<Job> = {
  title: "menu.jobs",
  columns: JOB_COLUMNS,
  filters: JOB_FILTERS,
  search: (row) => [row.name, row.method, row.cron],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: JOB_ACTIONS,
  none: ["jobs.none", "jobs.noneHelp"],
};

/** Calls that the cluster makes for one, by a schedule or when asked. */
export default function Jobs(): ReactNode {
  const { t } = useTexts();
  return <ListPage source={JOBS} spec={SPEC} beside={<ButtonTo to={addressTo("newJob")} isPrimary>{t("jobs.create")}</ButtonTo>} />;
}
