// Machines with what their expiry leases have in store for them: what is shown of them.
import type { End, ExpiryEnd, VMExpiry } from "../api/wawel.ts";
import { isKey } from "../texts/translate.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";

interface Ending {
  vm: string;
  ends: readonly ExpiryEnd[];
  reason?: string;
}

const endOf = (row: Ending, end: End): ExpiryEnd | undefined => row.ends.find((each) => each.end === end);
/** Sorted by its time; what never comes goes last. */
const comes = <T extends Ending>(end: End): Column<T> => ({
  key: end, title: `expiry.${end}`,
  value: (row) => endOf(row, end)?.due ?? endOf(row, end)?.at ?? "9999",
  show: (row, { t, time }) => {
    const found = endOf(row, end);
    return found ? time(found.due ?? found.at) : t("leases.never");
  },
});

/** When machines are suspended and deleted, and what keeps them from that. */
export function endColumns<T extends Ending>(): readonly Column<T>[] {
  const c = columns<T>();
  return [
    comes<T>("suspend"), comes<T>("delete"),
    c.of("waits", "leases.waits", (row) => row.ends.map((each) => each.waits).find(Boolean) ?? "", {
      show: (row, { t }) => {
        const key = `expiry.waits.${row.ends.map((each) => each.waits).find(Boolean) ?? ""}`;
        return isKey(key) ? t(key) + (row.reason ? `: ${row.reason}` : "") : "";
      },
      isMinor: true,
    }),
  ];
}

export const idOf = (row: Pick<VMExpiry, "vm_id"> & { cluster: string }): string => `${row.cluster}/${row.vm_id}`;
