import type { ReactNode } from "react";
import { audienceOf, type Image } from "../kinds/images.ts";
import { word } from "../texts/translate.ts";
import { Facts } from "./Facts.tsx";
import { Section } from "./parts.tsx";
import { useTexts } from "./settings.ts";

/** What is known of an image. */
export function ImageFacts({ row }: { row: Image }): ReactNode {
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
