import { useMemo, useSyncExternalStore, type ReactNode } from "react";
import { session } from "../api/session.ts";
import { TRANSFER_COLUMNS, TRANSFER_FILTERS, transferActions, TRANSFERS, type Transfer } from "../kinds/transfers.ts";
import "../texts/given.ts";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import { useTexts } from "../ui/settings.ts";

const specOf = (login: string | undefined): ListSpec<Transfer> => ({
  title: "menu.transfers",
  columns: TRANSFER_COLUMNS,
  filters: TRANSFER_FILTERS,
  search: (row) => [row.name, row.user_login, row.to_login, row.text],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: transferActions(login),
  none: ["transfers.none", "transfers.noneHelp"],
});

/** What one is offered by others, and offers them. */
export default function Transfers(): ReactNode {
  const { t } = useTexts();
  const login = useSyncExternalStore(session.subscribe, session.get)?.login;
  const spec = useMemo(() => specOf(login), [login]);
  return <ListPage source={TRANSFERS} spec={spec}>{() => <p>{t("transfers.help")}</p>}</ListPage>;
}
