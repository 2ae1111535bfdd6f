import type { ReactNode } from "react";
import { CLUSTER_IMAGE_ACTIONS, clusterImagesOf } from "../../kinds/clusterImages.ts";
import type { Image as Row } from "../../kinds/images.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { Status } from "../../ui/columns.tsx";
import { ImageFacts } from "../../ui/ImageFacts.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { useWork, WorkSection } from "../../ui/Work.tsx";

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const work = useWork("admin", row.cluster, "image_id", row.image_id);
  return (
    <>
      <Status group="imageState" value={row.state} />
      <Actions rows={[row]} name={(each) => each.name} actions={CLUSTER_IMAGE_ACTIONS} done={() => {
        reload();
        work.reload();
      }} />
      <ImageFacts row={row} />
      <WorkSection front="admin" data={work} />
    </>
  );
}

/** An image of a cluster's, of whatever kind and whoever's: what is known of it, and what is done on it. */
export default function Image({ params }: PageProps): ReactNode {
  return (
    <AtOne source={clusterImagesOf(params["cluster"] ?? "")} uuid={params["uuid"] ?? ""}>
      {(row, reload) => <Known row={row} reload={reload} />}
    </AtOne>
  );
}
