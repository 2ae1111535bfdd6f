import type { ReactNode } from "react";
import { IMAGE_ACTIONS, IMAGE_OFFERS, IMAGES, type Image as Row } from "../kinds/images.ts";
import { Access } from "../ui/Access.tsx";
import { Actions } from "../ui/Actions.tsx";
import { AtOne } from "../ui/AtOne.tsx";
import { Status } from "../ui/columns.tsx";
import { ImageFacts } from "../ui/ImageFacts.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { useWork, WorkSection } from "../ui/Work.tsx";

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const work = useWork("user", row.cluster, "image_id", row.image_id);
  return (
    <>
      <Status group="imageState" value={row.state} />
      <Actions rows={[row]} name={(each) => each.name} actions={IMAGE_ACTIONS} offers={IMAGE_OFFERS} done={() => {
        reload();
        work.reload();
      }} />
      <ImageFacts row={row} />
      {row.mine && <Access kind="image" object_id={row.image_id} cluster={row.cluster} />}
      {row.mine && <WorkSection front="user" data={work} />}
    </>
  );
}

export default function Image({ params }: PageProps): ReactNode {
  return (
    <AtOne source={IMAGES} uuid={params["uuid"] ?? ""}>
      {(row, reload) => <Known row={row} reload={reload} />}
    </AtOne>
  );
}
