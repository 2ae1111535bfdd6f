// Whoever shows something listens here for what changes it: to the stream of one's own objects, or to an administrator's of all.
import { Feed, type Change } from "./feed.ts";

export interface Listener {
  change(change: Change): void;
  /** What was read before may be old, however it is. */
  reset(): void;
}

/** One's own: `cloud.ts` keeps it, as long as somebody is logged in. */
export const own = new Set<Listener>();

const others = new Set<Listener>();
let feed: Feed | undefined;

/** Of all objects of the clusters that one administers: a second stream, only while a page is open that shows them. */
function listenToAll(listener: Listener): () => void {
  others.add(listener);
  if (!feed) {
    feed = new Feed(
      {
        changes: (made) => made.forEach((change) => others.forEach((each) => each.change(change))),
        reset: () => others.forEach((each) => each.reset()),
        state: () => undefined, // the first stream tells whether what is shown is old
        refused: () => undefined,
      },
      "/events?all=1",
    );
    feed.start();
  }
  return () => {
    others.delete(listener);
    if (others.size) return;
    feed?.stop();
    feed = undefined;
  };
}

export function listen(listener: Listener, all: boolean): () => void {
  if (all) return listenToAll(listener);
  own.add(listener);
  return () => void own.delete(listener);
}
