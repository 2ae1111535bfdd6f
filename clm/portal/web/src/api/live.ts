// Rows of a list while a page shows them: read once, then changed by what the stream tells.
import { listen } from "./changes.ts";
import type { Change } from "./feed.ts";
import { load, type Missing, type Source } from "./list.ts";
import { problemOf, type WawelError } from "./rpc.ts";
import { Value } from "./value.ts";

/** Of many changes together the list is read once. */
const SOON_MS = 400;
const RETRY_MS = 5000;

export interface Rows<T> {
  rows: readonly T[];
  /** Whether they came; else why not. */
  came: boolean | WawelError;
  missing: readonly Missing[];
}

type Row = Record<string, unknown>;

/**
 * The rows after a change; `undefined` where they have to be read again. What the stream holds of an object is what lists
 * show, but for what depends on who asks: that stays as it was read.
 */
export function changed<T>(rows: readonly T[], change: Change): readonly T[] | undefined {
  const at = rows.findIndex((row) => (row as Row)["uuid"] === change.uuid);
  if (change.event === "exit") return at < 0 ? rows : rows.filter((_, index) => index !== at);
  const known = rows[at] as Row | undefined;
  if (!change.object || !known) return undefined;
  // Into the trash or out of it: that is another list.
  if (known["state"] !== change.object["state"] && [known["state"], change.object["state"]].includes("trashed")) return undefined;
  if (Number(known["version"]) >= Number(change.object["version"])) return rows;
  return rows.map((row, index) => (index === at ? ({ ...row, ...change.object } as T) : row));
}

export class Live<T> {
  readonly state = new Value<Rows<T>>({ rows: [], came: false, missing: [] });
  readonly #source: Source<T>;
  #round = 0;
  #isLoading = false;
  /** Something changed while the list was on its way, which may have been read before that. */
  #isBehind = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #leave: () => void = () => undefined;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  begin = (): (() => void) => {
    const { kinds = [], all = false } = this.#source;
    const change = (made: Change): void => {
      if (kinds.includes(made.kind)) this.#take(made);
    };
    this.#leave = kinds.length ? listen({ change, reset: () => this.#later() }, all) : () => undefined;
    void this.reload();
    return this.end;
  };

  end = (): void => {
    this.#leave();
    this.#round += 1;
    clearTimeout(this.#timer);
  };

  reload = async (): Promise<void> => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const mine = (this.#round += 1);
    this.#isLoading = true;
    this.#isBehind = false;
    try {
      const { rows, missing } = await load(this.#source);
      if (mine !== this.#round) return;
      this.state.set({ rows, missing, came: true });
      if (missing.length) this.#later(RETRY_MS);
    } catch (error) {
      if (mine !== this.#round) return;
      const was = this.state.get();
      this.state.set({ ...was, came: was.came === true ? true : problemOf(error) });
    }
    this.#isLoading = false;
    if (this.#isBehind) this.#later();
  };

  #take(change: Change): void {
    this.#isBehind ||= this.#isLoading;
    const was = this.state.get();
    const rows = changed(was.rows, change);
    // Not the first of its kinds: rows of something else, which that change may have touched.
    if (rows === undefined || this.#source.kinds?.[0] !== change.kind) this.#later();
    else if (rows !== was.rows) this.state.set({ ...was, rows });
  }

  #later(afterMs: number = SOON_MS): void {
    this.#timer ??= setTimeout(() => void this.reload(), afterMs);
  }
}
