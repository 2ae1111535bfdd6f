// What the wizard for new machines has gathered; kept for the tab until it is sent, so that a reload loses nothing.
export interface Draft {
  cluster: string;
  /** A VM template that says what is not said here; and whether it says an image. Empty: none. */
  vmTemplate: string;
  hasImage: boolean;
  image: string; // uuids: ids are a cluster's own. Empty, where the VM template's is meant
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
  /** As the call has them; empty: as the VM template or the image says. */
  firmware: string;
  machine: string;
  cpu_model: string;
  boot_menu_s: string;
  max_cpu: string;
  max_memory_mib: string;
  /** Made when the wizard is opened: sent twice, it makes one machine. */
  requestId: string;
}

export const COUNT_MAX = 100;
const KEY = "wawel.new-machine";

/** What belongs to a cluster, and goes with the choice of another. */
export const NO_DEVICES = { networks: [], securityGroups: [], iso: "", diskGib: "", userData: "" } as const;

/** What is left to whoever else says what a machine is. */
const OPEN = { firmware: "", machine: "", cpu_model: "", boot_menu_s: "", max_cpu: "", max_memory_mib: "" } as const;

const isLike = (value: unknown, like: unknown): boolean =>
  Array.isArray(like) ? Array.isArray(value) && value.every((each) => typeof each === "string") : typeof value === typeof like;

export function empty(requestId: string): Draft {
  return { cluster: "", vmTemplate: "", hasImage: false, image: "", template: "", name: "", count: 1, description: "", sshKey: "", ...NO_DEVICES, ...OPEN, requestId };
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

interface Base {
  uuid: string;
  cluster: string;
  vm_template_id: number;
}
interface Offered {
  templates: readonly { uuid: string; cluster: string; template_id: number }[];
  vmTemplates: readonly (Base & { effective: { image_id: number | null } })[];
  profiles: readonly (Base & { template_id: number })[];
}

/** What the choice of a VM template changes; of another cluster's nothing else stays. None: an image alone says all. */
export function by(vmTemplate: Offered["vmTemplates"][number] | undefined, draft: Draft): Partial<Draft> {
  if (!vmTemplate) return { vmTemplate: "", hasImage: false };
  const hasImage = vmTemplate.effective.image_id !== null;
  const moved = vmTemplate.cluster === draft.cluster ? {} : { cluster: vmTemplate.cluster, template: "", ...NO_DEVICES };
  return { vmTemplate: vmTemplate.uuid, hasImage, ...moved, ...((hasImage || vmTemplate.cluster !== draft.cluster) && { image: "" }) };
}

/** What the address of the wizard asks for: `template` or `profile`, by uuid. */
export function begun(query: URLSearchParams, offered: Offered, draft: Draft): Partial<Draft> {
  const profile = offered.profiles.find((each) => each.uuid === query.get("profile"));
  const at = profile ?? offered.vmTemplates.find((each) => each.uuid === query.get("template"));
  const chosen = at && offered.vmTemplates.find((each) => each.cluster === at.cluster && each.vm_template_id === at.vm_template_id);
  if (!chosen) return {};
  const size = profile && offered.templates.find((each) => each.cluster === profile.cluster && each.template_id === profile.template_id);
  return { ...by(chosen, draft), ...(size && { template: size.uuid }) };
}

export type Step = "image" | "size" | "options" | "devices" | "machine" | "review";
export const STEPS: readonly Step[] = ["image", "size", "options", "devices", "machine", "review"];

/** The server's bounds of what is typed. */
export const BOUNDS = { boot_menu_s: [0, 60], max_cpu: [1, 240], max_memory_mib: [1, 2 ** 31] } as const;
const isWithin = (text: string, [least, most]: readonly [number, number]): boolean =>
  text === "" || (Number.isInteger(Number(text)) && Number(text) >= least && Number(text) <= most);

/** Whether what this step asks for is there. */
export function filled(step: Step, draft: Draft): boolean {
  if (step === "image") return draft.image !== "" || (draft.vmTemplate !== "" && draft.hasImage);
  if (step === "size") return draft.template !== "";
  if (step === "options") {
    return draft.name.trim() !== "" && Number.isInteger(draft.count) && draft.count >= 1 && draft.count <= COUNT_MAX;
  }
  if (step === "devices") return draft.diskGib === "" || (Number.isInteger(Number(draft.diskGib)) && Number(draft.diskGib) >= 1);
  if (step === "machine") return (["boot_menu_s", "max_cpu", "max_memory_mib"] as const).every((name) => isWithin(draft[name], BOUNDS[name]));
  return STEPS.slice(0, -1).every((each) => filled(each, draft));
}
