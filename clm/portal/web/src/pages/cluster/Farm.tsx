import type { ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { CLUSTER_FARM_ACTIONS } from "../../kinds/farms.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { FarmView } from "../../ui/FarmView.tsx";
import type { PageProps } from "../../ui/Opened.tsx";

export default function Farm({ params }: PageProps): ReactNode {
  return (
    <AtOne source={ofCluster("admin.farm.get_list", params["cluster"] ?? "", { page: ["before", "farm_id"], kinds: ["", "farm"], all: true })} uuid={params["uuid"] ?? ""}>
      {(row, reload) => (
        <>
          <Actions rows={[row]} name={(each) => each.name} actions={CLUSTER_FARM_ACTIONS} done={reload} />
          <FarmView farm={row} isMine={false} reload={reload} />
        </>
      )}
    </AtOne>
  );
}
