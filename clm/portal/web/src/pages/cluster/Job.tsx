import type { ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { CLUSTER_JOB_ACTIONS, type Job as Row } from "../../kinds/jobs.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { JobView } from "../../ui/JobView.tsx";
import { useAnswer } from "../../ui/live.ts";
import type { PageProps } from "../../ui/Opened.tsx";

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const { job_id, cluster } = row;
  const { value } = useAnswer("admin.job.get_by_id", { job_id, cluster }, ["job"], true);
  return (
    <>
      <Actions rows={[row]} name={(each) => each.name} actions={CLUSTER_JOB_ACTIONS} done={reload} />
      <JobView front="admin" job={row} detail={value} />
    </>
  );
}

export default function Job({ params }: PageProps): ReactNode {
  return (
    <AtOne source={ofCluster("admin.job.get_list", params["cluster"] ?? "", { page: ["after", "job_id"], kinds: ["", "job"], all: true })} uuid={params["uuid"] ?? ""}>
      {(row, reload) => <Known row={row} reload={reload} />}
    </AtOne>
  );
}
