import type { ReactNode } from "react";
import { FARM_ACTIONS, FARMS } from "../../kinds/farms.ts";
import "../../texts/farmed.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { FarmView } from "../../ui/FarmView.tsx";
import type { PageProps } from "../../ui/Opened.tsx";

export default function Farm({ params }: PageProps): ReactNode {
  return (
    <AtOne source={FARMS} uuid={params["uuid"] ?? ""}>
      {(row, reload) => (
        <>
          <Actions rows={[row]} name={(each) => each.name} actions={FARM_ACTIONS} done={reload} />
          <FarmView farm={row} isMine reload={reload} />
        </>
      )}
    </AtOne>
  );
}
