// How something is offered to somebody else.
import { ask } from "../api/request.ts";
import type { TransferKind } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { textOf } from "../model/form.ts";

/** Offering rows of one kind to somebody else. */
export const giving = <T extends { cluster: string }>(kind: TransferKind, id: (row: T) => number, may: (row: T) => boolean): Action<T> => ({
  key: "give", title: "action.give", may,
  fields: () => [
    { name: "login", label: "give.login", help: "give.help", isRequired: true, maxLength: 128 },
    { name: "text", label: "give.text", as: "area" },
  ],
  request: (row, values) =>
    ask("user.transfer.create", { kind, object_id: id(row), cluster: row.cluster, login: textOf(values, "login"), text: textOf(values, "text") }),
});
