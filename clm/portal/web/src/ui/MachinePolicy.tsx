import { useMemo, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { ask } from "../api/request.ts";
import type { CrashPolicy, HangPolicy, HostFailurePolicy, PowerOffPolicy, VMDetail } from "../api/wawel.ts";
import { POLICY_FIELDS } from "../kinds/machinePolicy.ts";
import { textOf } from "../model/form.ts";
import { may } from "../model/machines.ts";
import "../texts/templated.ts";
import { Facts } from "./Facts.tsx";
import { Make, Section, type Making } from "./parts.tsx";
import { useTexts } from "./settings.ts";

const making = ({ vm_id, cluster }: Machine, detail: VMDetail): Making => ({
  key: "machine-policy", title: "policyOf.change", help: "policyOf.changeHelp",
  fields: POLICY_FIELDS.map((field) => ({ ...field, isRequired: true, initial: detail[field.name] })),
  request: (values) =>
    ask("user.vm.set_policy", {
      vm_id, cluster, on_poweroff: textOf(values, "on_poweroff") as PowerOffPolicy, on_crash: textOf(values, "on_crash") as CrashPolicy,
      on_hang: textOf(values, "on_hang") as HangPolicy, on_host_failure: textOf(values, "on_host_failure") as HostFailurePolicy,
    }),
});

/** What becomes of it when it ends without its people's doing; for those who may destroy it to change. */
export function MachinePolicy({ machine, detail, reload }: { machine: Machine; detail: VMDetail; reload: () => void }): ReactNode {
  const { t } = useTexts();
  const change = useMemo(() => making(machine, detail), [machine, detail]);
  const isOpen = may("edit", machine);
  return (
    <Section title="policyOf.title" beside={isOpen && <Make making={change} done={reload} />}>
      <Facts facts={[
        ...POLICY_FIELDS.map((field): [typeof field.label, string] => [field.label, detail[field.name]]),
        ["policyOf.guarded", detail.guarded ? t("policyOf.isGuarded") : ""],
      ]} />
    </Section>
  );
}
