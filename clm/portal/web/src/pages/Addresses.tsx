import type { ReactNode } from "react";
import { everywhere, type ItemOf, type Placed } from "../api/list.ts";
import { CLUSTER, machineOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { DESCRIPTION } from "../model/fields.ts";
import { given, numberOf, textOf } from "../model/form.ts";
import { columns } from "../ui/columns.tsx";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import type { Making } from "../ui/parts.tsx";

type Address = ItemOf<"user.public_address.get_list"> & Placed;

const c = columns<Address>();
const of = ({ public_address_id, cluster }: Address): { public_address_id: number; cluster: string } => ({ public_address_id, cluster });

const SPEC: ListSpec<Address> = {
  title: "menu.addresses",
  columns: [
    c.text("address", "column.address"), c.status("state", "column.state", "publicState"), c.text("vm_name", "column.machine"),
    c.text("reason", "column.reason", { isMinor: true }), c.text("description", "column.description", { isMinor: true }),
    c.text("cluster", "column.cluster", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.address,
  actions: [
    {
      key: "assign", title: "addresses.assign",
      fields: (row) => [
        { name: "vm_id", label: "column.machine", as: "select", isRequired: true, options: machineOptions(row.cluster) },
        { name: "nic", label: "nics.number", as: "number", isRequired: true, initial: "0", min: 0, max: 31 },
      ],
      request: (row, values) => ask("user.public_address.assign", { ...of(row), vm_id: numberOf(values, "vm_id") ?? 0, nic: numberOf(values, "nic") ?? 0 }),
    },
    {
      key: "unassign", title: "addresses.unassign", may: (row) => row.vm_id !== null,
      confirm: { title: "addresses.unassignAsk", help: "addresses.unassignHelp" }, request: (row) => ask("user.public_address.unassign", of(row)),
    },
    {
      key: "edit", title: "action.edit", fields: (row) => [{ ...DESCRIPTION, initial: row.description }],
      request: (row, values) => ask("user.public_address.edit", { ...of(row), description: textOf(values, "description") }),
    },
    {
      key: "release", title: "action.release", isDanger: true, may: (row) => row.vm_id === null,
      confirm: { title: "addresses.releaseAsk", help: "addresses.releaseHelp" }, request: (row) => ask("user.public_address.release", of(row)),
    },
  ],
  none: ["addresses.none", "addresses.noneHelp"],
};

const MAKE: Making = {
  key: "request-address",
  title: "addresses.request",
  fields: [
    CLUSTER,
    { name: "family", label: "addresses.family", as: "select", isRequired: true, initial: "4", options: [{ value: "4", text: "IPv4" }, { value: "6", text: "IPv6" }] },
    { name: "address", label: "column.address", help: "addresses.exactly" },
    DESCRIPTION,
  ],
  request: (values) =>
    ask("user.public_address.request", { ...given(values, "cluster", "address", "description"), family: textOf(values, "family") === "6" ? 6 : 4 }),
};

export default function Addresses(): ReactNode {
  return <ListPage source={everywhere("user.public_address.get_list", { kinds: ["public_address"] })} spec={SPEC} making={[MAKE]} />;
}
