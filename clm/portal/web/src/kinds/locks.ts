// What administrators lock, so that nothing new comes to it.
import type { Placed } from "../api/list.ts";
import type { Request } from "../api/request.ts";
import type { Action } from "../model/action.ts";
import { given, type Field, type Values } from "../model/form.ts";
import type { Key } from "../texts/translate.ts";

type Lockable = Placed & { locked: boolean };
type Noun = "node" | "storage" | "network" | "pool";

/** @param ids the call's parameter for a row. @param help what a lock means here. @param beside what the call takes with it. */
export function locks<T extends Lockable>(noun: Noun, ids: (row: T) => object, help: Key, beside: readonly Field[] = []): readonly Action<T>[] {
  const request = (verb: "lock" | "unlock") => (row: T, values: Values): Request => ({
    method: `admin.${noun}.${verb}`, params: { ...ids(row), cluster: row.cluster, ...given(values, ...beside.map((field) => field.name)) },
  });
  return [
    { key: "lock", title: "admin.lock", may: (row) => !row.locked, confirm: { title: "admin.lockAsk", help, beside }, request: request("lock") },
    { key: "unlock", title: "admin.unlock", may: (row) => row.locked, request: request("unlock") },
  ];
}
