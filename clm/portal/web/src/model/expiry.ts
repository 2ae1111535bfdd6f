// What leases have in store for machines, in words: pure.
import type { ExpiryEnd, VMExpiry } from "../api/wawel.ts";
import { isKey, type Key, type Translate } from "../texts/translate.ts";

type Told = Pick<VMExpiry, "reason"> & { ends: readonly ExpiryEnd[] };

/** A line for each end: when it comes, and what keeps it from coming. */
export function expiryOf(t: Translate, time: (at: string) => string, found: Told): (readonly [Key, string])[] {
  return found.ends.map((each) => {
    const when = time(each.due ?? each.at);
    const key = `expiry.waits.${each.waits}`;
    const waits = each.waits && isKey(key) ? ` (${t(key)}${each.waits === "refused" && found.reason ? `: ${found.reason}` : ""})` : "";
    return [each.end === "suspend" ? "expiry.suspend" : "expiry.delete", when + waits] as const;
  });
}

const DAY_S = 86_400;
/** An interval that was typed in days, in seconds; nothing: never. */
export const secondsOf = (days: number | undefined): number | null => (days === undefined ? null : Math.round(days * DAY_S));
export const daysOf = (seconds: number | null): string => (seconds === null ? "" : String(Math.round((seconds / DAY_S) * 1000) / 1000));
