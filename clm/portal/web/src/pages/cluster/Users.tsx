import type { ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { numberOf, type Field } from "../../model/form.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import type { Texts } from "../../ui/settings.ts";
import type { Key } from "../../texts/translate.ts";

type Account = ItemOf<"admin.user.get_list"> & Placed;
const c = columns<Account>();
const QUOTAS = ["quota_vms", "quota_cpu", "quota_memory_mib", "quota_storage_mib", "quota_public_addresses", "quota_public_ports", "quota_points"] as const;
const TITLES: Record<(typeof QUOTAS)[number], Key> = {
  quota_vms: "quota.vms", quota_cpu: "quota.cpu", quota_memory_mib: "quota.memoryMib", quota_storage_mib: "quota.storageMib",
  quota_public_addresses: "quota.addresses", quota_public_ports: "quota.ports", quota_points: "points.limit",
};
const field = (row: Account, name: (typeof QUOTAS)[number]): Field =>
  ({ name, label: TITLES[name], as: "number", isRequired: true, min: 0, initial: String(row[name]), ...(name === "quota_points" && { help: "points.limitHelp" }) });

function share(title: Key, used: keyof Account, most: keyof Account, shown: (texts: Texts) => (value: number) => string): ReturnType<typeof c.of> {
  return c.of(used, title, (row) => Number(row[used]), {
    show: (row, texts) => texts.t("quota.usedOf", { used: shown(texts)(Number(row[used])), of: shown(texts)(Number(row[most])) }), isMinor: true,
  });
}

const SPEC: ListSpec<Account> = {
  title: "menu.clusterUsers",
  columns: [
    c.text("login", "column.login"), c.text("name", "column.name"), c.yes("active", "admin.active", { isMinor: false }),
    share("quota.vms", "used_vms", "quota_vms", ({ number }) => number), share("quota.cpu", "used_cpu", "quota_cpu", ({ number }) => number),
    share("quota.memory", "used_memory_mib", "quota_memory_mib", ({ memory }) => memory),
    share("quota.storage", "used_storage_mib", "quota_storage_mib", ({ memory }) => memory),
  ],
  id: (row) => row.uuid,
  name: (row) => row.login,
  actions: [
    {
      key: "quota", title: "admin.setQuota", fields: (row) => QUOTAS.map((name) => field(row, name)),
      request: ({ user_id, cluster }, values) =>
        ask("admin.user.edit", { user_id, cluster, ...Object.fromEntries(QUOTAS.map((name) => [name, numberOf(values, name) ?? null])) }),
    },
    {
      key: "close", title: "admin.close", may: (row) => row.active, isDanger: true, confirm: { title: "admin.closeAsk", help: "admin.closeHelp" },
      request: ({ user_id, cluster }) => ask("admin.user.edit", { user_id, cluster, active: false }),
    },
    { key: "open", title: "admin.open", may: (row) => !row.active, request: ({ user_id, cluster }) => ask("admin.user.edit", { user_id, cluster, active: true }) },
  ],
  none: ["admin.noUsers", "admin.noUsersHelp"],
};

export default function Users({ params }: PageProps): ReactNode {
  return (
    <ListPage spec={SPEC}
      source={ofCluster("admin.user.get_list", params["cluster"] ?? "", { page: ["after", "user_id"], kinds: ["", "user", "vm"], all: true })} />
  );
}
