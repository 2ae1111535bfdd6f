import type { ReactNode } from "react";
import { isMigrating, STAY, type Work } from "../kinds/operations.ts";
import { Actions } from "./Actions.tsx";
import { useTexts } from "./settings.ts";

/** Machines that are on their way to other nodes while they run: how far each is, what the node says of it, and an end to it. */
export function Moves({ rows, names, done }: { rows: readonly Work[]; names: ReadonlyMap<number, string>; done: () => void }): ReactNode {
  const { t } = useTexts();
  return rows.filter(isMigrating).map((row) => {
    const name = names.get(row.vm_id ?? 0) ?? String(row.vm_id);
    return (
      <div key={row.operation_id}>
        <p role="status">{t("admin.moving", { name })} {row.waiting_for}</p>
        <progress className="w-bar" max={100} value={row.progress} aria-label={`${t("work.vm_migrate")}: ${name}`} />
        <Actions rows={[row]} name={() => name} actions={STAY} done={done} />
      </div>
    );
  });
}
