import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import type { Privilege } from "../../api/wawel.ts";
import { poolActions, type Pool } from "../../kinds/clusterPools.ts";
import { amountOf, RESOURCE_NAMES, usageOf } from "../../kinds/pools.ts";
import { words } from "../../model/fields.ts";
import { numberOf, textOf } from "../../model/form.ts";
import { RESOURCES } from "../../model/pools.ts";
import { addressTo } from "../../model/routes.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { columns } from "../../ui/columns.tsx";
import { Facts } from "../../ui/Facts.tsx";
import { Link } from "../../ui/Link.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListSection } from "../../ui/lists.tsx";
import { Section, type Making } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";

type Grant = ItemOf<"admin.resource_pool.get_grants"> & Placed;
interface At {
  resource_pool_id: number;
  cluster: string;
}
const whom = ({ subject }: Grant): string => subject.login ?? String(subject.group_id ?? subject.account_number ?? subject.user_id ?? "");

function specOf(at: At): ListSpec<Grant> {
  const c = columns<Grant>();
  return {
    title: "rpools.grants",
    columns: [
      c.of("subject", "access.subject", whom, { show: (row, { t }) => (row.subject.group_id === undefined ? whom(row) : t("access.group", { name: whom(row) })) }),
      c.word("privilege", "rpools.privilege", "privilege"),
    ],
    id: (row) => `${JSON.stringify(row.subject)} ${row.privilege}`,
    name: whom,
    actions: [{
      key: "revoke", title: "access.revoke", confirm: { title: "rpools.revokeAsk", help: "rpools.revokeHelp" },
      request: ({ subject, privilege }) =>
        ask("admin.resource_pool.revoke", {
          ...at, privilege, ...(subject.group_id === undefined ? { login: subject.login ?? null } : { group_id: subject.group_id }),
          ...(subject.issuer !== undefined && { issuer: subject.issuer }),
        }),
    }],
    none: ["rpools.noGrants", "rpools.noGrantsHelp"],
  };
}

const granting = (at: At): Making => ({
  key: "grant", title: "rpools.grant",
  fields: [
    { name: "privilege", label: "rpools.privilege", as: "select", isRequired: true, initial: "cloud_create", options: words("privilege", ["cloud_create", "cloud_view"]) },
    { name: "login", label: "column.login", help: "rpools.loginHelp" },
    { name: "group_id", label: "rpools.groupId", as: "number", min: 1 },
    { name: "issuer", label: "rpools.issuer", help: "rpools.issuerHelp" },
  ],
  request: (values) =>
    ask("admin.resource_pool.grant", {
      ...at, privilege: textOf(values, "privilege") as Privilege, login: textOf(values, "login") || null, group_id: numberOf(values, "group_id") ?? null,
      issuer: textOf(values, "issuer") || null,
    }),
});

function Known({ row, rows, reload }: { row: Pool; rows: readonly Pool[]; reload: () => void }): ReactNode {
  const texts = useTexts();
  const { t, time } = texts;
  const { resource_pool_id, cluster } = row;
  const spec = useMemo(() => specOf({ resource_pool_id, cluster }), [resource_pool_id, cluster]);
  const parent = rows.find((each) => each.resource_pool_id === row.parent_pool_id);
  return (
    <>
      <Actions rows={[row]} name={(each) => each.name} actions={poolActions} done={reload} />
      <Section title="rpools.used">
        <Facts facts={RESOURCES.map((resource) => [
          RESOURCE_NAMES[resource],
          `${usageOf(row, resource, texts)}; ${t("rpools.placed", { used: amountOf(resource, row.current[resource], texts) })}`
          + (row.limits[resource] === null && row.effective[resource] !== null ? ` ${t("rpools.ofParent")}` : ""),
        ] as const)} />
      </Section>
      <Section title="machine.overview">
        <Facts facts={[
          ["column.description", row.description],
          ["rpools.parent", parent && <Link to={addressTo("clusterPool", { cluster, uuid: parent.uuid })}>{parent.name}</Link>],
          ["rpools.hardware", row.hardware_pool],
          ["column.created", time(row.created)],
          ["column.uuid", row.uuid],
        ]} />
      </Section>
      <ListSection spec={spec} making={[granting({ resource_pool_id, cluster })]} source={ofCluster("admin.resource_pool.get_grants", cluster, {}, { resource_pool_id })} />
    </>
  );
}

export default function ResourcePool({ params }: PageProps): ReactNode {
  return (
    <AtOne source={ofCluster("admin.resource_pool.get_list", params["cluster"] ?? "", { kinds: ["", "vm"], all: true })} uuid={params["uuid"] ?? ""}>
      {(row, reload, rows) => <Known row={row} rows={rows} reload={reload} />}
    </AtOne>
  );
}
