import type { ReactNode } from "react";
import { everywhere, type ItemOf, type Placed } from "../../api/list.ts";
import { sizeOptions } from "../../api/options.ts";
import { ask } from "../../api/request.ts";
import { call } from "../../api/rpc.ts";
import { usageColumns } from "../../kinds/pools.ts";
import { templateOptions } from "../../kinds/templates.ts";
import { NAME } from "../../model/fields.ts";
import { numberOf, textOf, type Field, type Option, type Values } from "../../model/form.ts";
import { COUNT_MAX } from "../../model/wizard.ts";
import "../../texts/templated.ts";
import { word } from "../../texts/translate.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { useTexts } from "../../ui/settings.ts";

type Row = ItemOf<"user.resource_pool.get_list"> & Placed;
const c = columns<Row>();

const profileOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.vm_profile.get_list", { cluster });
  return Array.isArray(rows) ? rows.map((row) => ({ value: String(row.vm_profile_id), text: `${row.name}: ${row.vm_template_name}, ${row.template_name}` })) : [];
};
const keyOptions = async (): Promise<Option[]> => (await call("user.key.get_list")).map((row) => ({ value: row.public_key, text: row.name }));
const alone = (values: Values): boolean => textOf(values, "vm_profile_id") === "";
const keyed = (values: Values): boolean => textOf(values, "ssh_key") !== "";

const fields = ({ cluster }: Row): readonly Field[] => [
  NAME,
  { name: "vm_profile_id", label: "profiles.profile", help: "profiles.or", as: "select", options: profileOptions(cluster) },
  { name: "vm_template_id", label: "column.template", as: "select", isRequired: true, options: templateOptions(cluster), isShown: alone },
  { name: "template_id", label: "column.size", as: "select", isRequired: true, options: sizeOptions(cluster), isShown: alone },
  { name: "count", label: "create.count", as: "number", isRequired: true, min: 1, max: COUNT_MAX, initial: "1" },
  { name: "ssh_key", label: "create.myKeys", as: "select", options: keyOptions },
  { name: "ssh_username", label: "images.defaultUser", isRequired: true, initial: "root", isShown: keyed },
];

const SPEC: ListSpec<Row> = {
  title: "menu.resourcePools",
  columns: [
    c.text("name", "column.name"), ...usageColumns<Row>(),
    c.of("privileges", "rpools.privileges", (row) => row.privileges.join(" "), {
      show: (row, { t }) => row.privileges.map((each) => word(t, "privilege", each)).join(", "), isMinor: true,
    }),
    c.text("cluster", "column.cluster", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [{
    key: "make", title: "rpools.make", fields, may: (row) => row.privileges.includes("cloud_create"),
    request: ({ resource_pool_id, cluster }, values) =>
      ask("user.cloud_service.svc_create", {
        resource_pool_id, cluster, name: textOf(values, "name"), count: numberOf(values, "count") ?? 1,
        ...(alone(values) ? { vm_template_id: numberOf(values, "vm_template_id") ?? 0, template_id: numberOf(values, "template_id") ?? 0 }
          : { vm_profile_id: numberOf(values, "vm_profile_id") ?? 0 }),
        ...(keyed(values) && { ssh_key: textOf(values, "ssh_key"), ssh_username: textOf(values, "ssh_username") }),
      }),
  }],
  none: ["rpools.none", "rpools.noneHelp"],
};

/** The resource pools that one may use, how much is left in them, and machines made in one. */
export default function ResourcePools(): ReactNode {
  const { t } = useTexts();
  return <ListPage source={everywhere("user.resource_pool.get_list", { kinds: ["", "vm"] })} spec={SPEC}>{() => <p>{t("rpools.help")}</p>}</ListPage>;
}
