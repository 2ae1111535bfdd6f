import type { ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { leaseOptions } from "../../api/leases.ts";
import { ask } from "../../api/request.ts";
import { endColumns, idOf } from "../../kinds/leases.ts";
import { numberOf } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import { Link } from "../../ui/Link.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { useTexts } from "../../ui/settings.ts";

type Row = ItemOf<"admin.expiry.list_vms"> & Placed;
const c = columns<Row>();
const of = ({ vm_id, cluster }: Row): { vm_id: number; cluster: string } => ({ vm_id, cluster });

const SPEC: ListSpec<Row> = {
  title: "expiry.machines",
  columns: [
    c.text("vm", "column.machine"), c.text("user_id", "column.ownerId", { isMinor: true }), c.text("expiry", "expiry.lease"), ...endColumns<Row>(),
    c.time("renewed", "expiry.renewed"),
  ],
  id: idOf,
  name: (row) => row.vm,
  actions: [
    { key: "renew", title: "action.renew", request: (row) => ask("admin.expiry.renew", of(row)) },
    {
      key: "set", title: "expiry.choose",
      fields: (row) => [{ name: "expiry_id", label: "expiry.lease", help: "expiry.setHelp", as: "select", initial: String(row.expiry_id ?? ""), options: leaseOptions(row.cluster) }],
      request: (row, values) => ask("admin.expiry.set", { ...of(row), expiry_id: numberOf(values, "expiry_id") ?? null }),
    },
  ],
  none: ["expiry.noMachines", "expiry.noMachinesHelp"],
};

/** The machines of a cluster that have a lease. */
export default function ExpiryMachines({ params }: PageProps): ReactNode {
  const { t } = useTexts();
  const cluster = params["cluster"] ?? "";
  return (
    <ListPage spec={SPEC} beside={<Link to={addressTo("clusterExpiry", { cluster })}>{t("menu.expiry")}</Link>}
      source={ofCluster("admin.expiry.list_vms", cluster, { page: ["after", "vm_id"], kinds: ["", "vm", "expiry"], all: true })} />
  );
}
