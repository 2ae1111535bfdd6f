// By how much the server's clock is ahead of this machine's, which may be wrong by days.
import { Value } from "./value.ts";

/** What is less is told by no picture, and would only have it read again. */
const CARES_MS = 60_000;

/** In milliseconds. */
export const ahead = new Value(0);

/** @param date of an answer's head: what the server's clock says. */
export function heard(date: string | null, now = Date.now()): void {
  const found = Date.parse(date ?? "") - now;
  if (Number.isNaN(found)) return;
  const rounded = Math.abs(found) < CARES_MS ? 0 : found;
  if (Math.abs(rounded - ahead.get()) >= CARES_MS) ahead.set(rounded);
}

export const serverNow = (): number => Date.now() + ahead.get();
