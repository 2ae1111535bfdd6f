// Fields that many forms ask for.
import type { Key } from "../texts/translate.ts";
import { textOf, type Field, type Option, type Values } from "./form.ts";

export const NAME: Field = { name: "name", label: "column.name", isRequired: true, maxLength: 128 };
export const DESCRIPTION: Field = { name: "description", label: "column.description", as: "area", maxLength: 4096 };
export const SIZE_GIB: Field = { name: "size_mib", label: "field.sizeGib", as: "number", isRequired: true, min: 1, max: 65_536, initial: "10" };
export const MIB_OF_GIB = 1024;

/** The same, as something is called already. */
export const named = (row: { name: string; description?: string }): Field[] => [
  { ...NAME, initial: row.name },
  ...(row.description === undefined ? [] : [{ ...DESCRIPTION, initial: row.description }]),
];

export const words = (group: string, values: readonly string[]): Option[] =>
  values.map((value) => ({ value, title: `${group}.${value}` as never }));
export const plainly = (values: readonly string[]): Option[] => values.map((value) => ({ value, text: value }));

export const PLATFORMS = plainly(["linux", "windows", "other"]);
export const BUSES = plainly(["virtio", "scsi", "sata", "ide"]);

/** What nodes have, and sizes and machines ask for: words beside each other. */
export const traitsField = (now: readonly string[], help: Key): Field =>
  ({ name: "traits", label: "column.traits", help, initial: now.join(" ") });
export const traitsOf = (values: Values): string[] => textOf(values, "traits").split(/[\s,]+/).filter(Boolean);
