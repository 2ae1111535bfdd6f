import type { ReactNode } from "react";
import { CLUSTER } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { NETWORK_ACTIONS, NETWORK_COLUMNS, NETWORKS, type Network } from "../kinds/networks.ts";
import { DESCRIPTION, NAME } from "../model/fields.ts";
import { given, numberOf } from "../model/form.ts";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import type { Making } from "../ui/parts.tsx";

const SPEC: ListSpec<Network> = {
  title: "menu.networks",
  columns: NETWORK_COLUMNS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: NETWORK_ACTIONS,
  none: ["networks.none", "networks.noneHelp"],
};

const MAKE: Making = {
  key: "make-network",
  title: "networks.create",
  help: "networks.createHelp",
  fields: [
    NAME, CLUSTER,
    { name: "mask", label: "networks.mask", help: "networks.maskHelp", as: "number", min: 8, max: 30 },
    { name: "network", label: "networks.range", help: "networks.rangeHelp" },
    { name: "pool", label: "column.pool" },
    { name: "dns", label: "column.dns" },
    DESCRIPTION,
  ],
  request: (values) =>
    ask("user.network.request", { ...given(values, "name", "cluster", "network", "pool", "dns", "description"), mask: numberOf(values, "mask") ?? null }),
};

export default function Networks(): ReactNode {
  return <ListPage source={NETWORKS} spec={SPEC} making={[MAKE]} />;
}
