import { Form } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { useMemo, useState, type ReactNode } from "react";
import { leaseOptions, ownerOptions } from "../../api/leases.ts";
import { ofCluster, type ItemOf, type Placed } from "../../api/list.ts";
import { endColumns, idOf } from "../../kinds/leases.ts";
import { secondsOf } from "../../model/expiry.ts";
import { initialOf, lacking, numberOf, type Field, type Values } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import { FieldRow } from "../../ui/Ask.tsx";
import { columns } from "../../ui/columns.tsx";
import { Heading } from "../../ui/Heading.tsx";
import { Link } from "../../ui/Link.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListSection } from "../../ui/lists.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { useAddress } from "../../ui/router.ts";
import { useTexts } from "../../ui/settings.ts";

type Row = ItemOf<"admin.expiry.simulate"> & Placed;
const c = columns<Row>();
const SPEC: ListSpec<Row> = {
  title: "expiry.would",
  columns: [c.text("vm", "column.machine"), c.text("user_id", "column.ownerId", { isMinor: true }), c.status("state", "column.state", "state"), ...endColumns<Row>()],
  id: idOf,
  name: (row) => row.vm,
  none: ["expiry.wouldNone", "expiry.wouldNoneHelp"],
};

const noLease = (values: Values): boolean => numberOf(values, "expiry_id") === undefined;
const DAYS = { as: "number", min: 1, max: 3650, help: "expiry.daysHelp", isShown: noLease } as const;

/** What a lease, or intervals that were typed, would do to machines that got it now; nothing is changed. */
export default function ExpiryTrial({ params }: PageProps): ReactNode {
  const { t } = useTexts();
  const cluster = params["cluster"] ?? "";
  const asked = new URLSearchParams(useAddress().search).get("lease") ?? "";
  const fields = useMemo<readonly Field[]>(() => [
    { name: "expiry_id", label: "expiry.lease", as: "select", initial: asked, options: leaseOptions(cluster) },
    { name: "suspend_s", label: "expiry.suspendDays", ...DAYS }, { name: "delete_s", label: "expiry.deleteDays", ...DAYS },
    { name: "user_id", label: "column.owner", help: "expiry.ownerHelp", as: "select", options: ownerOptions(cluster) },
  ], [cluster, asked]);
  const [values, setValues] = useState(() => initialOf(fields));
  const shown = fields.filter((field) => field.isShown?.(values) ?? true);
  const wrong = lacking(shown, values);
  const user_id = numberOf(values, "user_id");
  const lease = noLease(values)
    ? { suspend_s: secondsOf(numberOf(values, "suspend_s")), delete_s: secondsOf(numberOf(values, "delete_s")) } : { expiry_id: numberOf(values, "expiry_id") };
  const isAsked = Object.keys(wrong).length === 0 && Object.values(lease).some((each) => each !== null && each !== undefined);
  return (
    <>
      <Heading text={t("expiry.trial")}><Link to={addressTo("clusterExpiry", { cluster })}>{t("menu.expiry")}</Link></Heading>
      <p>{t("expiry.trialHelp")}</p>
      <Form className="w-form" onSubmit={(event) => event.preventDefault()}>
        {shown.map((field) => (
          <FieldRow key={field.name} form="trial" field={field} value={values[field.name] ?? ""} wrong={wrong[field.name]}
            set={(value) => setValues((was) => ({ ...was, [field.name]: value }))} />
        ))}
      </Form>
      {isAsked && (
        <ListSection spec={SPEC} source={ofCluster("admin.expiry.simulate", cluster, { page: ["after", "vm_id"] }, { ...lease, ...(user_id !== undefined && { user_id }) })} />
      )}
    </>
  );
}
