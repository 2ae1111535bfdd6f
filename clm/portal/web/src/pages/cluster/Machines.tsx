import { useMemo, type ReactNode } from "react";
import { nodeOptions } from "../../api/options.ts";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { batchOf, sizeField } from "../../kinds/machines.ts";
import { traitsField, traitsOf } from "../../model/fields.ts";
import { isSet, numberOf } from "../../model/form.ts";
import { limitFields, limits } from "../../kinds/nics.ts";
import { addressOf, STATE_FILTER, wordsOf } from "../../model/machines.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { useRows } from "../../ui/live.ts";
import { State } from "../../ui/State.tsx";
import { Moves } from "../../ui/Moves.tsx";

type VM = ItemOf<"admin.vm.get_list"> & Placed;
const c = columns<VM>();
const of = ({ vm_id, cluster }: VM): { vm_id: number; cluster: string } => ({ vm_id, cluster });

const SPEC: ListSpec<VM> = {
  title: "machines.title",
  columns: [
    c.text("name", "column.name"),
    { ...c.text("state", "column.state"), show: (row) => <State state={row.state} /> },
    c.of("address", "column.address", addressOf),
    c.text("user_id", "column.ownerId", { isMinor: true }),
    c.text("image_name", "column.image", { isMinor: true }),
    c.text("cpu", "column.cpu", { isMinor: true }),
    c.memory("memory_mib", "column.memory"),
    c.time("created", "column.created"),
  ],
  filters: [STATE_FILTER],
  search: (row) => [...wordsOf(row), String(row.user_id), row.uuid],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    { key: "start", title: "action.start", may: (row) => row.state === "stopped", request: (row) => ask("admin.vm.start", of(row)) },
    {
      key: "stop", title: "action.stop", may: (row) => ["running", "paused", "suspended"].includes(row.state), confirm: { title: "confirm.stop", help: "confirm.stopHelp" },
      request: (row) => ask("admin.vm.stop", of(row)),
    },
    { key: "suspend", title: "action.suspend", may: (row) => row.state === "running", request: (row) => ask("admin.vm.suspend", of(row)) },
    { key: "wake_up", title: "action.wake_up", may: (row) => row.state === "suspended", request: (row) => ask("admin.vm.wake_up", of(row)) },
    {
      key: "resize", title: "action.resize", may: (row) => row.state === "stopped", fields: (row) => [sizeField(row)],
      request: (row, values) => ask("admin.vm.resize", { ...of(row), template_id: numberOf(values, "template_id") ?? 0 }),
    },
    {
      key: "traits", title: "admin.setTraits", fields: () => [traitsField([], "admin.setTraitsHelp")],
      request: (row, values) => ask("admin.vm.set_traits", { ...of(row), traits: traitsOf(values) }),
    },
    {
      key: "move", title: "admin.move", may: (row) => ["running", "paused"].includes(row.state) && row.operation === null,
      fields: (row) => [
        { name: "node_id", label: "admin.moveTo", as: "select", options: nodeOptions(row.cluster), help: "admin.moveToHelp" },
        { name: "cold", label: "admin.moveCold", as: "check", help: "admin.moveColdHelp" },
      ],
      request: (row, values) => ask("admin.vm.migrate", { ...of(row), node_id: numberOf(values, "node_id") ?? null, live: !isSet(values, "cold") }),
    },
    {
      key: "stay", title: "admin.stay", may: (row) => row.operation === "vm_migrate", confirm: { title: "admin.stayAsk", help: "admin.stayHelp" },
      request: (row) => ask("admin.vm.abort_migration", of(row)),
    },
    {
      key: "limits", title: "nics.limits",
      fields: () => [{ name: "nic", label: "nics.number", as: "number", isRequired: true, initial: "0", min: 0, max: 31 }, ...limitFields()],
      request: (row, values) => ask("admin.nic.edit", { ...of(row), nic: numberOf(values, "nic") ?? 0, ...limits(values) }),
    },
    { key: "why", title: "placement.why", to: (row) => addressTo("placement", { cluster: row.cluster }, `?vm=${row.vm_id}`) },
    { key: "recover", title: "action.restore", may: (row) => row.state === "trashed", batch: batchOf("admin.vm.recover") },
    { key: "destroy", title: "action.destroy", isDanger: true, batch: batchOf("admin.vm.destroy"), confirm: { title: "confirm.destroy", help: "confirm.destroyHelp" } },
    {
      key: "erase", title: "admin.erase", isDanger: true, may: (row) => row.state === "error", confirm: { title: "admin.eraseAsk", help: "admin.eraseHelp" },
      request: (row) => ask("admin.vm.erase", of(row)),
    },
  ],
  none: ["admin.noMachines", "admin.noMachinesHelp"],
};

function UnderWay({ cluster, rows }: { cluster: string; rows: readonly VM[] }): ReactNode {
  const source = useMemo(
    () => ofCluster("admin.operation.get_list", cluster, { kinds: ["", "vm"], all: true }, { only_open: true }), [cluster],
  );
  const names = useMemo(() => new Map(rows.map((row) => [row.vm_id, row.name])), [rows]);
  const work = useRows(source);
  return <Moves rows={work.rows} names={names} done={work.reload} />;
}

export default function Machines({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  return (
    <ListPage spec={SPEC} source={ofCluster("admin.vm.get_list", cluster, { page: ["before", "vm_id"], kinds: ["vm"], all: true })}>
      {(data) => <UnderWay cluster={cluster} rows={data.rows} />}
    </ListPage>
  );
}
