// How a list is chosen from and put in order, and how that stands in the address: pure, and the same for every list.
import type { Key } from "../texts/translate.ts";

export type Plain = string | number | boolean | null | undefined;

export interface Column<T> {
  key: string;
  title: Key;
  /** What it is sorted by; and searched for, unless the list says what is. */
  value: (row: T) => Plain;
}

export interface Filter<T> {
  key: string;
  title: Key;
  /** What stands for "any". */
  any: Key;
  options: readonly { value: string; title: Key }[];
  of: (row: T) => string;
}

export interface Chooser<T> {
  columns: readonly Column<T>[];
  filters?: readonly Filter<T>[];
  search?: (row: T) => readonly string[];
  id: (row: T) => string;
}

export interface View {
  search: string;
  sort: string;
  descending: boolean;
  filters: Readonly<Record<string, string>>;
}

const firstOf = <T>(list: Chooser<T>): string => list.columns[0]?.key ?? "";

export function viewOf<T>(query: URLSearchParams, list: Chooser<T>): View {
  const asked = query.get("sort") ?? "";
  const key = asked.replace(/^-/, "");
  const known = list.columns.some((column) => column.key === key);
  const filters: Record<string, string> = {};
  for (const filter of list.filters ?? []) {
    const value = query.get(filter.key);
    if (value && filter.options.some((option) => option.value === value)) filters[filter.key] = value;
  }
  return {
    search: query.get("search") ?? "",
    sort: known ? key : firstOf(list),
    descending: known && asked.startsWith("-"),
    filters,
  };
}

/** The address's query for a view; what is as ever is left out. */
export function queryOf<T>(view: View, list: Chooser<T>): string {
  const query = new URLSearchParams();
  if (view.search) query.set("search", view.search);
  for (const filter of list.filters ?? []) {
    const value = view.filters[filter.key];
    if (value) query.set(filter.key, value);
  }
  if (view.sort !== firstOf(list) || view.descending) query.set("sort", (view.descending ? "-" : "") + view.sort);
  const text = query.toString();
  return text ? `?${text}` : "";
}

export const isNarrowed = (view: View): boolean => view.search !== "" || Object.values(view.filters).some(Boolean);

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function compare(x: Plain, y: Plain): number {
  if (typeof x === "number" && typeof y === "number") return x - y;
  return collator.compare(String(x ?? ""), String(y ?? ""));
}

export function chosen<T>(rows: readonly T[], view: View, list: Chooser<T>): T[] {
  const needle = view.search.trim().toLowerCase();
  const searched = list.search ?? ((row: T) => list.columns.map((column) => String(column.value(row) ?? "")));
  const found = rows.filter(
    (row) =>
      (list.filters ?? []).every((filter) => !view.filters[filter.key] || filter.of(row) === view.filters[filter.key]) &&
      (!needle || searched(row).some((text) => text.toLowerCase().includes(needle))),
  );
  const column = list.columns.find((each) => each.key === view.sort) ?? list.columns[0];
  if (!column) return found;
  const sign = view.descending ? -1 : 1;
  return found.sort((a, b) => sign * compare(column.value(a), column.value(b)) || (list.id(a) < list.id(b) ? -1 : 1));
}
