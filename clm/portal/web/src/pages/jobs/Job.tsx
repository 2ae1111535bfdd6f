import { useMemo, useSyncExternalStore, type ReactNode } from "react";
import { machines } from "../../api/cloud.ts";
import { editAction, JOB_ACTIONS, JOBS, type Job as Row } from "../../kinds/jobs.ts";
import "../../texts/scheduled.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { JobView } from "../../ui/JobView.tsx";
import { useAnswer } from "../../ui/live.ts";
import type { PageProps } from "../../ui/Opened.tsx";

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const { job_id, cluster } = row;
  const all = useSyncExternalStore(machines.subscribe, machines.snapshot);
  const detail = useAnswer("user.job.get_by_id", { job_id, cluster }, ["job"]);
  const whole = useMemo(() => ({ ...row, params: detail.value?.params ?? [] }), [row, detail.value]);
  const actions = useMemo(() => [...JOB_ACTIONS.slice(0, 1), ...(detail.value ? [editAction(all)] : []), ...JOB_ACTIONS.slice(1)], [detail.value, all]);
  const done = (): void => {
    reload();
    detail.reload();
  };
  return (
    <>
      <Actions rows={[whole]} name={(each) => each.name} actions={actions} done={done} />
      <JobView front="user" job={row} detail={detail.value} />
    </>
  );
}

export default function Job({ params }: PageProps): ReactNode {
  return <AtOne source={JOBS} uuid={params["uuid"] ?? ""}>{(row, reload) => <Known row={row} reload={reload} />}</AtOne>;
}
