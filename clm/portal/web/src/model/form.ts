// Forms as pages declare them, and what a refusal says of their fields: pure.
import type { Key } from "../texts/translate.ts";
import type { Said } from "./plan.ts";
import { PASSWORD_REFUSED } from "./refused.ts";

export interface Option {
  value: string;
  /** Ours, or what somebody called it. */
  title?: Key;
  text?: string;
  /** Put into the reader's words. */
  said?: (words: Said) => string;
}

export type Value = string | boolean | readonly string[];
export type Values = Readonly<Record<string, Value>>;

export interface Field {
  /** As the call's parameter, so that what is said of that one stands here. */
  name: string;
  label: Key;
  help?: Key;
  as?: "text" | "area" | "password" | "email" | "number" | "check" | "select" | "several";
  isRequired?: boolean;
  initial?: Value;
  options?: readonly Option[] | (() => Promise<readonly Option[]>);
  min?: number;
  max?: number;
  maxLength?: number;
  autoComplete?: string;
  /** Whether it is asked for, as the form stands. */
  isShown?: (values: Values) => boolean;
}

export function initialOf(fields: readonly Field[]): Values {
  const first = (field: Field): Value =>
    field.initial ?? (field.as === "check" ? false : field.as === "several" ? [] : "");
  return Object.fromEntries(fields.map((field) => [field.name, first(field)]));
}

export const textOf = (values: Values, name: string): string => {
  const value = values[name];
  return typeof value === "string" ? value.trim() : "";
};
export const isSet = (values: Values, name: string): boolean => values[name] === true;
export const listOf = (values: Values, name: string): string[] => {
  const value = values[name];
  return Array.isArray(value) ? (value as string[]) : [];
};
export const isSame = (one: Value | undefined, other: Value | undefined): boolean => JSON.stringify(one) === JSON.stringify(other);
/** `undefined` where nothing was written. */
export const numberOf = (values: Values, name: string): number | undefined => {
  const text = textOf(values, name);
  return text === "" ? undefined : Number(text);
};
/** Those members that were filled in: of the others the server has its own idea. */
export function given(values: Values, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, textOf(values, name)]).filter(([, text]) => text !== ""));
}

const isMissing = (value: Value | undefined): boolean =>
  value === undefined || value === false || (typeof value === "string" ? value.trim() === "" : Array.isArray(value) && value.length === 0);

export type Wrong = Readonly<Record<string, { key: Key } | { text: string }>>;

/** What can be seen without asking the server. */
export function lacking(fields: readonly Field[], values: Values): Wrong {
  const wrong: Record<string, { key: Key }> = {};
  for (const field of fields) {
    const value = values[field.name];
    if (field.isRequired && isMissing(value)) wrong[field.name] = { key: "form.required" };
    else if (field.as === "number" && typeof value === "string" && value.trim() !== "") {
      const number = Number(value);
      const fits = Number.isInteger(number) && number >= (field.min ?? -Infinity) && number <= (field.max ?? Infinity);
      if (!fits) wrong[field.name] = { key: "form.number" };
    }
  }
  return wrong;
}

/** Refusals that are about one field by what they are. */
const ABOUT: Readonly<Record<string, string>> = { name_taken: "name", ssh_key_format: "key", address_taken: "address" };

/** Which field a refusal is about, and why; nothing where it is about none of them. */
export function wrongOf(
  error: { slug: string; fields: Record<string, unknown>; message: string }, fields: readonly Field[],
): Wrong {
  if (error.slug === PASSWORD_REFUSED) {
    const asked = fields.find((field) => field.as === "password");
    return asked ? { [asked.name]: { key: "form.password" } } : {};
  }
  const isParameter = error.slug === "invalid_parameter";
  const name = isParameter ? String(error.fields["parameter"]) : (ABOUT[error.slug] ?? "");
  // What is in a list or a struct is named after its place.
  const field = fields.find((each) => name === each.name || name.startsWith(`${each.name}[`) || name.startsWith(`${each.name}.`));
  if (!field) return {};
  return { [field.name]: { text: isParameter ? String(error.fields["reason"] ?? error.message) : error.message } };
}
