// What may be done to rows of a list, declared: how it is asked for, and what is told of each.
import type { Request } from "../api/request.ts";
import type { PlanStep } from "../api/rpc.ts";
import type { Method } from "../api/wawel.ts";
import type { Key } from "../texts/translate.ts";
import type { Field, Values } from "./form.ts";

/** What became of one row; without `error` it was done. */
export interface Outcome {
  name: string;
  error?: { slug: string; message: string; fields?: Record<string, unknown> };
}

export interface Action<T> {
  key: string;
  title: Key;
  /** Whether it fits; what does not fit all that is chosen is not offered. */
  may?: (row: T) => boolean;
  /** The call that it leads to, of those that the server tells whether it would take them, and why not. */
  call?: Method;
  /** One call a row, with what its form holds, if it has one. */
  request?: (row: T, values: Values) => Request;
  /** Many rows in few calls, in place of `request`. */
  batch?: { plan: (rows: readonly T[]) => Promise<PlanStep[]>; run: (rows: readonly T[]) => Promise<Outcome[]> };
  /** What is asked for before; of one row, so that it may begin as that row is. */
  fields?: (row: T) => readonly Field[];
  /** Asked twice, with what it would do. `count` is for questions about many. `beside`: what may be said with it, of all rows; `depends`: so does what it would do. */
  confirm?: { title: Key; help: Key; beside?: readonly Field[]; depends?: boolean };
  isDanger?: boolean;
  /** A place that it leads to, in place of a call. */
  to?: (row: T) => string;
  /** What the answer holds and is shown once. */
  secret?: (answer: unknown) => readonly (readonly [Key, string])[];
}
