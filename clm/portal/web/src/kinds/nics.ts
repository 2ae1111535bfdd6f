// What network cards may carry, as owners and administrators say.
import { numberOf, type Field, type Values } from "../model/form.ts";

interface Limited {
  kbit_in: number | null;
  kbit_out: number | null;
}

const KBIT_MAX = 1_000_000_000;

/** Without a row what is there is not known, and stays where nothing is written. */
export const limitFields = (row?: Limited): readonly Field[] =>
  (["kbit_in", "kbit_out"] as const).map((name) =>
    ({ name, label: `nics.${name}`, help: "nics.kbitHelp", as: "number", min: 0, max: KBIT_MAX, initial: row ? String(row[name] ?? 0) : "" }));

export const limits = (values: Values): { kbit_in?: number; kbit_out?: number } => {
  const [incoming, outgoing] = [numberOf(values, "kbit_in"), numberOf(values, "kbit_out")];
  return { ...(incoming !== undefined && { kbit_in: incoming }), ...(outgoing !== undefined && { kbit_out: outgoing }) };
};

/** "20000 / –": in and out. */
export const limitsOf = (row: Limited): string =>
  row.kbit_in === null && row.kbit_out === null ? "" : `${row.kbit_in ?? "–"} / ${row.kbit_out ?? "–"}`;
