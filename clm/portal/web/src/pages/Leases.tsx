import { useMemo, useSyncExternalStore, type ReactNode } from "react";
import { machines } from "../api/cloud.ts";
import { fromEach, type ItemOf, type Placed } from "../api/list.ts";
import { expiryOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { endColumns, idOf } from "../kinds/leases.ts";
import { numberOf } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import "../texts/templated.ts";
import { columns } from "../ui/columns.tsx";
import { Link } from "../ui/Link.tsx";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import { useTexts } from "../ui/settings.ts";

type Row = ItemOf<"user.expiry.list_vms"> & Placed;
const SOURCE = fromEach("user.expiry.list_vms", { page: ["after", "vm_id"], kinds: ["", "vm", "expiry"] });
const c = columns<Row>();
const of = ({ vm_id, cluster }: Row): { vm_id: number; cluster: string } => ({ vm_id, cluster });

/** @param pageOf a machine's own page, as far as it is known here yet. */
const specOf = (pageOf: (row: Row) => string | undefined): ListSpec<Row> => ({
  title: "expiry.title",
  columns: [
    c.of("vm", "column.machine", (row) => row.vm, {
      show: (row) => {
        const to = pageOf(row);
        return to ? <Link to={to}>{row.vm}</Link> : row.vm;
      },
    }),
    c.text("expiry", "expiry.lease"), ...endColumns<Row>(), c.time("renewed", "expiry.renewed"), c.text("cluster", "column.cluster", { isMinor: true }),
  ],
  id: idOf,
  name: (row) => row.vm,
  actions: [
    { key: "renew", title: "action.renew", may: (row) => row.renewable, request: (row) => ask("user.expiry.renew", of(row)) },
    {
      key: "choose", title: "expiry.choose",
      fields: (row) => [{ name: "expiry_id", label: "expiry.lease", help: "expiry.chooseHelp", as: "select", isRequired: true, options: expiryOptions(row.cluster) }],
      request: (row, values) => ask("user.expiry.set", { ...of(row), expiry_id: numberOf(values, "expiry_id") ?? 0 }),
    },
  ],
  none: ["leases.none", "leases.noneHelp"],
});

/** What becomes of one's machines when nobody renews them, and renewing many at once. */
export default function Leases(): ReactNode {
  const { t } = useTexts();
  const all = useSyncExternalStore(machines.subscribe, machines.snapshot);
  const spec = useMemo(() => {
    const pages = new Map(all.map((each) => [idOf(each), addressTo("machine", { uuid: each.uuid })]));
    return specOf((row) => pages.get(idOf(row)));
  }, [all]);
  return <ListPage source={SOURCE} spec={spec}>{() => <p>{t("leases.help")}</p>}</ListPage>;
}
