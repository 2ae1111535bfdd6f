// Language and theme: kept in the browser, followed by the whole page.
import { useMemo, useSyncExternalStore } from "react";
import { Value } from "../api/value.ts";
import { bytes, LANGUAGES, memory, monthName, time, translator, type Language, type Translate } from "../texts/translate.ts";

export type Theme = "auto" | "light" | "dark";
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const DARK = "pf-v6-theme-dark";

function kept(name: string): string | null {
  try {
    return localStorage.getItem(`wawel.${name}`);
  } catch {
    return null; // storage may be forbidden; then what is chosen lasts as long as the page
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`wawel.${name}`, value);
  } catch {
    // as above
  }
}

function firstLanguage(): Language {
  const chosen = kept("language") ?? navigator.languages.map((each) => each.slice(0, 2)).find((each) => each in LANGUAGES);
  return chosen === "pl" ? "pl" : "en";
}

const language = new Value<Language>(firstLanguage());
const theme = new Value<Theme>(THEMES.find((each) => each === kept("theme")) ?? "auto");
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function show(): void {
  document.documentElement.lang = language.get();
  const dark = theme.get() === "dark" || (theme.get() === "auto" && systemDark.matches);
  document.documentElement.classList.toggle(DARK, dark);
}

export function followPreferences(): void {
  systemDark.addEventListener("change", show);
  show();
}

export function setLanguage(next: Language): void {
  keep("language", next);
  language.set(next);
  show();
}

export function setTheme(next: Theme): void {
  keep("theme", next);
  theme.set(next);
  show();
}

export const useTheme = (): Theme => useSyncExternalStore(theme.subscribe, theme.get);

export interface Texts {
  language: Language;
  t: Translate;
  memory: (mib: number) => string;
  bytes: (count: number) => string;
  number: (value: number) => string;
  time: (at: string | number) => string;
  /** Of one as "2026-11". */
  month: (month: string) => string;
}

export function useTexts(): Texts {
  const now = useSyncExternalStore(language.subscribe, language.get);
  return useMemo(
    () => ({
      language: now,
      t: translator(now),
      memory: (mib: number) => memory(now, mib),
      bytes: (count: number) => bytes(now, count),
      number: (value: number) => new Intl.NumberFormat(now).format(value),
      time: (at: string | number) => time(now, at),
      month: (month: string) => monthName(now, month),
    }),
    [now],
  );
}
