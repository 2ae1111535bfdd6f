// Images of all kinds: their lists, what is shown of them and done to them.
import type { ItemOf, Placed, Source } from "../api/list.ts";
import { groupOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { call } from "../api/rpc.ts";
import type { ImageKind, Image as Told } from "../api/wawel.ts";
import type { Action } from "../model/action.ts";
import { DESCRIPTION, NAME } from "../model/fields.ts";
import { numberOf, textOf } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import type { Filter } from "../model/table.ts";
import type { Key } from "../texts/translate.ts";
import { columns } from "../ui/columns.tsx";
import type { Column } from "../ui/List.tsx";
import type { Offers } from "../ui/offers.ts";
import { refusals } from "./offers.ts";

export type Image = ItemOf<"user.system_image.get_list"> & Placed;

export const KINDS: readonly { value: ImageKind; title: Key }[] = [
  { value: "system", title: "kind.system" }, { value: "storage", title: "kind.storage" }, { value: "iso", title: "kind.iso" },
];
/** The noun that a kind's calls are of. */
export const nounOf = (kind: ImageKind): "system_image" | "storage_image" | "iso_image" => `${kind}_image`;

export const IMAGES: Source<Image> = {
  parts: KINDS.map(({ value }) => ({ method: `user.${nounOf(value)}.get_list` as const })),
  of: "everywhere", page: ["before", "image_id"], kinds: ["image", "disk"],
};

const c = columns<Image>();
/** Whom it is for, as people say it. */
export const audienceOf = (row: Told): "public" | "group" | "private" =>
  row.access === "public" ? "public" : row.group_ids.length ? "group" : "private";

export const IMAGE_COLUMNS: readonly Column<Image>[] = [
  c.link("name", "column.name", (row) => addressTo("image", { uuid: row.uuid })),
  c.word("kind", "column.kind", "kind"),
  c.of("state", "column.state", (row) => row.state, {
    show: (row, { t }) => (row.operation_id !== null && row.progress > 0 && row.progress < 100 ? `${t(`imageState.${row.state}`)} ${row.progress} %` : t(`imageState.${row.state}`)),
  }),
  c.of("access", "column.access", audienceOf, { show: (row, { t }) => t(`audience.${audienceOf(row)}`), isMinor: true }),
  c.text("user_login", "column.owner", { isMinor: true }),
  c.bytes("size_bytes", "column.size"),
  c.text("cluster", "column.cluster", { isMinor: true }),
];

export const IMAGE_FILTERS: readonly Filter<Image>[] = [
  { key: "kind", title: "column.kind", any: "images.anyKind", options: KINDS, of: (row) => row.kind },
  {
    key: "access", title: "column.access", any: "images.anyAccess", of: audienceOf,
    options: [{ value: "private", title: "audience.private" }, { value: "group", title: "audience.group" }, { value: "public", title: "audience.public" }],
  },
];

const isMine = (row: Image): boolean => row.mine || row.level === "owner";
const isWhole = (row: Image): boolean => isMine(row) && row.state === "ok";
const of = ({ image_id, cluster }: Image): { image_id: number; cluster: string } => ({ image_id, cluster });

/** What the server says of system images; of the others their states decide here. */
export const IMAGE_OFFERS: Offers<Image> = {
  key: (row) => `${row.uuid}@${row.version}`,
  kinds: ["image", "vm"],
  ask: (rows) =>
    refusals(rows.filter((row) => row.kind === "system"), IMAGE_OFFERS.key, (cluster, all) =>
      call("user.system_image.operations", { cluster, image_ids: all.map((row) => row.image_id) })),
};

export const IMAGE_ACTIONS: readonly Action<Image>[] = [
  {
    key: "edit", title: "action.edit", call: "user.system_image.edit", may: isMine,
    fields: (row) => [
      { ...NAME, initial: row.name }, { ...DESCRIPTION, initial: row.description },
      ...(row.kind === "system" ? [{ name: "default_user", label: "images.defaultUser", initial: row.default_user, help: "images.defaultUserHelp" } as const] : []),
    ],
    request: (row, values) => {
      const told = { ...of(row), name: textOf(values, "name"), description: textOf(values, "description") };
      if (row.kind === "system") return ask("user.system_image.edit", { ...told, default_user: textOf(values, "default_user") || null });
      return ask(row.kind === "iso" ? "user.iso_image.edit" : "user.storage_image.edit", told);
    },
  },
  {
    key: "group", title: "images.setGroup", call: "user.system_image.set_group", may: (row) => isWhole(row) && row.kind === "system",
    fields: () => [{ name: "group_id", label: "column.group", as: "select", isRequired: true, options: groupOptions, help: "images.setGroupHelp" }],
    request: (row, values) => ask("user.system_image.set_group", { ...of(row), group_id: numberOf(values, "group_id") ?? 0 }),
  },
  {
    key: "private", title: "images.setPrivate", may: (row) => isWhole(row) && row.kind === "system" && row.group_ids.length > 0,
    confirm: { title: "images.setPrivateAsk", help: "images.setPrivateHelp" },
    request: (row) => ask("user.system_image.set_private", of(row)),
  },
  {
    key: "convert", title: "images.convert", call: "user.system_image.convert_to_storage_image", may: (row) => isWhole(row) && row.kind !== "iso",
    confirm: { title: "images.convertAsk", help: "images.convertHelp" },
    request: (row) =>
      row.kind === "system" ? ask("user.system_image.convert_to_storage_image", of(row)) : ask("user.storage_image.convert_to_system_image", of(row)),
  },
  {
    key: "download", title: "images.download", call: "user.system_image.create_download", may: (row) => row.state === "ok" && row.level !== "user", fields: () => [],
    request: (row) => ask(`user.${nounOf(row.kind)}.create_download`, of(row)),
    secret: (answer) => {
      const { cluster, path } = answer as { cluster: string; path: string };
      // By way of the cloud: where the cluster itself is, a browser may not reach.
      return [["images.downloadAt", `${location.origin}/clusters/${cluster}${path}`]];
    },
  },
  {
    key: "delete", title: "action.delete", call: "user.system_image.delete", may: isMine, isDanger: true, confirm: { title: "confirm.delete", help: "images.deleteHelp" },
    request: (row) => ask(`user.${nounOf(row.kind)}.delete`, of(row)),
  },
];
