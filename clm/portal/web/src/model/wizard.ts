// What the wizard for new machines has gathered; kept for the tab until it is sent, so that a reload loses nothing.
export interface Draft {
  cluster: string;
  image: string; // uuids: ids are a cluster's own
  template: string;
  name: string;
  count: number;
  description: string;
  sshKey: string;
  /** Ids of the cluster's; none: as it is usual there. */
  networks: readonly string[];
  securityGroups: readonly string[];
  iso: string;
  /** A disk more, in GiB; empty: none. */
  diskGib: string;
  userData: string;
  /** Made when the wizard is opened: sent twice, it makes one machine. */
  requestId: string;
}

export const COUNT_MAX = 100;
const KEY = "wawel.new-machine";

/** What belongs to a cluster, and goes with the choice of another. */
export const NO_DEVICES = { networks: [], securityGroups: [], iso: "", diskGib: "", userData: "" } as const;

const isLike = (value: unknown, like: unknown): boolean =>
  Array.isArray(like) ? Array.isArray(value) && value.every((each) => typeof each === "string") : typeof value === typeof like;

export function empty(requestId: string): Draft {
  return { cluster: "", image: "", template: "", name: "", count: 1, description: "", sshKey: "", ...NO_DEVICES, requestId };
}

export function kept(storage: Pick<Storage, "getItem">, requestId: string): Draft {
  const fresh = empty(requestId);
  try {
    const found = JSON.parse(storage.getItem(KEY) ?? "{}") as Record<string, unknown>;
    const entries = Object.entries(fresh).map(([name, value]) => [
      name,
      isLike(found[name], value) ? found[name] : value,
    ]);
    return Object.fromEntries(entries) as Draft;
  } catch {
    return fresh;
  }
}

export function keep(storage: Pick<Storage, "setItem">, draft: Draft): void {
  storage.setItem(KEY, JSON.stringify(draft));
}

export function forget(storage: Pick<Storage, "removeItem">): void {
  storage.removeItem(KEY);
}

export type Step = "image" | "size" | "options" | "devices" | "review";
export const STEPS: readonly Step[] = ["image", "size", "options", "devices", "review"];

/** Whether what this step asks for is there. */
export function filled(step: Step, draft: Draft): boolean {
  if (step === "image") return draft.image !== "";
  if (step === "size") return draft.template !== "";
  if (step === "options") {
    return draft.name.trim() !== "" && Number.isInteger(draft.count) && draft.count >= 1 && draft.count <= COUNT_MAX;
  }
  if (step === "devices") return draft.diskGib === "" || (Number.isInteger(Number(draft.diskGib)) && Number(draft.diskGib) >= 1);
  return STEPS.slice(0, -1).every((each) => filled(each, draft));
}
