// A cluster's images, as its administrators have them: their list, and what is done to them.
import { ofCluster, type Source } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { Action } from "../model/action.ts";
import { named } from "../model/fields.ts";
import { textOf } from "../model/form.ts";
import type { Image } from "./images.ts";

const of = ({ image_id, cluster }: Image): { image_id: number; cluster: string } => ({ image_id, cluster });

export const clusterImagesOf = (cluster: string): Source<Image> =>
  ofCluster("admin.system_image.get_list", cluster, { page: ["before", "image_id"], kinds: ["image"], all: true }, { failed: true });

export const CLUSTER_IMAGE_ACTIONS: readonly Action<Image>[] = [
  {
    key: "edit", title: "action.edit", fields: named,
    request: (row, values) => ask("admin.system_image.edit", { ...of(row), name: textOf(values, "name"), description: textOf(values, "description") }),
  },
  {
    key: "publish", title: "admin.publish", may: (row) => row.access === "private" && row.state === "ok", confirm: { title: "admin.publishAsk", help: "admin.publishHelp" },
    request: (row) => ask("admin.system_image.set_access", { ...of(row), access: "public" }),
  },
  {
    key: "hide", title: "images.setPrivate", may: (row) => row.access === "public", confirm: { title: "images.setPrivateAsk", help: "admin.hideHelp" },
    request: (row) => ask("admin.system_image.set_access", { ...of(row), access: "private" }),
  },
  { key: "prefetch", title: "admin.prefetch", may: (row) => row.kind === "system" && row.state === "ok", request: (row) => ask("admin.system_image.prefetch", of(row)) },
  {
    key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "images.deleteHelp" },
    request: (row) => ask("admin.system_image.delete", of(row)),
  },
];
