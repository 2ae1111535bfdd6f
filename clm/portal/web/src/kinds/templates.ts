// VM templates and profiles: what is shown of them and done to them.
import { everywhere, type ItemOf, type Placed } from "../api/list.ts";
import { isoOptions, networkOptions, sizeOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { call } from "../api/rpc.ts";
import type { Methods } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { DESCRIPTION, NAME, plainly } from "../model/fields.ts";
import { numberOf, textOf, type Field, type Option, type Values } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import type { Filter } from "../model/table.ts";
import { edited, typedOf } from "../model/templates.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";

export type VMTemplate = ItemOf<"user.vm_template.get_list"> & Placed;
export type VMProfile = ItemOf<"user.vm_profile.get_list"> & Placed;

/** A template that is edited changes what others have of it, of which no event tells: so the list is read anew. */
export const TEMPLATES = everywhere("user.vm_template.get_list", { kinds: ["", "vm_template"] });
export const PROFILES = everywhere("user.vm_profile.get_list", { kinds: ["", "vm_template", "template"] });

const c = columns<VMTemplate>();
export const TEMPLATE_COLUMNS: readonly Column<VMTemplate>[] = [
  c.link("name", "column.name", (row) => addressTo("vmTemplate", { uuid: row.uuid })),
  c.of("system", "templates.system", (row) => row.effective.system),
  c.word("access", "templates.access", "templates.access", { isMinor: true }),
  c.text("user_login", "column.owner", { isMinor: true }),
  c.text("description", "column.description", { isMinor: true, isWide: true }),
  c.text("cluster", "column.cluster", { isMinor: true }),
];
export const TEMPLATE_FILTERS: readonly Filter<VMTemplate>[] = [{
  key: "access", title: "templates.access", any: "templates.anyAccess", of: (row) => row.access,
  options: [{ value: "owner", title: "templates.access.owner" }, { value: "user", title: "templates.access.user" }],
}];

/** What a machine can begin as: system images, and ISOs to install from. */
const baseOptions = (cluster: string) => async (): Promise<Option[]> => {
  const images = await call("user.system_image.get_list", { cluster });
  const isos = await isoOptions(cluster)();
  return [...(Array.isArray(images) ? images.map((row) => ({ value: String(row.image_id), text: row.name })) : []), ...isos];
};

export const templateOptions = (cluster: string, except?: number) => async (): Promise<Option[]> => {
  const rows = await call("user.vm_template.get_list", { cluster });
  if (!Array.isArray(rows)) return [];
  return rows.filter((row) => row.vm_template_id !== except).map((row) => ({ value: String(row.vm_template_id), text: row.name }));
};

/** @param typed what the form begins with. */
export const templateFields = (cluster: string, typed: Values = {}, except?: number): readonly Field[] => {
  const fields: readonly Field[] = [
    NAME, DESCRIPTION,
    { name: "parent_template_id", label: "templates.parent", help: "templates.parentHelp", as: "select", options: templateOptions(cluster, except) },
    { name: "image_id", label: "column.image", as: "select", options: baseOptions(cluster) },
    { name: "iso_list", label: "templates.isos", as: "several", options: isoOptions(cluster) },
    { name: "new_disks", label: "templates.newDisks", help: "templates.newDisksHelp" },
    { name: "networks", label: "menu.networks", as: "several", options: networkOptions(cluster) },
    { name: "system", label: "templates.system", help: "templates.systemHelp", maxLength: 100 },
    { name: "access_method", label: "templates.method", as: "select", options: plainly(["ssh", "rdp", "nx"]) },
    { name: "has_agent", label: "templates.agent", as: "select", options: [{ value: "yes", title: "list.yes" }, { value: "no", title: "list.no" }] },
    { name: "firmware", label: "templates.firmware", as: "select", options: plainly(["bios", "uefi"]) },
    { name: "machine", label: "templates.machine", as: "select", options: plainly(["auto", "pc", "q35"]) },
    { name: "cpu_model", label: "templates.cpuModel", as: "select", options: plainly(["baseline", "host"]) },
    { name: "boot_menu_s", label: "templates.bootMenu", help: "templates.bootMenuHelp", as: "number", min: 0 },
    { name: "traits", label: "templates.traits", help: "templates.traitsHelp" },
    { name: "tags", label: "templates.tags", help: "templates.tagsHelp", as: "area" },
  ];
  return fields.map((field) => {
    const initial = typed[field.name];
    return initial === undefined ? field : { ...field, initial };
  });
};

const isMine = (row: VMTemplate): boolean => row.access === "owner";
const of = ({ vm_template_id, cluster }: VMTemplate): { vm_template_id: number; cluster: string } => ({ vm_template_id, cluster });

export const TEMPLATE_ACTIONS: readonly Action<VMTemplate>[] = [
  { key: "make", title: "machines.create", to: (row) => addressTo("create", {}, `?template=${row.uuid}`) },
  { key: "child", title: "templates.child", to: (row) => addressTo("newTemplate", {}, `?parent=${row.vm_template_id}&cluster=${encodeURIComponent(row.cluster)}`) },
  {
    key: "profile", title: "profiles.save",
    fields: (row) => [NAME, { name: "template_id", label: "column.size", help: "profiles.saveHelp", as: "select", isRequired: true, options: sizeOptions(row.cluster) }],
    request: (row, values) => ask("user.vm_profile.create", { ...of(row), name: textOf(values, "name"), template_id: numberOf(values, "template_id") ?? 0 }),
  },
  {
    key: "edit", title: "action.edit", may: isMine, fields: (row) => templateFields(row.cluster, typedOf(row), row.vm_template_id),
    request: (row, values) => ask("user.vm_template.edit", { ...of(row), ...edited(row, values) } as Methods["user.vm_template.edit"]["params"]),
  },
  {
    key: "delete", title: "action.delete", isDanger: true, may: isMine, confirm: { title: "confirm.delete", help: "templates.deleteHelp" },
    request: (row) => ask("user.vm_template.delete", of(row)),
  },
];

const p = columns<VMProfile>();
export const PROFILE_COLUMNS: readonly Column<VMProfile>[] = [
  p.text("name", "column.name"), p.text("vm_template_name", "menu.templates"), p.text("template_name", "column.size"), p.text("cluster", "column.cluster", { isMinor: true }),
];
const ofProfile = ({ vm_profile_id, cluster }: VMProfile): { vm_profile_id: number; cluster: string } => ({ vm_profile_id, cluster });
export const PROFILE_ACTIONS: readonly Action<VMProfile>[] = [
  { key: "make", title: "machines.create", to: (row) => addressTo("create", {}, `?profile=${row.uuid}`) },
  {
    key: "edit", title: "action.edit",
    fields: (row) => [
      { ...NAME, initial: row.name },
      { name: "template_id", label: "column.size", as: "select", isRequired: true, initial: String(row.template_id), options: sizeOptions(row.cluster) },
    ],
    request: (row, values) => ask("user.vm_profile.edit", { ...ofProfile(row), name: textOf(values, "name"), template_id: numberOf(values, "template_id") ?? null }),
  },
  {
    key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "profiles.deleteHelp" },
    request: (row) => ask("user.vm_profile.delete", ofProfile(row)),
  },
];
