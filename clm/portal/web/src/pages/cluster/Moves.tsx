import { useMemo, type ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { isOpen } from "../../kinds/operations.ts";
import { useRows } from "../../ui/live.ts";
import { useTexts } from "../../ui/settings.ts";

/** Machines that are on their way to other nodes while they run: how far each is, and what the node says of it. */
export function Moves({ cluster, names }: { cluster: string; names: ReadonlyMap<number, string> }): ReactNode {
  const { t } = useTexts();
  const source = useMemo(
    () => ofCluster("admin.operation.get_list", cluster, { kinds: ["", "vm"], all: true }, { only_open: true }), [cluster],
  );
  const moves = useRows(source).rows.filter((row) => row.kind === "vm_migrate" && isOpen(row));
  if (moves.length === 0) return null;
  return (
    <div role="status">
      {moves.map((row) => (
        <div key={row.operation_id}>
          <p>{t("admin.moving", { name: names.get(row.vm_id ?? 0) ?? String(row.vm_id) })} {row.waiting_for}</p>
          <progress className="w-bar" max={100} value={row.progress} aria-label={t("work.vm_migrate")} />
        </div>
      ))}
    </div>
  );
}
