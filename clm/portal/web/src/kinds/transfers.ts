// Offers of ownership: what is shown of them, and what the two parties do.
import { everywhere, type ItemOf, type Placed } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { TransferState } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import type { Filter } from "../model/table.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";

export type Transfer = ItemOf<"user.transfer.get_list"> & Placed;

export const TRANSFERS = everywhere("user.transfer.get_list", { page: ["before", "transfer_id"], kinds: ["", "transfer"] }, { answered: true });

const c = columns<Transfer>();
export const TRANSFER_COLUMNS: readonly Column<Transfer>[] = [
  c.text("name", "column.name"),
  c.word("kind", "column.kind", "transferKind"),
  c.text("user_login", "transfers.from"),
  c.text("to_login", "transfers.to"),
  c.status("state", "column.state", "transferState"),
  c.text("text", "transfers.text", { isMinor: true }),
  c.time("expires", "column.expires"),
  c.text("cluster", "column.cluster", { isMinor: true }),
];

const STATES: readonly TransferState[] = ["offered", "accepted", "declined", "withdrawn", "expired", "void"];
export const TRANSFER_FILTERS: readonly Filter<Transfer>[] = [{
  key: "state", title: "column.state", any: "list.anyState", of: (row) => row.state,
  options: STATES.map((value) => ({ value, title: `transferState.${value}` as const })),
}];

const of = ({ transfer_id, cluster }: Transfer): { transfer_id: number; cluster: string } => ({ transfer_id, cluster });

/** @param login whose page it is: an offer to them they answer, their own they withdraw. */
export const transferActions = (login: string | undefined): readonly Action<Transfer>[] => [
  {
    key: "accept", title: "transfers.accept", may: (row) => row.state === "offered" && row.to_login === login,
    confirm: { title: "transfers.acceptAsk", help: "transfers.acceptHelp" }, request: (row) => ask("user.transfer.accept", of(row)),
  },
  { key: "decline", title: "transfers.decline", may: (row) => row.state === "offered" && row.to_login === login, request: (row) => ask("user.transfer.decline", of(row)) },
  { key: "withdraw", title: "transfers.withdraw", may: (row) => row.state === "offered" && row.user_login === login, request: (row) => ask("user.transfer.withdraw", of(row)) },
];
