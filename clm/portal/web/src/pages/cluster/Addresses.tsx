import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { DESCRIPTION } from "../../model/fields.ts";
import { given, isSet, textOf } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

type Address = ItemOf<"admin.public_address.get_list"> & Placed;
const c = columns<Address>();
const of = ({ public_address_id, cluster }: Address): { public_address_id: number; cluster: string } => ({ public_address_id, cluster });

const SPEC: ListSpec<Address> = {
  title: "menu.addresses",
  columns: [
    c.text("address", "column.address"), c.status("state", "column.state", "publicState"), c.text("user_id", "column.ownerId", { isMinor: true }),
    c.text("vm_name", "column.machine", { isMinor: true }), c.yes("shared", "admin.shared"), c.text("ports", "addresses.ports", { isMinor: true }),
    c.text("reason", "column.reason", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.address,
  actions: [
    {
      key: "unassign", title: "addresses.unassign", may: (row) => row.vm_id !== null, confirm: { title: "addresses.unassignAsk", help: "addresses.unassignHelp" },
      request: (row) => ask("admin.public_address.unassign", of(row)),
    },
    {
      key: "release", title: "admin.takeBack", may: (row) => row.user_id !== null && row.vm_id === null, confirm: { title: "addresses.releaseAsk", help: "admin.takeBackHelp" },
      request: (row) => ask("admin.public_address.release", of(row)),
    },
    {
      key: "delete", title: "action.delete", isDanger: true, may: (row) => row.user_id === null, confirm: { title: "confirm.delete", help: "addresses.deleteHelp" },
      request: (row) => ask("admin.public_address.delete", of(row)),
    },
  ],
  none: ["admin.noAddresses", "admin.noAddressesHelp"],
};

export default function Addresses({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(
    () => [{
      key: "add-addresses", title: "admin.addAddresses",
      fields: [
        { name: "addresses", label: "addresses.list", help: "addresses.listHelp", as: "area", isRequired: true },
        { name: "shared", label: "admin.shared", help: "admin.sharedHelp", as: "check" }, { name: "uplink", label: "addresses.uplink" }, DESCRIPTION,
      ],
      request: (values) =>
        ask("admin.public_address.add", {
          cluster, addresses: textOf(values, "addresses").split(/[\s,]+/).filter(Boolean), shared: isSet(values, "shared"), ...given(values, "uplink", "description"),
        }),
    }],
    [cluster],
  );
  return (
    <ListPage spec={SPEC} making={making}
      source={ofCluster("admin.public_address.get_list", cluster, { page: ["after", "public_address_id"], kinds: ["public_address"], all: true })} />
  );
}
