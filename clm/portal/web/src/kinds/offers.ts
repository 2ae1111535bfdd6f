// What the server would take of rows: asked of each cluster for its own, in few calls. What it says nothing of is missing.
import type { Offer } from "../api/wawel.ts";
import type { Reason } from "../model/reasons.ts";
import type { Refusals } from "../ui/offers.ts";

/** Objects of one call; the server takes no more. */
const BATCH = 200;

export function batches<T extends { cluster: string }>(rows: readonly T[]): [string, T[]][] {
  const found = new Map<string, T[]>();
  for (const row of rows) found.set(row.cluster, [...(found.get(row.cluster) ?? []), row]);
  return [...found].flatMap(([cluster, all]) =>
    Array.from({ length: Math.ceil(all.length / BATCH) }, (_, index): [string, T[]] => [cluster, all.slice(index * BATCH, (index + 1) * BATCH)]),
  );
}

/** @param tell what is told of rows of one cluster, in their order; nothing of one that is no longer to be seen. */
export async function refusals<T extends { cluster: string }>(
  rows: readonly T[], key: (row: T) => string, tell: (cluster: string, rows: readonly T[]) => Promise<readonly { operations?: Offer[] }[]>,
): Promise<Refusals> {
  const found = new Map<string, ReadonlyMap<string, Reason>>();
  for (const [cluster, all] of batches(rows)) {
    const told = await tell(cluster, all);
    all.forEach((row, index) => {
      const operations = told[index]?.operations;
      if (operations) found.set(key(row), new Map(operations.flatMap((offer): [string, Reason][] => (offer.reason ? [[offer.call, offer.reason]] : []))));
    });
  }
  return found;
}
