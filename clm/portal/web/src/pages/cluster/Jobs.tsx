import type { ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { CLUSTER_JOB_ACTIONS, CLUSTER_JOB_COLUMNS, JOB_FILTERS, type Job } from "../../kinds/jobs.ts";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";

const SPEC: ListSpec<Job> = {
  title: "menu.jobs",
  columns: CLUSTER_JOB_COLUMNS,
  filters: JOB_FILTERS,
  search: (row) => [row.name, row.method, String(row.user_id)],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: CLUSTER_JOB_ACTIONS,
  none: ["jobs.nobody", "jobs.nobodyHelp"],
};

/** Everybody's jobs. */
export default function Jobs({ params }: PageProps): ReactNode {
  return <ListPage spec={SPEC} source={ofCluster("admin.job.get_list", params["cluster"] ?? "", { page: ["after", "job_id"], kinds: ["", "job"], all: true })} />;
}
