import { useMemo, type ReactNode } from "react";
import { ask } from "../../api/request.ts";
import { call } from "../../api/rpc.ts";
import type { ImageAccess, ImageKind } from "../../api/wawel.ts";
import { CLUSTER_IMAGE_ACTIONS, clusterImagesOf } from "../../kinds/clusterImages.ts";
import { IMAGE_COLUMNS, IMAGE_FILTERS, KINDS, type Image } from "../../kinds/images.ts";
import { DESCRIPTION, NAME } from "../../model/fields.ts";
import { given, numberOf, textOf, type Field } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Making } from "../../ui/parts.tsx";

const c = columns<Image>();
const SPEC: ListSpec<Image> = {
  title: "menu.images",
  columns: [c.link("name", "column.name", (row) => addressTo("clusterImage", { cluster: row.cluster, uuid: row.uuid })), ...IMAGE_COLUMNS.slice(1)]
    .filter((column) => column.key !== "cluster"),
  filters: IMAGE_FILTERS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: CLUSTER_IMAGE_ACTIONS,
  none: ["admin.noImages", "admin.noImagesHelp"],
};

function makings(cluster: string): Making[] {
  const storages = async (): Promise<{ value: string; text: string }[]> => {
    const rows = await call("admin.storage.get_list", { cluster });
    return Array.isArray(rows) ? rows.map((row) => ({ value: String(row.storage_id), text: row.name })) : [];
  };
  const known = async (): Promise<{ value: string; text: string }[]> =>
    (await call("admin.system_image.get_known", { cluster })).map((row) => ({ value: row.name, text: `${row.name}: ${row.description}` }));
  const STORAGE: Field = { name: "storage_id", label: "column.storage", as: "select", isRequired: true, options: storages };
  const ACCESS: Field = {
    name: "access", label: "column.access", as: "select", isRequired: true, initial: "public",
    options: [{ value: "public", title: "audience.public" }, { value: "private", title: "audience.private" }],
  };
  return [
    {
      key: "known", title: "admin.importKnown", help: "admin.importKnownHelp",
      fields: [{ name: "known", label: "column.image", as: "select", isRequired: true, options: known }, STORAGE, ACCESS],
      request: (values) =>
        ask("admin.system_image.import_known", {
          cluster, known: textOf(values, "known"), storage_id: numberOf(values, "storage_id") ?? 0, access: textOf(values, "access") as ImageAccess,
        }),
    },
    {
      key: "url", title: "admin.importUrl",
      fields: [
        { name: "kind", label: "column.kind", as: "select", isRequired: true, initial: "system", options: KINDS }, NAME,
        { name: "url", label: "newImage.address", help: "newImage.addressHelp", isRequired: true }, { name: "sha256", label: "images.sum" },
        STORAGE, ACCESS, DESCRIPTION,
      ],
      request: (values) =>
        ask("admin.system_image.import_url", {
          cluster, name: textOf(values, "name"), description: textOf(values, "description"), url: textOf(values, "url"), kind: textOf(values, "kind") as ImageKind,
          storage_id: numberOf(values, "storage_id") ?? 0, access: textOf(values, "access") as ImageAccess, ...given(values, "sha256"),
        }),
    },
  ];
}

export default function Images({ params }: PageProps): ReactNode {
  const cluster = params["cluster"] ?? "";
  const making = useMemo(() => makings(cluster), [cluster]);
  return <ListPage spec={SPEC} making={making} source={clusterImagesOf(cluster)} />;
}
