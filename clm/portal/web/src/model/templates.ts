// VM templates: what forms hold of them, and what they have of the ones that they are made of. Pure.
import type { ListedVMTemplate, TemplateField } from "../api/wawel.ts";
import { isSame, listOf, textOf, type Values } from "./form.ts";

const MIB = 1024;

/** Of the numbers that were typed; what is no number is left for the server to refuse. */
export const disksOf = (text: string): number[] => text.split(/[\s,]+/).filter(Boolean).map((each) => Math.round(Number(each) * MIB));
export const gibOf = (disks: readonly number[]): string => disks.map((mib) => String(Math.round((mib / MIB) * 1000) / 1000)).join(" ");

export function tagsOf(text: string): Record<string, string> {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}
export const linesOf = (tags: Readonly<Record<string, string>>): string =>
  Object.entries(tags).map(([key, value]) => (value ? `${key}=${value}` : key)).join("\n");

type Own = Pick<ListedVMTemplate, TemplateField | "name" | "description" | "parent_template_id">;

/** What a form begins with: empty is what the template leaves open. */
export function typedOf(row: Own): Values {
  const list = (ids: readonly number[] | null): string[] => (ids ?? []).map(String);
  return {
    name: row.name, description: row.description, parent_template_id: String(row.parent_template_id ?? ""), image_id: String(row.image_id ?? ""),
    iso_list: list(row.iso_list), networks: list(row.networks), new_disks: gibOf(row.new_disks ?? []), system: row.system ?? "",
    access_method: row.access_method ?? "", has_agent: row.has_agent === null ? "" : row.has_agent ? "yes" : "no",
    firmware: row.firmware ?? "", machine: row.machine ?? "", cpu_model: row.cpu_model ?? "", boot_menu_s: String(row.boot_menu_s ?? ""),
    traits: (row.traits ?? []).join(" "), tags: linesOf(row.tags ?? {}),
  };
}

/** What may be left open, as the call wants it. */
const READ: Record<TemplateField, (values: Values) => unknown> = {
  image_id: (values) => Number(textOf(values, "image_id")),
  iso_list: (values) => listOf(values, "iso_list").map(Number),
  networks: (values) => listOf(values, "networks").map(Number),
  new_disks: (values) => disksOf(textOf(values, "new_disks")),
  system: (values) => textOf(values, "system"),
  access_method: (values) => textOf(values, "access_method"),
  has_agent: (values) => textOf(values, "has_agent") === "yes",
  firmware: (values) => textOf(values, "firmware"),
  machine: (values) => textOf(values, "machine"),
  cpu_model: (values) => textOf(values, "cpu_model"),
  boot_menu_s: (values) => Number(textOf(values, "boot_menu_s")),
  traits: (values) => textOf(values, "traits").split(/[\s,]+/).filter(Boolean),
  tags: (values) => tagsOf(textOf(values, "tags")),
};
const FIELDS = Object.keys(READ) as TemplateField[];
const isOpen = (values: Values, field: string): boolean => (Array.isArray(values[field]) ? listOf(values, field).length === 0 : textOf(values, field) === "");

/** Those members that were filled in. */
export function created(values: Values): Record<string, unknown> {
  const made = FIELDS.filter((field) => !isOpen(values, field)).map((field) => [field, READ[field](values)] as const);
  const parent = textOf(values, "parent_template_id");
  return { name: textOf(values, "name"), description: textOf(values, "description"), ...(parent && { parent_template_id: Number(parent) }), ...Object.fromEntries(made) };
}

/** Only what is another than before: an empty list that a template holds on purpose stays, as nothing was done to it. */
export function edited(row: Own, values: Values): Record<string, unknown> {
  const was = typedOf(row);
  const now = FIELDS.filter((field) => values[field] !== undefined && !isSame(values[field], was[field]));
  const inherit = now.filter((field) => isOpen(values, field));
  const told: Record<string, unknown> = Object.fromEntries(now.filter((field) => !isOpen(values, field)).map((field) => [field, READ[field](values)]));
  for (const name of ["name", "description"]) if (textOf(values, name) !== was[name]) told[name] = textOf(values, name);
  const parent = textOf(values, "parent_template_id");
  if (parent !== was["parent_template_id"]) Object.assign(told, parent ? { parent_template_id: Number(parent) } : { orphan: true });
  return { ...told, ...(inherit.length && { inherit }) };
}

type Linked = Pick<ListedVMTemplate, "vm_template_id" | "parent_template_id"> & { cluster: string };

/** Upwards, the nearest first; a number for one that is not shown to the reader, where it ends. */
export function chainOf<T extends Linked>(row: T, all: readonly T[]): (T | number)[] {
  const found: (T | number)[] = [];
  let next = row.parent_template_id;
  while (next !== null && found.length < all.length + 1) {
    const parent = all.find((each) => each.cluster === row.cluster && each.vm_template_id === next);
    found.push(parent ?? next);
    next = parent?.parent_template_id ?? null;
  }
  return found;
}

export const childrenOf = <T extends Linked>(row: T, all: readonly T[]): T[] =>
  all.filter((each) => each.cluster === row.cluster && each.parent_template_id === row.vm_template_id);
