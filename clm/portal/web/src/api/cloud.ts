// What is shown of the cloud: collections that the feed keeps, from the log-in until the session's end.
import { own } from "./changes.ts";
import { Feed, type Change, type FeedState } from "./feed.ts";
import { everywhere, load as loadList, type Missing } from "./list.ts";
import { call, listeners, WawelError } from "./rpc.ts";
import { Collection } from "./store.ts";
import { Value } from "./value.ts";
import type { ListedVM } from "./wawel.ts";

export type Machine = ListedVM & { cluster: string };

export const machines = new Collection<Machine>();
/** Clusters whose list did not come; what is shown of them is what was known before. */
export const missing = new Value<readonly Missing[]>([]);
export const feedState = new Value<FeedState>({ is: "connecting" });
/** Whether a list has come; else why not. */
export const listed = new Value<boolean | WawelError>(false);

const RETRY_MS = 5000;
let feed: Feed | undefined;
let round = 0;

export function begin(): void {
  if (feed) return;
  feed = new Feed({
    changes: (made) => made.forEach(take),
    reset: () => {
      machines.begin();
      void load();
      own.forEach((each) => each.reset());
    },
    state: (state) => feedState.set(state),
    refused: () => listeners.sessionLost(),
  });
  feed.start();
}

export function end(): void {
  feed?.stop();
  feed = undefined;
  round += 1;
  machines.clear();
  missing.set([]);
  listed.set(false);
  unsure.clear();
  feedState.set({ is: "connecting" });
}

function take(change: Change): void {
  own.forEach((each) => each.change(change));
  if (change.kind !== "vm") return;
  if (change.event === "exit" || !change.object) return machines.drop(change.uuid);
  const known = machines.get(change.uuid);
  const made = changedFrom(known, change);
  machines.put(made);
  if (listed.get() === true && isUnsure(known, made)) doubt(made);
}

/** Of one that was not known, whose it is; of somebody else's that is as it was, whether one may do more with it, or less. */
export const isUnsure = (known: Machine | undefined, made: Machine): boolean =>
  !known || (known.access !== undefined && known.version >= made.version);

/** Machines to ask about, one after the other. */
const unsure = new Map<string, Machine>();
let isAsking = false;

function doubt(machine: Machine): void {
  unsure.set(machine.uuid, machine);
  if (!isAsking) void resolve();
}

async function resolve(): Promise<void> {
  isAsking = true;
  for (const [uuid, { vm_id, cluster }] of unsure) {
    unsure.delete(uuid);
    try {
      const { access, user_login } = await call("user.vm.get_by_id", { vm_id, cluster });
      machines.amend(uuid, { access, user_login });
    } catch {
      // It may be gone meanwhile, which the stream tells; the next list tells the rest.
    }
  }
  isAsking = false;
}

/** The stream does not tell what depends on who asks: whose it is, and what one may do with it. */
function changedFrom(known: Machine | undefined, change: Change): Machine {
  const shared = known?.access === undefined ? {} : { access: known.access };
  const owned = known?.user_login === undefined ? {} : { user_login: known.user_login };
  return { ...shared, ...owned, ...(change.object as unknown as ListedVM), cluster: change.cluster ?? "" };
}

/** One's own and those that others share: two lists, of which either may lack a cluster. */
const LISTS = [false, true].map((shared) => everywhere("user.vm.get_list", { page: ["before", "vm_id"] }, { shared }));

async function listAll(): Promise<{ items: Machine[]; missing: readonly Missing[] }> {
  const [mine, shared] = await Promise.all(LISTS.map(loadList));
  const missing = new Map([...(mine?.missing ?? []), ...(shared?.missing ?? [])].map((each) => [each.cluster, each]));
  return { items: [...(mine?.rows ?? []), ...(shared?.rows ?? [])], missing: [...missing.values()] };
}

async function load(): Promise<void> {
  const mine = (round += 1);
  try {
    const answer = await listAll();
    if (mine !== round) return;
    const away = new Set(answer.missing.map((each) => each.cluster));
    machines.load([...answer.items, ...machines.snapshot().filter((machine) => away.has(machine.cluster))]);
    missing.set(answer.missing);
    listed.set(true);
    if (answer.missing.length) setTimeout(() => mine === round && void load(), RETRY_MS);
  } catch (error) {
    if (mine !== round || !(error instanceof WawelError)) return;
    if (listed.get() !== true) listed.set(error);
    setTimeout(() => mine === round && void load(), RETRY_MS);
  }
}
