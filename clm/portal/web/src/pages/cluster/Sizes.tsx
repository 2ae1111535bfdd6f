import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { DESCRIPTION, NAME, traitsField, traitsOf } from "../../model/fields.ts";
import { isSet, numberOf, textOf, type Field, type Values } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

type Size = ItemOf<"admin.template.get_list"> & Placed;
const c = columns<Size>();
const of = ({ template_id, cluster }: Size): { template_id: number; cluster: string } => ({ template_id, cluster });

const fields = (row?: Size): readonly Field[] => [
  { ...NAME, initial: row?.name ?? "" },
  { name: "cpu", label: "column.cpu", as: "number", isRequired: true, min: 1, max: 1024, initial: String(row?.cpu ?? 1) },
  { name: "memory_mib", label: "quota.memoryMib", as: "number", isRequired: true, min: 1, initial: String(row?.memory_mib ?? 1024) },
  { name: "disk_mib", label: "sizes.diskMib", help: "sizes.diskHelp", as: "number", isRequired: true, min: 0, initial: String(row?.disk_mib ?? 0) },
  { name: "points", label: "sizes.points", help: "sizes.pointsHelp", as: "number", isRequired: true, min: 0, initial: String(row?.points ?? 0) },
  { name: "ec2name", label: "sizes.ec2", initial: row?.ec2name ?? "" },
  { name: "local_disk", label: "sizes.local", help: "sizes.localHelp", as: "check", initial: row?.local_disk ?? false },
  traitsField(row?.traits ?? [], "sizes.traitsHelp"),
  { ...DESCRIPTION, initial: row?.description ?? "" },
];
type Told = Pick<Size, "name" | "description" | "cpu" | "memory_mib" | "disk_mib" | "points" | "ec2name" | "local_disk" | "traits">;
const told = (values: Values): Told => ({
  name: textOf(values, "name"), description: textOf(values, "description"), cpu: numberOf(values, "cpu") ?? 1, memory_mib: numberOf(values, "memory_mib") ?? 0,
  disk_mib: numberOf(values, "disk_mib") ?? 0,
  points: numberOf(values, "points") ?? 0, ec2name: textOf(values, "ec2name"), local_disk: isSet(values, "local_disk"),
  traits: traitsOf(values),
});

const SPEC: ListSpec<Size> = {
  title: "menu.sizes",
  columns: [
    c.text("name", "column.name"), c.text("cpu", "column.cpu"), c.memory("memory_mib", "column.memory", { isMinor: false }),
    c.memory("disk_mib", "sizes.disk"), c.text("points", "sizes.points", { isMinor: true }), c.text("ec2name", "sizes.ec2", { isMinor: true }), c.yes("local_disk", "sizes.local"),
    c.of("traits", "column.traits", (row) => row.traits.join(", "), { isMinor: true }),
    c.text("description", "column.description", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    { key: "edit", title: "action.edit", fields, request: (row, values) => ask("admin.template.edit", { ...of(row), ...told(values) }) },
    {
      key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "sizes.deleteHelp" },
      request: (row) => ask("admin.template.delete", of(row)),
    },
  ],
  none: ["sizes.none", "sizes.noneHelp"],
};

export default function Sizes({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(
    () => [{ key: "make-size", title: "sizes.create", fields: fields(), request: (values) => ask("admin.template.add", { cluster, ...told(values) }) }],
    [cluster],
  );
  return <ListPage spec={SPEC} making={making} source={ofCluster("admin.template.get_list", cluster, { kinds: ["", "template"], all: true })} />;
}
