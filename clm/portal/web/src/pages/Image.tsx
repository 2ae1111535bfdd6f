import type { ReactNode } from "react";
import { audienceOf, IMAGE_ACTIONS, IMAGE_OFFERS, IMAGES, type Image as Row } from "../kinds/images.ts";
import { word } from "../texts/translate.ts";
import { Access } from "../ui/Access.tsx";
import { Actions } from "../ui/Actions.tsx";
import { AtOne } from "../ui/AtOne.tsx";
import { Status } from "../ui/columns.tsx";
import { Facts } from "../ui/Facts.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { Section } from "../ui/parts.tsx";
import { useTexts } from "../ui/settings.ts";

function Overview({ row }: { row: Row }): ReactNode {
  const { t, bytes, memory, time } = useTexts();
  return (
    <Section title="machine.overview">
      <Facts facts={[
        ["column.description", row.description],
        ["column.kind", word(t, "kind", row.kind)],
        ["column.access", t(`audience.${audienceOf(row)}`)],
        ["column.owner", row.user_login],
        ["column.size", bytes(row.size_bytes)],
        ["column.format", row.format],
        ["images.system", [row.system, row.family_version, row.architecture].filter(Boolean).join(", ")],
        ["images.least", [row.least_memory_mib && memory(row.least_memory_mib), row.least_disk_bytes && bytes(row.least_disk_bytes)].filter(Boolean).join(", ")],
        ["images.defaultUser", row.default_user],
        ["images.devices", row.kind === "system" ? [row.disk_controller, row.network_device, row.video_device].join(", ") : row.disk_controller],
        ["images.sum", row.sha256 && <code>{row.sha256}</code>],
        ["column.storage", row.storage_name],
        ["column.cluster", row.cluster],
        ["column.created", time(row.created)],
        ["column.uuid", row.uuid],
        ["machine.error", row.error],
      ]} />
    </Section>
  );
}

export default function Image({ params }: PageProps): ReactNode {
  return (
    <AtOne source={IMAGES} uuid={params["uuid"] ?? ""}>
      {(row, reload) => (
        <>
          <Status group="imageState" value={row.state} />
          <Actions rows={[row]} name={(each) => each.name} actions={IMAGE_ACTIONS} offers={IMAGE_OFFERS} done={reload} />
          <Overview row={row} />
          {row.mine && <Access kind="image" object_id={row.image_id} cluster={row.cluster} />}
        </>
      )}
    </AtOne>
  );
}
