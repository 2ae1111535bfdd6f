import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { useMemo, type ReactNode } from "react";
import type { Leak } from "../../api/wawel.ts";
import { columns } from "../../ui/columns.tsx";
import { Facts } from "../../ui/Facts.tsx";
import { Heading } from "../../ui/Heading.tsx";
import { List, type ListSpec } from "../../ui/List.tsx";
import { useAnswer } from "../../ui/live.ts";
import type { PageProps } from "../../ui/Opened.tsx";
import { Section } from "../../ui/parts.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { useTexts } from "../../ui/settings.ts";

const c = columns<Leak>();
const SPEC: ListSpec<Leak> = {
  title: "check.leaks",
  columns: [c.text("subject", "drift.subject"), c.text("finding", "check.finding", { isWide: true })],
  id: (row) => `${row.subject} ${row.finding}`,
  name: (row) => row.subject,
  none: ["check.balances", "check.balancesHelp"],
};

/** Whether the cluster's books balance, and what is open in it. */
export default function Check({ params }: PageProps): ReactNode {
  const { t, number } = useTexts();
  const { value, error, reload } = useAnswer("admin.cluster.check", { cluster: params["cluster"] ?? "" });
  const data = useMemo(() => ({ rows: value?.leaks ?? [], came: value !== undefined, missing: [] }), [value]);
  return (
    <>
      <Heading text={t("menu.check")}><Button variant="secondary" onClick={reload}>{t("check.again")}</Button></Heading>
      {error && <Problem error={error} retry={reload} />}
      {!value && !error && <Spinner aria-label={t("app.loading")} />}
      {value && (
        <>
          <div role="status">
            <Alert component="p" variant={value.ok ? "success" : "danger"} isInline title={t(value.ok ? "check.ok" : "check.leaky")} />
          </div>
          <Section title="check.open">
            <Facts facts={[
              ["machines.title", number(value.vms)], ["menu.drift", number(value.open_drift)], ["check.operations", number(value.open_operations)],
              ["check.overdue", number(value.overdue_operations)], ["check.nodesOk", number(value.nodes_ok)], ["check.nodesAway", number(value.nodes_away)],
              ["check.nodesDegraded", number(value.nodes_degraded)], ["check.nodesAside", number(value.nodes_set_aside)],
            ]} />
          </Section>
          <Section title="check.leaks"><List spec={SPEC} data={data} isPart /></Section>
        </>
      )}
    </>
  );
}
