import type { ReactNode } from "react";
import type { QuotaUse } from "../api/wawel.ts";
import type { Key } from "../texts/translate.ts";
import { useTexts } from "./settings.ts";

type Resource = "cpu" | "memory_mib" | "storage_mib" | "vms" | "public_addresses" | "public_ports";
const RESOURCES: readonly [Resource, Key][] = [
  ["vms", "quota.vms"], ["cpu", "quota.cpu"], ["memory_mib", "quota.memory"], ["storage_mib", "quota.storage"],
  ["public_addresses", "quota.addresses"], ["public_ports", "quota.ports"],
];

/** One line of them; without a bound there is no bar. */
export function UseRow(props: { title: string; text: string; used: number; most: number }): ReactNode {
  const { title, text, used, most } = props;
  return (
    <div className="w-use-row">
      <span>{title}</span>
      <span>
        {most > 0 && <progress className="w-bar" max={most} value={Math.min(used, most)} aria-label={`${title}: ${text}`} />}
        <span className="w-quiet">{text}</span>
      </span>
    </div>
  );
}

/** How much of a quota is used. */
export function Use(props: { quota: QuotaUse }): ReactNode {
  const { t, memory, number } = useTexts();
  const { quota } = props;
  return (
    <div className="w-use">
      {RESOURCES.map(([resource, title]) => {
        const used = quota[`used_${resource}`];
        const most = quota[`quota_${resource}`];
        const shown = resource.endsWith("_mib") ? memory : number;
        const text = t("quota.usedOf", { used: shown(used), of: shown(most) });
        return <UseRow key={resource} title={t(title)} text={text} used={used} most={most} />;
      })}
    </div>
  );
}
