// What the server would take of rows as they are now, and why not the rest: asked for those that something may be done to.
import { useEffect, useState } from "react";
import { listen } from "../api/changes.ts";
import type { Method } from "../api/wawel.ts";
import type { Reason } from "../model/reasons.ts";

/** By the row's key: the calls about it that would be refused, with the reason. What was not asked is missing. */
export type Refusals = ReadonlyMap<string, ReadonlyMap<string, Reason>>;

export interface Offers<T> {
  /** It is another where the row has changed. */
  key: (row: T) => string;
  /** The feed's kinds that tell of what else decides: after these it is asked again. */
  kinds?: readonly string[];
  ask: (rows: readonly T[]) => Promise<Refusals>;
}

/** More than so many are not asked about: whoever chooses them all learns of each as it is done. */
const MOST = 200;
const SOON_MS = 100;
/** Many changes are asked about once. */
const AGAIN_MS = 300;

export interface Told<T> {
  /** Whether the server has said something of all rows. */
  known: boolean;
  why: (row: T, call: Method) => Reason | undefined;
}

export function useOffers<T>(offers: Offers<T> | undefined, rows: readonly T[]): Told<T> {
  const [found, setFound] = useState<Refusals>(new Map());
  const [round, setRound] = useState(0);
  const asked = offers && rows.length <= MOST ? rows.map(offers.key).join(" ") : "";
  useEffect(() => {
    if (!offers || !asked) return;
    let here = true;
    // What is chosen one by one is asked about at once. Where no answer comes, what is known of the rows decides.
    const timer = setTimeout(() => void offers.ask(rows).then((told) => here && setFound(told), () => undefined), SOON_MS);
    return () => {
      here = false;
      clearTimeout(timer);
    };
    // The rows are those of the keys.
  }, [offers, asked, round]);
  useEffect(() => {
    const kinds = offers?.kinds;
    if (!kinds || !asked) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const later = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        setRound((was) => was + 1);
      }, AGAIN_MS);
    };
    const leave = listen({ change: (change) => kinds.includes(change.kind) && later(), reset: later }, false);
    return () => {
      leave();
      clearTimeout(timer);
    };
  }, [offers, asked]);
  return {
    known: offers !== undefined && rows.length > 0 && rows.every((row) => found.has(offers.key(row))),
    why: (row, call) => (offers ? found.get(offers.key(row))?.get(call) : undefined),
  };
}
