// What a page shows, read from the cloud and kept as it is there.
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { listen } from "../api/changes.ts";
import { Live, type Rows } from "../api/live.ts";
import type { Source } from "../api/list.ts";
import { call, problemOf, type WawelError } from "../api/rpc.ts";
import type { Given, Method, Methods, Params } from "../api/wawel.ts";

export interface LiveRows<T> extends Rows<T> {
  reload: () => void;
}

/** Rows of a list. A source that reads the same as before is the same. */
export function useRows<T>(source: Source<T>): LiveRows<T> {
  const key = JSON.stringify(source);
  const live = useMemo(() => new Live<T>(JSON.parse(key) as Source<T>), [key]);
  useEffect(() => live.begin(), [live]);
  const state = useSyncExternalStore(live.state.subscribe, live.state.get);
  return useMemo(() => ({ ...state, reload: () => void live.reload() }), [state, live]);
}

export interface Answer<R> {
  value: R | undefined;
  error: WawelError | undefined;
  reload: () => void;
}

const SOON_MS = 300;

/**
 * What one call answers, asked again when the feed tells of a change of these kinds.
 *
 * @param params `undefined`: there is nothing to ask yet.
 */
export function useAnswer<M extends Method>(
  method: M, params: Params<M> | undefined, kinds: readonly string[] = [], all = false,
): Answer<Methods[M]["result"]> {
  const key = params === undefined ? undefined : JSON.stringify([method, params, kinds]);
  const [state, setState] = useState<{ key?: string; value?: Methods[M]["result"]; error?: WawelError }>({});
  const [round, setRound] = useState(0);
  const asked = useRef(params);
  asked.current = params;
  const reload = useCallback(() => setRound((was) => was + 1), []);
  useEffect(() => {
    if (key === undefined) return;
    let here = true;
    call(method, ...([asked.current] as unknown as Given<M>)).then(
      (value) => here && setState({ key, value }),
      (problem: unknown) => here && setState((was) => ({ ...(was.key === key && was), key, error: problemOf(problem) })),
    );
    return () => {
      here = false;
    };
  }, [method, key, round]);
  useEffect(() => {
    const told = key === undefined ? [] : ((JSON.parse(key) as unknown[])[2] as string[]);
    if (told.length === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const later = (): void => {
      clearTimeout(timer);
      timer = setTimeout(reload, SOON_MS);
    };
    const leave = listen({ change: (change) => told.includes(change.kind) && later(), reset: later }, all);
    return () => {
      leave();
      clearTimeout(timer);
    };
  }, [key, all, reload]);
  const mine = state.key === key;
  return { value: mine ? state.value : undefined, error: mine ? state.error : undefined, reload };
}
