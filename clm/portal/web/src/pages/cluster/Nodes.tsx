import { useMemo, type ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { NODE_ACTIONS, type Node } from "../../kinds/nodes.ts";
import { NAME, traitsField, traitsOf } from "../../model/fields.ts";
import { textOf } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

const c = columns<Node>();
const SPEC: ListSpec<Node> = {
  title: "menu.nodes",
  columns: [
    c.link("name", "column.name", (row) => addressTo("node", { cluster: row.cluster, uuid: row.uuid })),
    c.status("state", "column.state", "nodeState"), c.status("health", "nodes.health", "nodeHealth", { isMinor: true }), c.status("mode", "nodes.mode", "nodeMode"),
    c.text("vms_used", "machines.title", { isMinor: true }),
    c.of("cpu", "column.cpu", (row) => row.cpu_used, { show: (row, { t }) => t("quota.usedOf", { used: row.cpu_used, of: row.cpu_total }), isMinor: true }),
    c.of("memory", "column.memory", (row) => row.memory_mib_used, {
      show: (row, { t, memory }) => t("quota.usedOf", { used: memory(row.memory_mib_used), of: memory(row.memory_mib_total) }), isMinor: true,
    }),
    c.of("traits", "column.traits", (row) => row.traits.join(", "), { isMinor: true }),
    c.text("address", "column.address", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: NODE_ACTIONS,
  none: ["nodes.none", "nodes.noneHelp"],
};

export default function Nodes({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(
    () => [{
      key: "add-node", title: "nodes.add", help: "nodes.addHelp",
      fields: [NAME, { name: "uri", label: "nodes.uri", isRequired: true, initial: "qemu+tls://" }, { name: "address", label: "column.address", isRequired: true }, traitsField([], "nodes.traitsHelp")],
      request: (values) => ask("admin.node.add", { cluster, name: textOf(values, "name"), uri: textOf(values, "uri"), address: textOf(values, "address"), traits: traitsOf(values) }),
    }],
    [cluster],
  );
  return <ListPage spec={SPEC} making={making} source={ofCluster("admin.node.get_list", cluster, { kinds: ["node"], all: true })} />;
}
