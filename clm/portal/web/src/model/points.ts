// What machines cost, month by month: pure. Months are UTC's, as the server's.

/** "2026-11" and those before it, the present one first. */
export function months(now: Date, count: number): string[] {
  return Array.from({ length: count }, (_, back) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back)).toISOString().slice(0, 7));
}

/** From which share of a month's points somebody is warned, as by the server's messages. */
const NEAR = 0.8;

/** How an account stands to a month's points; without a bound it is always within. */
export function standing(used: number, limit: number): "within" | "near" | "over" {
  if (limit === 0 || used < limit * NEAR) return "within";
  return used < limit ? "near" : "over";
}

/** Begin and end of a month, in milliseconds. */
export function spanOf(month: string): [number, number] {
  const begin = new Date(`${month}-01T00:00:00Z`);
  return [begin.getTime(), Date.UTC(begin.getUTCFullYear(), begin.getUTCMonth() + 1)];
}
