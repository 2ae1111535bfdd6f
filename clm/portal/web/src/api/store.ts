// One kind of object, by uuid: loaded as lists, kept by the feed. Readers get frozen snapshots, not more than one a frame,
// and a few a second while very much changes.
export interface Versioned {
  uuid: string;
  version: number;
}

/** More changes than so many within a second are shown four times a second. */
const BUSY_CHANGES = 20;
const WINDOW_MS = 1000;
const BUSY_MS = 250;

export type Schedule = (run: () => void, afterMs: number) => void;

const frames: Schedule = (run, afterMs) =>
  afterMs ? void setTimeout(run, afterMs) : void requestAnimationFrame(run);

export class Collection<T extends Versioned> {
  #rows = new Map<string, T>();
  #gone = new Map<string, number>();
  #fresh = new Set<string>();
  #loaded = false;
  #snapshot: readonly T[] = [];
  #scheduled = false;
  #window = { since: 0, changes: 0 };
  readonly #listeners = new Set<() => void>();
  readonly #schedule: Schedule;

  constructor(schedule: Schedule = frames) {
    this.#schedule = schedule;
  }

  /** A complete list, asked for after the feed's first cursor. What the feed told meanwhile is newer, and stays. */
  load(rows: readonly T[]): void {
    const next = new Map<string, T>();
    for (const row of rows) {
      const known = this.#rows.get(row.uuid);
      if ((this.#gone.get(row.uuid) ?? -1) >= row.version) continue;
      next.set(row.uuid, known && known.version > row.version ? known : row);
    }
    for (const uuid of this.#fresh) {
      const row = this.#rows.get(uuid);
      if (row && !next.has(uuid)) next.set(uuid, row);
    }
    this.#rows = next;
    this.#fresh.clear();
    this.#gone.clear();
    this.#loaded = true;
    this.#changed();
  }

  /** One object as it is now: from the feed, or from the answer to a change. */
  put(row: T): void {
    const known = this.#rows.get(row.uuid);
    if (known && known.version >= row.version) return;
    this.#rows.set(row.uuid, row);
    this.#gone.delete(row.uuid);
    if (!this.#loaded) this.#fresh.add(row.uuid);
    this.#changed();
  }

  /** What the stream does not tell of one that is there: it depends on who asks. */
  amend(uuid: string, part: Partial<T>): void {
    const known = this.#rows.get(uuid);
    if (!known) return;
    this.#rows.set(uuid, { ...known, ...part });
    this.#changed();
  }

  /** It is gone, or no longer ours to see. */
  drop(uuid: string): void {
    if (!this.#loaded) this.#gone.set(uuid, Number.MAX_SAFE_INTEGER);
    this.#fresh.delete(uuid);
    if (this.#rows.delete(uuid)) this.#changed();
  }

  /** From here on the feed tells what changes, and a list is on its way: what is shown till then may be old. */
  begin(): void {
    this.#loaded = false;
    this.#gone.clear();
    this.#fresh.clear();
  }

  clear(): void {
    this.begin();
    this.#rows.clear();
    this.#changed();
  }

  get = (uuid: string): T | undefined => this.#rows.get(uuid);
  snapshot = (): readonly T[] => this.#snapshot;
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #changed(): void {
    const now = Date.now();
    if (now - this.#window.since > WINDOW_MS) this.#window = { since: now, changes: 0 };
    this.#window.changes += 1;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      this.#snapshot = [...this.#rows.values()];
      for (const listener of [...this.#listeners]) listener();
    }, this.#window.changes > BUSY_CHANGES ? BUSY_MS : 0);
  }
}
