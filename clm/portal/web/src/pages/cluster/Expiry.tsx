import { useMemo, type ReactNode } from "react";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { daysOf, secondsOf } from "../../model/expiry.ts";
import { DESCRIPTION, NAME } from "../../model/fields.ts";
import { isSet, numberOf, textOf, type Field, type Values } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { ButtonTo, type Making } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";

type Lease = ItemOf<"admin.expiry.get_list"> & Placed;
const c = columns<Lease>();
const of = ({ expiry_id, cluster }: Lease): { expiry_id: number; cluster: string } => ({ expiry_id, cluster });

const fields = (row?: Lease): readonly Field[] => [
  { ...NAME, initial: row?.name ?? "" },
  { name: "suspend_s", label: "expiry.suspendDays", help: "expiry.daysHelp", as: "number", min: 1, max: 3650, initial: row ? daysOf(row.suspend_s) : "" },
  { name: "delete_s", label: "expiry.deleteDays", help: "expiry.daysHelp", as: "number", min: 1, max: 3650, initial: row ? daysOf(row.delete_s) : "" },
  { name: "for_all", label: "expiry.forAll", help: "expiry.forAllHelp", as: "check", initial: row?.for_all ?? false },
  { ...DESCRIPTION, initial: row?.description ?? "" },
];
const told = (values: Values): { name: string; description: string; suspend_s: number | null; delete_s: number | null; for_all: boolean } => ({
  name: textOf(values, "name"), description: textOf(values, "description"), for_all: isSet(values, "for_all"),
  suspend_s: secondsOf(numberOf(values, "suspend_s")), delete_s: secondsOf(numberOf(values, "delete_s")),
});

const SPEC: ListSpec<Lease> = {
  title: "menu.expiry",
  columns: [
    c.text("name", "column.name"), c.of("suspend_s", "expiry.suspendDays", (row) => daysOf(row.suspend_s)),
    c.of("delete_s", "expiry.deleteDays", (row) => daysOf(row.delete_s)),
    c.yes("is_default", "expiry.default"), c.yes("for_all", "expiry.forAll"), c.text("description", "column.description", { isMinor: true }),
  ],
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: [
    { key: "edit", title: "action.edit", fields, request: (row, values) => ask("admin.expiry.edit", { ...of(row), ...told(values), never: true }) },
    { key: "default", title: "expiry.makeDefault", may: (row) => !row.is_default, request: (row) => ask("admin.expiry.set_default", of(row)) },
    { key: "noDefault", title: "expiry.noDefault", may: (row) => row.is_default, request: ({ cluster }) => ask("admin.expiry.set_default", { cluster, expiry_id: null }) },
    { key: "trial", title: "expiry.trialOf", to: (row) => addressTo("expiryTrial", { cluster: row.cluster }, `?lease=${row.expiry_id}`) },
    {
      key: "apply", title: "expiry.apply", confirm: { title: "expiry.applyAsk", help: "expiry.applyHelp" },
      request: (row) => ask("admin.expiry.apply", of(row)),
    },
    {
      key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "expiry.deleteHelp" },
      request: (row) => ask("admin.expiry.delete", of(row)),
    },
  ],
  none: ["expiry.none", "expiry.noneHelp"],
};

export default function Expiry({ params }: PageProps): ReactNode {
  const { t } = useTexts();
  const cluster = params["cluster"] ?? "";
  const making = useMemo<Making[]>(
    () => [{ key: "make-expiry", title: "expiry.create", fields: fields(), request: (values) => ask("admin.expiry.add", { cluster, ...told(values) }) }],
    [cluster],
  );
  const beside = (
    <>
      <ButtonTo to={addressTo("expiryTrial", { cluster })}>{t("expiry.trial")}</ButtonTo>
      <ButtonTo to={addressTo("expiryMachines", { cluster })}>{t("expiry.machines")}</ButtonTo>
    </>
  );
  return <ListPage spec={SPEC} making={making} beside={beside} source={ofCluster("admin.expiry.get_list", cluster, { kinds: ["", "expiry"], all: true })} />;
}
