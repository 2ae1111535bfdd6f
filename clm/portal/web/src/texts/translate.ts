import { en, type Plural } from "./en.ts";
import { pl } from "./pl.ts";
import type { consoleEn } from "../console/texts.en.ts";
import type { admin } from "./admin.en.ts";
import type { farms } from "./farms.en.ts";
import type { hosts } from "./hosts.en.ts";
import type { jobs } from "./jobs.en.ts";
import type { pages } from "./pages.en.ts";
import type { people } from "./people.en.ts";
import type { templates } from "./templates.en.ts";
import type { transfers } from "./transfers.en.ts";
import type { words } from "./words.en.ts";

export type Key = keyof typeof en | keyof typeof pages | keyof typeof people | keyof typeof words | keyof typeof admin | keyof typeof hosts | keyof typeof consoleEn | keyof typeof templates | keyof typeof farms | keyof typeof jobs | keyof typeof transfers;
export type Language = "en" | "pl";
export const LANGUAGES: Record<Language, string> = { en: "English", pl: "Polski" };
type Catalogue = Partial<Record<Key, string | Plural>>;
const texts: Record<Language, Catalogue> = { en: { ...en }, pl: { ...pl } };

/** Texts of pages that come later: whoever logs in does not wait for them. */
export function extend(more: Record<Language, Catalogue>): void {
  Object.assign(texts.en, more.en);
  Object.assign(texts.pl, more.pl);
}

export const isKey = (key: string): key is Key => Object.hasOwn(texts.en, key);

export type Values = Record<string, string | number>;
export type Translate = (key: Key, values?: Values) => string;

/** `n` chooses the form of a text that counts. */
export function translator(language: Language): Translate {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (key, values = {}) => {
    const found = texts[language][key] ?? key;
    const text = typeof found === "string" ? found : (found[rules.select(Number(values["n"] ?? 0))] ?? found.other);
    return text.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? "";
      return typeof value === "number" ? numbers.format(value) : value;
    });
  };
}

/** What is said of an error: our sentence where there is one, else the server's. */
export function told(t: Translate, error: { slug: string; message: string }): string {
  const key = `error.${error.slug}`;
  return isKey(key) ? t(key) : error.message;
}

/** A word of the server's in the reader's language, where we know it; else as it is, without its underscores. */
export function word(t: Translate, group: string, value: string): string {
  const key = `${group}.${value}`;
  return isKey(key) ? t(key) : value.replaceAll("_", " ");
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(language: Language, count: number): string {
  let value = count;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(value)} ${UNITS[unit] ?? ""}`;
}

export const memory = (language: Language, mib: number): string => bytes(language, mib * 2 ** 20);

export function time(language: Language, at: string | number): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

/** Of UTC's months, as "2026-11". */
export const monthName = (language: Language, month: string): string =>
  new Intl.DateTimeFormat(language, { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(`${month}-01`));
