// What the wizard for new farms has gathered, and what a farm of it takes: pure.
import type { Methods } from "../api/wawel.ts";
import type { Language } from "../texts/translate.ts";
import { isSet, listOf, numberOf, textOf, type Values } from "./form.ts";

export const STEPS = ["image", "sizes", "access", "devices"] as const;
export type Step = (typeof STEPS)[number];

export interface Draft {
  values: Values;
  /** Made when the wizard is opened: sent twice, it makes one farm. */
  requestId: string;
}

export const WORKERS_MAX = 200;
/** With "-worker-200" behind it a name of a host has room. */
export const NAME_MAX = 48;

const EMPTY: Values = {
  cluster: "", image_id: "", head_template_id: "", worker_template_id: "", count: "2", name: "", description: "", ssh_key: "", ssh_username: "root",
  shared_key: false, networks: [], security_group_ids: [], disk_list: [], iso_list: [], public_ip_id: "", groups: [], user_data: "", metadata: "", expiry_id: "",
};
/** What is of everybody's clusters alike; the rest goes with the choice of another. */
const EVERYWHERE = ["count", "name", "description", "ssh_key", "ssh_username", "shared_key", "groups", "user_data", "metadata"];

export const empty = (cluster: string): Values => ({ ...EMPTY, cluster });
export const moved = (values: Values, cluster: string): Values =>
  ({ ...empty(cluster), ...Object.fromEntries(EVERYWHERE.map((name) => [name, values[name] ?? ""])) });

/** Those of a kept draft's values that fit: what else was kept there is nothing of ours. */
export function fitting(found: unknown, cluster: string): Values {
  const told = typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
  const fits = (name: string): boolean => {
    const [value, like] = [told[name], EMPTY[name]];
    return Array.isArray(like) ? Array.isArray(value) && value.every((each) => typeof each === "string") : typeof value === typeof like;
  };
  return { ...empty(cluster), ...(Object.fromEntries(Object.keys(EMPTY).filter(fits).map((name) => [name, told[name]])) as Values) };
}

interface Size {
  template_id: number;
  cpu: number;
  memory_mib: number;
}
export interface Sum {
  vms: number;
  cpu: number;
  memory_mib: number;
}

/** Of a head and its workers together; nothing while a size is not chosen, or the number is none. */
export function sumOf(values: Values, sizes: readonly Size[]): Sum | undefined {
  const of = (name: string): Size | undefined => sizes.find((size) => size.template_id === numberOf(values, name));
  const [head, worker, count] = [of("head_template_id"), of("worker_template_id"), numberOf(values, "count") ?? 0];
  if (!head || !worker || !Number.isInteger(count) || count < 1) return undefined;
  return { vms: count + 1, cpu: head.cpu + count * worker.cpu, memory_mib: head.memory_mib + count * worker.memory_mib };
}

interface Free {
  free_vms: number;
  free_cpu: number;
  free_memory_mib: number;
}
export const isTooMuch = (sum: Sum, free: Free): boolean => sum.vms > free.free_vms || sum.cpu > free.free_cpu || sum.memory_mib > free.free_memory_mib;

export function paramsOf(values: Values): Methods["user.farm.create"]["params"] {
  const given = (name: string): Record<string, number[]> => (listOf(values, name).length ? { [name]: listOf(values, name).map(Number) } : {});
  const chosen = (name: string): Record<string, number> => (textOf(values, name) ? { [name]: Number(textOf(values, name)) } : {});
  const key = textOf(values, "ssh_key");
  return {
    cluster: textOf(values, "cluster"), name: textOf(values, "name"), description: textOf(values, "description"),
    image_id: numberOf(values, "image_id") ?? 0, head_template_id: numberOf(values, "head_template_id") ?? 0,
    worker_template_id: numberOf(values, "worker_template_id") ?? 0, count: numberOf(values, "count") ?? 0, shared_key: isSet(values, "shared_key"),
    ...(key && { ssh_key: key, ssh_username: textOf(values, "ssh_username") }),
    ...given("networks"), ...given("security_group_ids"), ...given("disk_list"), ...given("iso_list"), ...given("groups"),
    ...chosen("public_ip_id"), ...chosen("expiry_id"),
    ...(textOf(values, "user_data") && { user_data: String(values["user_data"]) }),
    ...(textOf(values, "metadata") && { metadata: textOf(values, "metadata") as "nocloud" }),
  };
}

const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]] as const;

/** How long something has gone on, in the largest unit that it fills and the next. */
export function lasting(language: Language, seconds: number): string {
  const first = UNITS.findIndex(([, each]) => seconds >= each);
  const shown = first < 0 ? UNITS.slice(-1) : UNITS.slice(first, first + 2);
  let rest = Math.max(0, seconds);
  return shown.map(([unit, each]) => {
    const count = Math.floor(rest / each);
    rest -= count * each;
    return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(count);
  }).join(" ");
}
