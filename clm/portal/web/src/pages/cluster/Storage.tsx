import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import type { ReactNode } from "react";
import { STORAGE_ACTIONS, storagesOf, type Storage as Row } from "../../kinds/storages.ts";
import { word } from "../../texts/translate.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { Facts } from "../../ui/Facts.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { Section } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";
import { useWork, WorkSection } from "../../ui/Work.tsx";

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const { t, bytes, time } = useTexts();
  const work = useWork("admin", row.cluster, "storage_id", row.storage_id);
  const yes = (value: boolean): string => t(value ? "list.yes" : "list.no");
  return (
    <>
      {row.full_since && <Alert component="p" variant="warning" isInline title={t("storages.full", { time: time(row.full_since) })} />}
      {row.nodes.filter((each) => each.last_error).map((each) => (
        <Alert component="p" key={each.node_id} variant="warning" isInline title={`${each.name}: ${each.last_error}`} />
      ))}
      <Actions rows={[row]} name={(each) => each.name} actions={STORAGE_ACTIONS} done={() => {
        reload();
        work.reload();
      }} />
      <Section title="machine.overview">
        <Facts facts={[
          ["column.kind", word(t, "storageKind", row.kind)], ["storages.path", row.path], ["column.address", row.address], ["storages.source", row.source],
          ["storages.claimed", t("quota.usedOf", { used: bytes(row.claimed_bytes), of: bytes(row.capacity_bytes) })],
          ["storages.reserve", bytes(row.reserve_bytes)], ["storages.overcommit", String(row.overcommit)], ["nodes.priority", String(row.priority)],
          ["menu.nodes", row.nodes.map((each) => `${each.name} (${word(t, "attachState", each.state)})`).join(", ")],
          ["storages.isDefault", yes(row.is_default)], ["storages.offered", yes(row.offered)], ["admin.locked", yes(row.locked)], ["storages.draining", yes(row.draining)],
          ["column.created", time(row.created)], ["column.uuid", row.uuid],
        ]} />
      </Section>
      <WorkSection front="admin" data={work} />
    </>
  );
}

export default function Storage({ params }: PageProps): ReactNode {
  return (
    <AtOne source={storagesOf(params["cluster"] ?? "")} uuid={params["uuid"] ?? ""}>
      {(row, reload) => <Known row={row} reload={reload} />}
    </AtOne>
  );
}
