import { useMemo, type ReactNode } from "react";
import { everywhere } from "../api/list.ts";
import { DISK_ACTIONS, DISK_OFFERS, SNAPSHOT_LIST, snapshotsOf, type Disk as Row } from "../kinds/disks.ts";
import { Actions } from "../ui/Actions.tsx";
import { AtOne } from "../ui/AtOne.tsx";
import { Status } from "../ui/columns.tsx";
import { Facts } from "../ui/Facts.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { ListSection } from "../ui/lists.tsx";
import { Section } from "../ui/parts.tsx";
import { useTexts } from "../ui/settings.ts";

function Overview({ row }: { row: Row }): ReactNode {
  const { bytes, time } = useTexts();
  return (
    <Section title="machine.overview">
      <Facts facts={[
        ["column.description", row.description],
        ["column.size", bytes(row.size_bytes)],
        ["disks.allocated", row.allocated_bytes === null ? null : bytes(row.allocated_bytes)],
        ["disks.claimed", bytes(row.claimed_bytes)],
        ["column.format", row.format],
        ["column.storage", row.storage_name],
        ["column.cluster", row.cluster],
        ["column.attachedTo", row.attachments.map((each) => `${each.vm_name} (${each.device})`).join(", ")],
        ["column.owner", row.user_login],
        ["column.created", time(row.created)],
        ["column.uuid", row.uuid],
      ]} />
    </Section>
  );
}

const ALL = { ...everywhere("user.disk.get_list", { page: ["before", "disk_id"], kinds: ["disk"] }) };

export default function Disk({ params }: PageProps): ReactNode {
  return (
    <AtOne source={ALL} uuid={params["uuid"] ?? ""}>
      {(row, reload) => <Known row={row} reload={reload} />}
    </AtOne>
  );
}

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const source = useMemo(() => snapshotsOf(row.cluster, { disk_id: row.disk_id }), [row.cluster, row.disk_id]);
  return (
    <>
      <Status group="diskState" value={row.state} />
      <Actions rows={[row]} name={(each) => each.name} actions={DISK_ACTIONS} offers={DISK_OFFERS} done={reload} />
      <Overview row={row} />
      <ListSection source={source} spec={SNAPSHOT_LIST} />
    </>
  );
}
