import { en, type Key, type Plural } from "./en.ts";
import { pl } from "./pl.ts";

export type { Key };
export type Language = "en" | "pl";
export const LANGUAGES: Record<Language, string> = { en: "English", pl: "Polski" };
const texts: Record<Language, Record<Key, string | Plural>> = { en, pl };

export type Values = Record<string, string | number>;
export type Translate = (key: Key, values?: Values) => string;

/** `n` chooses the form of a text that counts. */
export function translator(language: Language): Translate {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (key, values = {}) => {
    const found = texts[language][key];
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
  return Object.hasOwn(en, key) ? t(key as Key) : error.message;
}

export function memory(language: Language, mib: number): string {
  const [value, unit] = mib >= 1024 ? [mib / 1024, "GiB"] : [mib, "MiB"];
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(value)} ${unit}`;
}

export function time(language: Language, at: string | number): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}
