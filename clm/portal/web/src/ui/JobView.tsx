import { useMemo, type ReactNode } from "react";
import { ofCluster, type Placed } from "../api/list.ts";
import type { JobCall, JobDetail } from "../api/wawel.ts";
import { RUN_ACTIONS, runColumns, scheduleOf, type Job, type Run } from "../kinds/jobs.ts";
import { linesOf } from "../model/jobs.ts";
import { told } from "../texts/translate.ts";
import { Badge } from "./Badge.tsx";
import { columns } from "./columns.tsx";
import { Facts } from "./Facts.tsx";
import { List, type ListSpec } from "./List.tsx";
import { useAnswer, useRows } from "./live.ts";
import { Section } from "./parts.tsx";
import { Problem } from "./Problem.tsx";
import { useAddress } from "./router.ts";
import { useTexts } from "./settings.ts";

type Front = "user" | "admin";

const c = columns<JobCall>();
const CALLS: ListSpec<JobCall> = {
  title: "jobs.outcomesTitle",
  columns: [
    c.text("number", "jobs.number"),
    c.of("params", "jobs.parameters", (row) => JSON.stringify(row.params), { isWide: true }),
    c.of("status", "jobs.outcome", (row) => row.status, {
      show: ({ status }, { t }) => <Badge colour={status === "ok" ? "green" : status ? "red" : "blue"}>{status === "ok" ? t("runState.done") : status ? t("runState.failed") : t("jobs.waits")}</Badge>,
    }),
    c.of("message", "jobs.said", (row) => row.message, {
      show: ({ status, message }, { t }) => (status && status !== "ok" ? told(t, { slug: status, message: message || status }) : ""), isMinor: true,
    }),
    c.time("finished", "work.finished"),
  ],
  id: (row) => String(row.number),
  name: (row) => String(row.number),
  none: ["jobs.noOutcomes", "jobs.noOutcomesHelp"],
};

/** What came of each call of a run. */
function Outcomes({ front, run }: { front: Front; run: Run }): ReactNode {
  const { t, time } = useTexts();
  const { job_run_id, cluster } = run;
  const { value, error, reload } = useAnswer(`${front}.job.get_run`, { job_run_id, cluster }, ["job"], front === "admin");
  const data = useMemo(() => ({ rows: value?.log ?? [], came: value !== undefined, missing: [] }), [value]);
  return (
    <Section title="jobs.outcomesTitle">
      {error ? <Problem error={error} retry={reload} /> : <><p>{t("jobs.outcomes", { time: time(run.created) })}</p><List spec={CALLS} data={data} isPart /></>}
    </Section>
  );
}

/** What is known of a job, its runs, and what came of one of them: of the last, or of the one in the address. */
export function JobView({ front, job, detail }: { front: Front; job: Job; detail: JobDetail | undefined }): ReactNode {
  const texts = useTexts();
  const { time } = texts;
  const { pathname, search } = useAddress();
  const asked = new URLSearchParams(search).get("run");
  const { job_id, cluster } = job;
  const runs = useRows(ofCluster(`${front}.job.get_runs`, cluster, { kinds: ["", "job"], all: front === "admin" }, { job_id, limit: 100 }));
  const shown = runs.rows.find((each) => each.uuid === asked) ?? runs.rows.reduce<(Run & Placed) | undefined>((last, each) => (last && last.job_run_id > each.job_run_id ? last : each), undefined);
  const spec = useMemo<ListSpec<Run>>(() => ({
    title: "jobs.runs",
    columns: runColumns((row) => `${pathname}?run=${row.uuid}`),
    id: (row) => row.uuid,
    name: (row) => time(row.created),
    ...(front === "user" && { actions: RUN_ACTIONS }),
    none: ["jobs.noRuns", "jobs.noRunsHelp"],
  }), [pathname, front, time]);
  return (
    <>
      <Section title="machine.overview">
        <Facts facts={[
          ["jobs.method", <code key="method">{job.method}</code>],
          ["jobs.parameters", detail && linesOf(detail.params).split("\n").map((line, index) => <div key={index}><code>{line}</code></div>)],
          ["jobs.cron", scheduleOf(job, texts)],
          ["jobs.next", job.next && time(job.next)],
          ...(front === "admin" ? [["column.ownerId", String(job.user_id)] as const] : []),
          ["column.cluster", cluster], ["column.created", time(job.created)], ["column.uuid", job.uuid],
        ]} />
      </Section>
      <Section title="jobs.runs"><List spec={spec} data={runs} isPart /></Section>
      {shown && <Outcomes key={shown.uuid} front={front} run={shown} />}
    </>
  );
}
