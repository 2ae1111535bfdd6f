// The change feed: one stream, its first cursor, then every event; after a loss it goes on from the cursor it has.
import { heard } from "./clock.ts";
import { SseReader } from "./sse.ts";

export interface Change {
  kind: string;
  object_id: number;
  uuid: string;
  event: "enter" | "change" | "exit" | "reset";
  cluster?: string;
  object: Record<string, unknown> | null;
}

/** `since`: when what is shown began to be old, in milliseconds as `Date.now()`. */
export type FeedState = { is: "connecting" } | { is: "live" } | { is: "resting" } | { is: "down"; since: number };

export interface FeedHandler {
  changes(made: Change[]): void;
  /** What is listed from here on is complete: the feed tells all that changes after it. */
  reset(): void;
  state(state: FeedState): void;
  /** Nobody is logged in. */
  refused(): void;
}

/** A browser has six connections to a host: a tab that nobody looks at gives its own back after so long. */
const HIDDEN_MS = 10_000;
/** The server says something every 15 s. */
const SILENT_MS = 40_000;
const PAUSE_MAX_MS = 30_000;

export function pauseMs(failures: number, random: number): number {
  return Math.min(PAUSE_MAX_MS, 500 * 2 ** failures) * (0.5 + random / 2);
}

export class Feed {
  #cursor = "";
  #failures = 0;
  #downSince = 0;
  #stopped = false;
  #connection: AbortController | undefined;
  #wake: () => void = () => undefined;
  #hiding: ReturnType<typeof setTimeout> | undefined;
  readonly #handler: FeedHandler;
  readonly #path: string;

  constructor(handler: FeedHandler, path = "/events") {
    this.#handler = handler;
    this.#path = path;
  }

  start(): void {
    document.addEventListener("visibilitychange", this.#looked);
    addEventListener("online", this.#hurry);
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    document.removeEventListener("visibilitychange", this.#looked);
    removeEventListener("online", this.#hurry);
    clearTimeout(this.#hiding);
    this.#connection?.abort();
    this.#wake();
  }

  #hurry = (): void => this.#wake();

  #looked = (): void => {
    clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = setTimeout(() => this.#connection?.abort(), HIDDEN_MS);
    else this.#wake();
  };

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (document.hidden && this.#cursor) {
        this.#handler.state({ is: "resting" });
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      if (!this.#downSince) this.#handler.state({ is: "connecting" });
      try {
        await this.#follow();
      } catch {
        // However it ended, the cursor says where to go on.
      }
      if (this.#stopped || document.hidden) continue;
      this.#downSince ||= Date.now();
      this.#handler.state({ is: "down", since: this.#downSince });
      this.#failures += 1;
      await this.#pause(pauseMs(this.#failures, Math.random()));
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #follow(): Promise<void> {
    const connection = (this.#connection = new AbortController());
    let silence = setTimeout(() => connection.abort(), SILENT_MS);
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (this.#cursor) headers["last-event-id"] = this.#cursor;
      const response = await fetch(this.#path, { headers, signal: connection.signal, cache: "no-store" });
      heard(response.headers.get("date"));
      if (response.status === 401) this.#handler.refused();
      if (!response.ok || !response.body) return;
      const reading = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const reader = new SseReader();
      for (;;) {
        const { done, value } = await reading.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENT_MS);
        this.#take(reader.push(value));
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #take(events: ReturnType<SseReader["push"]>): void {
    let changes: Change[] = [];
    for (const event of events) {
      const first = !this.#cursor;
      this.#cursor = event.id || this.#cursor;
      if (first || event.event === "reset") {
        changes = [];
        this.#handler.reset();
      } else if (event.data) changes.push(JSON.parse(event.data) as Change);
    }
    this.#failures = 0;
    this.#downSince = 0;
    this.#handler.state({ is: "live" });
    if (changes.length) this.#handler.changes(changes);
  }
}
