import type { ReactNode } from "react";
import { ofCloud } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import type { Cluster } from "../../api/wawel.ts";
import { NAME } from "../../model/fields.ts";
import { given, textOf } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

const c = columns<Cluster>();
const of = ({ cluster_id }: Cluster): { cluster_id: number } => ({ cluster_id });

const SPEC: ListSpec<Cluster> = {
  title: "menu.clusters",
  columns: [
    c.text("name", "column.name"), c.status("state", "column.state", "clusterState"), c.yes("locked", "admin.locked", { isMinor: false }),
    c.text("release", "clusters.release", { isMinor: true }), c.of("latency", "clusters.latency", (row) => row.latency_ms, { show: (row) => (row.latency_ms === null ? "" : `${row.latency_ms} ms`), isMinor: true }),
    c.text("url", "clusters.url", { isMinor: true }), c.time("seen_at", "nodes.seen"), c.text("error", "column.reason", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    { key: "check", title: "nodes.check", request: (row) => ask("cloud.cluster.check", of(row)) },
    { key: "lock", title: "admin.lock", may: (row) => !row.locked, confirm: { title: "admin.lockAsk", help: "clusters.lockHelp" }, request: (row) => ask("cloud.cluster.lock", of(row)) },
    { key: "unlock", title: "admin.unlock", may: (row) => row.locked, request: (row) => ask("cloud.cluster.unlock", of(row)) },
    {
      key: "edit", title: "action.edit", fields: (row) => [{ ...NAME, initial: row.name }, { name: "url", label: "clusters.url", isRequired: true, initial: row.url }],
      request: (row, values) => ask("cloud.cluster.edit", { ...of(row), name: textOf(values, "name"), url: textOf(values, "url") }),
    },
    {
      key: "trust", title: "clusters.trust",
      fields: () => [
        { name: "login", label: "column.login", help: "clusters.trustHelp", isRequired: true, autoComplete: "off" },
        { name: "password", label: "login.password", as: "password", isRequired: true, autoComplete: "off" },
      ],
      request: (row, values) => ask("cloud.cluster.edit", { ...of(row), login: textOf(values, "login"), password: String(values["password"]) }),
    },
    { key: "delete", title: "action.delete", isDanger: true, may: (row) => row.locked, confirm: { title: "confirm.delete", help: "clusters.deleteHelp" }, request: (row) => ask("cloud.cluster.delete", of(row)) },
  ],
  none: ["clusters.none", "clusters.noneHelp"],
};

const ADD: Making = {
  key: "add-cluster",
  title: "clusters.add",
  help: "clusters.addHelp",
  fields: [
    NAME, { name: "url", label: "clusters.url", isRequired: true, initial: "https://" }, { name: "login", label: "column.login", autoComplete: "off" },
    { name: "password", label: "login.password", as: "password", autoComplete: "off" }, { name: "ca", label: "clusters.ca", help: "clusters.caHelp", as: "area" },
  ],
  request: (values) =>
    ask("cloud.cluster.add", { name: textOf(values, "name"), url: textOf(values, "url"), ...given(values, "login", "ca"), password: String(values["password"]) || null }),
};

export default function Clusters(): ReactNode {
  return <ListPage source={ofCloud("cloud.cluster.get_list", { kinds: ["", "cluster"], all: true })} spec={SPEC} making={[ADD]} />;
}
