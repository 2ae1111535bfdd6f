// Networks of people's own: what is shown of them and done to them.
import { fromEach, type ItemOf, type Placed } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { NetworkLease } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { named } from "../model/fields.ts";
import { textOf } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";

export type Network = ItemOf<"user.network.list_user_networks"> & Placed;
export type Lease = NetworkLease & Placed;

export const NETWORKS = fromEach("user.network.list_user_networks", { kinds: ["network", "vm"] });

const c = columns<Network>();
const used = c.of("leases", "networks.used", (row) => row.leases_used, { show: (row, { t }) => t("networks.usedOf", { used: row.leases_used, of: row.leases }), isMinor: true });
export const NETWORK_COLUMNS: readonly Column<Network>[] = [
  c.link("name", "column.name", (row) => addressTo("network", { uuid: row.uuid })),
  c.text("network", "networks.range"),
  used,
  c.yes("is_default", "networks.isDefault"),
  c.text("description", "column.description", { isMinor: true }),
  c.text("cluster", "column.cluster", { isMinor: true }),
];

const of = ({ network_id, cluster }: Network): { network_id: number; cluster: string } => ({ network_id, cluster });
export const NETWORK_ACTIONS: readonly Action<Network>[] = [
  {
    key: "edit", title: "action.edit", may: (row) => row.user_id !== null,
    fields: (row) => [...named(row), { name: "dns", label: "column.dns", initial: row.dns }],
    request: (row, values) =>
      ask("user.network.edit", { ...of(row), name: textOf(values, "name"), description: textOf(values, "description"), dns: textOf(values, "dns") }),
  },
  {
    key: "release", title: "action.release", isDanger: true, may: (row) => row.user_id !== null, confirm: { title: "confirm.delete", help: "networks.releaseHelp" },
    request: (row) => ask("user.network.release", of(row)),
  },
];

const l = columns<Lease>();
export const LEASE_COLUMNS: readonly Column<Lease>[] = [
  l.text("address", "column.address"), l.text("vm_name", "column.machine"), l.text("nic", "nics.number", { isMinor: true }),
];
