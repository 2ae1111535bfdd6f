// Jobs and their runs: what is shown of them and done to them.
import { createElement, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { everywhere, type ItemOf, type Placed } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { JobDetail, JobRun, JobRunState } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { NAME, plainly } from "../model/fields.ts";
import { textOf, type Field, type Option, type Values } from "../model/form.ts";
import { edited, isTask, linesOf, machinesOf, OTHER, TASKS } from "../model/jobs.ts";
import { addressTo } from "../model/routes.ts";
import type { Filter } from "../model/table.ts";
import { columns, Status } from "../ui/columns.tsx";
import { Link } from "../ui/Link.tsx";
import type { Column } from "../ui/List.tsx";
import type { Texts } from "../ui/settings.ts";

export type Job = ItemOf<"user.job.get_list"> & Placed;
export type Run = JobRun & Placed;

/** What its runs come to is told without another version of the job, so it is read anew. */
export const JOBS = everywhere("user.job.get_list", { page: ["after", "job_id"], kinds: ["", "job"] });

export function scheduleOf({ cron, timezone, enabled }: Job, { t }: Texts): string {
  if (!cron) return t("jobs.byHand");
  const schedule = t("jobs.by", { cron, timezone });
  return enabled ? schedule : t("jobs.off", { schedule });
}

const stateOf = (state: JobRunState | undefined): ReactNode => (state ? createElement(Status, { group: "runState", value: state }) : "");

const c = columns<Job>();
const COLUMNS: readonly Column<Job>[] = [
  c.text("method", "jobs.method", { isMinor: true }),
  c.text("calls", "jobs.callsOf", { isMinor: true }),
  c.of("cron", "jobs.cron", (row) => row.cron, { show: scheduleOf, isMinor: true }),
  c.time("next", "jobs.next"),
  c.of("last", "jobs.last", (row) => row.last_run?.state, { show: (row) => stateOf(row.last_run?.state) }),
  c.of("lastAt", "jobs.lastAt", (row) => row.last_run?.created, { show: (row, { time }) => (row.last_run ? time(row.last_run.created) : ""), isMinor: true }),
];
export const JOB_COLUMNS: readonly Column<Job>[] = [
  c.link("name", "column.name", ({ uuid }) => addressTo("job", { uuid })), ...COLUMNS, c.text("cluster", "column.cluster", { isMinor: true }),
];
export const CLUSTER_JOB_COLUMNS: readonly Column<Job>[] = [
  c.link("name", "column.name", ({ uuid, cluster }) => addressTo("clusterJob", { uuid, cluster })), c.text("user_id", "column.ownerId", { isMinor: true }), ...COLUMNS,
];

const STATES: readonly JobRunState[] = ["open", "done", "failed", "canceled", "missed", "skipped"];
export const JOB_FILTERS: readonly Filter<Job>[] = [{
  key: "last", title: "jobs.last", any: "list.anyState", of: (row) => row.last_run?.state ?? "",
  options: STATES.map((value) => ({ value, title: `runState.${value}` as const })),
}];

// ------------------------------------------------------------------ forms

const taskOf = (values: Values): string => textOf(values, "task");
const isOther = (values: Values): boolean => taskOf(values) === OTHER;

function zones(): Option[] {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return plainly([...new Set([here, "UTC", ...Intl.supportedValuesOf("timeZone")])]);
}

const schedule = (was?: Job): Field[] => [
  { name: "cron", label: "jobs.cron", help: "jobs.cronHelp", maxLength: 100, initial: was?.cron ?? "" },
  { name: "timezone", label: "jobs.timezone", as: "select", isRequired: true, options: zones(), initial: was?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    isShown: (values) => textOf(values, "cron") !== "" },
  { name: "enabled", label: "jobs.enabled", as: "check", initial: was?.enabled ?? true, isShown: (values) => textOf(values, "cron") !== "" },
];

/** Of a cluster, those that one may switch on and off; and numbers of others that are meant already. */
function machineChoices(cluster: string, machines: readonly Machine[], meant: readonly number[] = []): Option[] {
  const known = machines.filter((each) => each.cluster === cluster && (each.access !== "user" || meant.includes(each.vm_id)));
  const others = meant.filter((id) => !known.some((each) => each.vm_id === id));
  return [...known.map((each) => ({ value: String(each.vm_id), text: each.name })), ...others.map((id) => ({ value: String(id), text: `#${id}` }))];
}

const parameters = (initial: string): Field =>
  ({ name: "parameters", label: "jobs.parameters", help: "jobs.parametersHelp", as: "area", isRequired: true, initial, isShown: isOther });

export const newJobFields = (cluster: string, machines: readonly Machine[]): readonly Field[] => [
  NAME,
  { name: "task", label: "jobs.task", as: "select", isRequired: true, initial: TASKS[0], options: [...TASKS, OTHER].map((value) => ({ value, title: `jobs.do.${value}` as "jobs.do.other" })) },
  { name: "machines", label: "machines.title", as: "several", isRequired: true, options: machineChoices(cluster, machines), isShown: (values) => isTask(taskOf(values)) },
  { name: "method", label: "jobs.method", help: "jobs.methodHelp", isRequired: true, maxLength: 100, isShown: isOther },
  parameters("{}"), ...schedule(),
];

/** What a job calls stays, so it is not asked for; `task` is there for the fields that go by it. */
function editFields(job: Job & JobDetail, machines: readonly Machine[]): readonly Field[] {
  const meant = machinesOf(job.method, job.params);
  const task: Field = { name: "task", label: "jobs.task", initial: meant ? job.method : OTHER, isShown: () => false };
  const what: Field = meant
    ? { name: "machines", label: "machines.title", as: "several", isRequired: true, initial: meant.map(String), options: machineChoices(job.cluster, machines, meant) }
    : parameters(linesOf(job.params));
  return [{ ...NAME, initial: job.name }, task, what, ...schedule(job)];
}

// ------------------------------------------------------------------ what is done

const of = ({ job_id, cluster }: Job): { job_id: number; cluster: string } => ({ job_id, cluster });
const isRunning = (row: Job): boolean => row.last_run?.state === "open";

export const JOB_ACTIONS: readonly Action<Job>[] = [
  { key: "run", title: "jobs.run", may: (row) => !isRunning(row), request: (row) => ask("user.job.run", of(row)) },
  { key: "enable", title: "jobs.enable", may: (row) => row.cron !== "" && !row.enabled, request: (row) => ask("user.job.edit", { ...of(row), enabled: true }) },
  { key: "disable", title: "jobs.disable", may: (row) => row.cron !== "" && row.enabled, request: (row) => ask("user.job.edit", { ...of(row), enabled: false }) },
  {
    key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "jobs.deleteHelp" },
    request: (row) => ask("user.job.delete", of(row)),
  },
];

