import { Form } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { useMemo, useState, type ReactNode } from "react";
import { call } from "../../api/rpc.ts";
import type { NodeVerdict } from "../../api/wawel.ts";
import { sizeOptions } from "../../api/options.ts";
import { initialOf, numberOf, type Field, type Option } from "../../model/form.ts";
import { FieldRow } from "../../ui/Ask.tsx";
import { columns } from "../../ui/columns.tsx";
import { Heading } from "../../ui/Heading.tsx";
import { List, type ListSpec } from "../../ui/List.tsx";
import { useAnswer } from "../../ui/live.ts";
import type { PageProps } from "../../ui/Opened.tsx";
import { Section } from "../../ui/parts.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { useAddress } from "../../ui/router.ts";
import { useTexts } from "../../ui/settings.ts";

const c = columns<NodeVerdict>();
const SPEC: ListSpec<NodeVerdict> = {
  title: "placement.verdicts",
  columns: [
    // In the order that they are told in: the best first.
    c.of("order", "placement.score", (row) => -(row.score ?? -Infinity), { show: (row, { number }) => (row.score === null ? "" : number(row.score)) }),
    c.text("node", "column.node"), c.yes("fits", "placement.fits", { isMinor: false }), c.text("reason", "column.reason"),
    c.text("change", "placement.change", { isMinor: true, isWide: true }),
  ],
  id: (row) => String(row.node_id),
  name: (row) => row.node,
  none: ["nodes.none", "nodes.noneHelp"],
};

type Asked = { vm_id: number } | { template_id: number; image_id?: number };

function Verdicts({ cluster, asked }: { cluster: string; asked: Asked }): ReactNode {
  const { t, time } = useTexts();
  const { value, error, reload } = useAnswer("admin.placement.explain", { cluster, ...asked }, ["node", "vm"], true);
  const data = useMemo(() => ({ rows: value?.verdicts ?? [], came: value !== undefined, missing: [], reload }), [value, reload]);
  const chosen = value?.verdicts.find((each) => each.node_id === value.node_id);
  return (
    <>
      {error && <Problem error={error} retry={reload} />}
      {value && (
        <p role="status">
          {chosen ? t(value.trial ? "placement.would" : "placement.was", { node: chosen.node, time: value.at ? time(value.at) : "" }) : t("placement.nowhere")}
        </p>
      )}
      {value && Object.entries(value.others).map(([reason, n]) => <p key={reason}>{t("placement.others", { n, reason })}</p>)}
      {!error && <Section title="placement.verdicts"><List spec={SPEC} data={data} isPart /></Section>}
    </>
  );
}

const imageOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("admin.system_image.get_list", { cluster });
  return Array.isArray(rows) ? rows.filter((row) => row.kind === "system").map((row) => ({ value: String(row.image_id), text: row.name })) : [];
};

function Trial({ cluster }: { cluster: string }): ReactNode {
  const { t } = useTexts();
  const fields = useMemo<readonly Field[]>(() => [
    { name: "template_id", label: "column.size", as: "select", isRequired: true, options: sizeOptions(cluster) },
    { name: "image_id", label: "column.image", as: "select", options: imageOptions(cluster), help: "placement.imageHelp" },
  ], [cluster]);
  const [values, setValues] = useState(() => initialOf(fields));
  const template_id = numberOf(values, "template_id");
  const image_id = numberOf(values, "image_id");
  return (
    <>
      <p>{t("placement.help")}</p>
      <Form className="w-form" onSubmit={(event) => event.preventDefault()}>
        {fields.map((field) => (
          <FieldRow key={field.name} form="placement" field={field} value={values[field.name] ?? ""}
            set={(value) => setValues((was) => ({ ...was, [field.name]: value }))} />
        ))}
      </Form>
      {template_id !== undefined && <Verdicts cluster={cluster} asked={{ template_id, ...(image_id !== undefined && { image_id }) }} />}
    </>
  );
}

/** Why a machine is where it is; without one, where a machine of some size would go now. */
export default function Placement({ params }: PageProps): ReactNode {
  const { t } = useTexts();
  const { search } = useAddress();
  const cluster = params["cluster"] ?? "";
  const vm_id = Number(new URLSearchParams(search).get("vm") ?? 0);
  return (
    <>
      <Heading text={t("menu.placement")} />
      {Number.isInteger(vm_id) && vm_id > 0 ? <Verdicts cluster={cluster} asked={{ vm_id }} /> : <Trial cluster={cluster} />}
    </>
  );
}
