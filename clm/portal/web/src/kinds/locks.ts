// What administrators lock, so that nothing new comes to it.
import type { Placed } from "../api/list.ts";
import type { Request } from "../api/request.ts";
import type { Action } from "../model/action.ts";
import type { Key } from "../texts/translate.ts";

type Lockable = Placed & { locked: boolean };
type Noun = "node" | "storage" | "network" | "pool";

/** @param ids the call's parameter for a row. @param help what a lock means here. */
export function locks<T extends Lockable>(noun: Noun, ids: (row: T) => object, help: Key): readonly Action<T>[] {
  const request = (verb: "lock" | "unlock") => (row: T): Request => ({
    method: `admin.${noun}.${verb}`, params: { ...ids(row), cluster: row.cluster },
  });
  return [
    { key: "lock", title: "admin.lock", may: (row) => !row.locked, confirm: { title: "admin.lockAsk", help }, request: request("lock") },
    { key: "unlock", title: "admin.unlock", may: (row) => row.locked, request: request("unlock") },
  ];
}
