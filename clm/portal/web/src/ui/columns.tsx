// Columns of lists, by what they hold.
import type { ReactNode } from "react";
import type { Colour } from "../model/machines.ts";
import type { Plain } from "../model/table.ts";
import { word, type Key } from "../texts/translate.ts";
import { Badge } from "./Badge.tsx";
import { Link } from "./Link.tsx";
import type { Column } from "./List.tsx";
import { useTexts } from "./settings.ts";

const COLOURS: Record<string, Colour> = {
  ok: "green", active: "green", done: "green", member: "green", answered: "green", sent: "green", attached: "green", accepted: "green", offered: "blue",
  failed: "red", error: "red", lost: "red", blocked: "red", unreachable: "red", refused: "red", incompatible: "red",
  waiting: "blue", adding: "blue", uploading: "blue", running: "blue", queued: "blue", due: "blue", new: "blue",
  registered: "blue", confirmed: "blue", locked: "orange", passive: "orange", draining: "orange", maintenance: "orange", degraded: "orange", trashed: "orange", abandoned: "orange",
  warn: "orange", starting_head: "blue", starting_workers: "blue", saving_head: "blue", destroying: "blue", open: "blue", missed: "orange",
  "farmState.running": "green",
};

/** One of the server's states: a word, and a colour beside it. */
export function Status(props: { group: string; value: string }): ReactNode {
  const { t } = useTexts();
  return <Badge colour={COLOURS[`${props.group}.${props.value}`] ?? COLOURS[props.value] ?? "grey"}>{word(t, props.group, props.value)}</Badge>;
}

type Member<T> = keyof T & string;

interface Columns<T> {
  text: (key: Member<T>, title: Key, more?: Partial<Column<T>>) => Column<T>;
  /** Where the row's own page is. */
  link: (key: Member<T>, title: Key, to: (row: T) => string) => Column<T>;
  /** One of the server's words. */
  word: (key: Member<T>, title: Key, group: string, more?: Partial<Column<T>>) => Column<T>;
  status: (key: Member<T>, title: Key, group: string, more?: Partial<Column<T>>) => Column<T>;
  time: (key: Member<T>, title: Key, more?: Partial<Column<T>>) => Column<T>;
  bytes: (key: Member<T>, title: Key, more?: Partial<Column<T>>) => Column<T>;
  memory: (key: Member<T>, title: Key, more?: Partial<Column<T>>) => Column<T>;
  yes: (key: Member<T>, title: Key, more?: Partial<Column<T>>) => Column<T>;
  of: (key: string, title: Key, value: (row: T) => Plain, more?: Partial<Column<T>>) => Column<T>;
}

/** Columns of rows of one type; what is wide is left out of narrow windows. */
export function columns<T>(): Columns<T> {
  const at = (row: T, key: Member<T>): Plain => row[key] as Plain;
  const of: Columns<T>["of"] = (key, title, value, more) => ({ key, title, value, ...more });
  return {
    of,
    text: (key, title, more) => of(key, title, (row) => at(row, key), more),
    link: (key, title, to) =>
      of(key, title, (row) => at(row, key), { show: (row) => <Link to={to(row)}>{String(at(row, key) || "–")}</Link> }),
    word: (key, title, group, more) =>
      of(key, title, (row) => at(row, key), { show: (row, { t }) => (at(row, key) ? word(t, group, String(at(row, key))) : ""), ...more }),
    status: (key, title, group, more) =>
      of(key, title, (row) => at(row, key), {
        show: (row) => (at(row, key) ? <Status group={group} value={String(at(row, key))} /> : ""), ...more,
      }),
    time: (key, title, more) =>
      of(key, title, (row) => at(row, key), {
        show: (row, { time }) => (at(row, key) ? time(String(at(row, key))) : ""), isMinor: true, ...more,
      }),
    bytes: (key, title, more) =>
      of(key, title, (row) => at(row, key), {
        show: (row, { bytes }) => (at(row, key) === null ? "" : bytes(Number(at(row, key)))), isMinor: true, ...more,
      }),
    memory: (key, title, more) =>
      of(key, title, (row) => at(row, key), { show: (row, { memory }) => memory(Number(at(row, key))), isMinor: true, ...more }),
    yes: (key, title, more) =>
      of(key, title, (row) => (at(row, key) ? 1 : 0), { show: (row, { t }) => t(at(row, key) ? "list.yes" : "list.no"), isMinor: true, ...more }),
  };
}