/** Of one whose calls are known. */
export const editAction = (machines: readonly Machine[]): Action<Job & JobDetail> => ({
  key: "edit", title: "action.edit", fields: (row) => editFields(row, machines), request: (row, values) => ask("user.job.edit", { ...of(row), ...edited(values) }),
});

export const CLUSTER_JOB_ACTIONS: readonly Action<Job>[] = [
  { key: "disable", title: "jobs.disable", may: (row) => row.cron !== "" && row.enabled, request: (row) => ask("admin.job.disable", of(row)) },
  {
    key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "jobs.deleteHelp" },
    request: (row) => ask("admin.job.delete", of(row)),
  },
];

// ------------------------------------------------------------------ runs

const r = columns<Run>();
/** @param toRun where what came of a run is shown. */
export const runColumns = (toRun: (row: Run) => string): readonly Column<Run>[] => [
  // The latest first.
  r.of("created", "jobs.begun", (row) => -Date.parse(row.created), { show: (row, { time }) => createElement(Link, { to: toRun(row), children: time(row.created) }) }),
  r.of("state", "column.state", (row) => row.state, { show: (row) => stateOf(row.state) }),
  r.of("ended", "jobs.ended", (row) => row.ended_calls, {
    show: (row, { t, number }) => (row.calls ? t("jobs.endedOf", { ended: number(row.ended_calls), calls: number(row.calls) }) : ""),
  }),
  r.of("refused", "jobs.refused", (row) => row.refused_calls, { show: (row, { number }) => (row.refused_calls ? number(row.refused_calls) : ""), isMinor: true }),
  r.of("due", "jobs.due", (row) => row.due, { show: (row, { t, time }) => (row.due ? time(row.due) : t("jobs.asked")), isMinor: true }),
  r.of("missed", "jobs.missed", (row) => row.missed, { show: (row, { number }) => (row.missed ? number(row.missed) : ""), isMinor: true }),
  r.time("finished", "work.finished"),
];

export const RUN_ACTIONS: readonly Action<Run>[] = [{
  key: "cancel", title: "jobs.cancel", may: (row) => row.state === "open", request: ({ job_run_id, cluster }) => ask("user.job.cancel", { job_run_id, cluster }),
}];
