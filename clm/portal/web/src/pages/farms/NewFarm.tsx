import { Form } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { Wizard, WizardStep } from "@patternfly/react-core/dist/esm/components/Wizard/index.js";
import { useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { CLUSTER } from "../../api/options.ts";
import { ask } from "../../api/request.ts";
import { call, problemOf, type WawelError } from "../../api/rpc.ts";
import { session } from "../../api/session.ts";
import { fieldsOf } from "../../kinds/farmWizard.ts";
import { fitting, isTooMuch, moved, paramsOf, STEPS, sumOf, type Draft, type Step } from "../../model/farms.ts";
import { lacking, textOf, wrongOf, type Field, type Values, type Wrong } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import "../../texts/farmed.ts";
import { FieldRow } from "../../ui/Ask.tsx";
import { Heading } from "../../ui/Heading.tsx";
import { useAnswer } from "../../ui/live.ts";
import { go } from "../../ui/router.ts";
import { useTexts } from "../../ui/settings.ts";
import { nameByContent, Review } from "../../ui/wizard.tsx";

const KEPT = "wawel.new-farm";
const IN: Field = { ...CLUSTER, isRequired: true };

function kept(cluster: string): Draft {
  const requestId = crypto.randomUUID();
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}") as Partial<Draft>;
    return { values: fitting(found.values, cluster), requestId: typeof found.requestId === "string" ? found.requestId : requestId };
  } catch {
    return { values: fitting({}, cluster), requestId };
  }
}

/** What the farm takes, beside what the quota leaves. */
function Sum({ values }: { values: Values }): ReactNode {
  const { t, memory } = useTexts();
  const cluster = textOf(values, "cluster");
  const { value: sizes } = useAnswer("user.template.get_list", cluster ? { cluster } : undefined);
  const { value: quota } = useAnswer("user.user.check_quota", cluster ? { cluster } : undefined, ["vm"]);
  const sum = sumOf(values, Array.isArray(sizes) ? sizes : []);
  const said = (of: { cpu: number; memory_mib: number; vms: number }): Record<string, string> =>
    ({ cpu: t("count.cpu", { n: of.cpu }), memory: memory(of.memory_mib), vms: t("machines.count", { n: of.vms }) });
  return (
    <>
      {quota && <p>{t("create.quota", said({ cpu: quota.free_cpu, memory_mib: quota.free_memory_mib, vms: quota.free_vms }))}</p>}
      {sum && <p role="status">{t("farms.takes", said(sum))}{quota && isTooMuch(sum, quota) ? ` – ${t("create.tooLarge")}` : ""}</p>}
    </>
  );
}

export default function NewFarm(): ReactNode {
  const { t } = useTexts();
  const who = useSyncExternalStore(session.subscribe, session.get);
  const [draft, setDraft] = useState(() => kept(who?.default_cluster ?? ""));
  const [wrong, setWrong] = useState<Wrong>({});
  const [error, setError] = useState<WawelError>();
  const [busy, setBusy] = useState(false);
  const { values } = draft;
  const cluster = textOf(values, "cluster");
  const fields = useMemo(() => fieldsOf(cluster), [cluster]);
  const refused = (problem: WawelError): void => setWrong(wrongOf(problem, STEPS.flatMap((step) => fields[step])));
  const change = (next: Values): void => {
    // Asked for anew with other wishes, it is another request.
    const changed = { values: next, requestId: error ? crypto.randomUUID() : draft.requestId };
    setError(undefined);
    setWrong({});
    setDraft(changed);
    sessionStorage.setItem(KEPT, JSON.stringify(changed));
  };
  const filled = (step: Step): boolean => (step !== "image" || cluster !== "") && Object.keys(lacking(fields[step].filter((each) => each.isShown?.(values) ?? true), values)).length === 0;
  const before = (step: Step | "review"): boolean => (step === "review" ? STEPS : STEPS.slice(0, STEPS.indexOf(step))).every(filled);
  const leave = (to: string): void => {
    sessionStorage.removeItem(KEPT);
    go(to);
  };
  const send = (): void => {
    setBusy(true);
    setError(undefined);
    call("user.farm.create", { ...paramsOf(values), request_id: draft.requestId }).then(
      (made) => leave(addressTo("farm", { uuid: made.uuid })),
      (problem: unknown) => {
        setError(problemOf(problem));
        refused(problemOf(problem));
        setBusy(false);
      },
    );
  };
  const footer = (step: Step | "review"): { nextButtonText: string; backButtonText: string; cancelButtonText: string; isNextDisabled: boolean } => ({
    nextButtonText: t(step === "review" ? "create.send" : "create.next"), backButtonText: t("create.back"), cancelButtonText: t("action.cancel"),
    isNextDisabled: busy || !before(step) || (step !== "review" && !filled(step)),
  });
  return (
    <>
      <Heading text={t("farms.create")} />
      <div ref={nameByContent}>
        <Wizard className="w-wizard" navAriaLabel={t("farms.create")} onClose={() => leave(addressTo("farms"))} onSave={send}>
          {[...STEPS.map((step) => (
            <WizardStep key={step} id={step} name={t(`farms.step.${step}`)} isDisabled={!before(step)} footer={footer(step)}>
              <Form onSubmit={(event) => event.preventDefault()}>
                {step === "image" && <FieldRow form="farm" field={IN} value={cluster} set={(value) => change(moved(values, String(value)))} />}
                {fields[step].filter((field) => field.isShown?.(values) ?? true).map((field) => (
                  <FieldRow key={field.name} form="farm" field={field} value={values[field.name] ?? ""} wrong={wrong[field.name]}
                    set={(value) => change({ ...values, [field.name]: value })} />
                ))}
              </Form>
              {step === "sizes" && <Sum values={values} />}
            </WizardStep>
          )), (
            <WizardStep key="review" id="review" name={t("create.review")} isDisabled={!before("review")} footer={footer("review")}>
              <Review request={ask("user.farm.create", paramsOf(values))} sendError={error} refused={refused} />
            </WizardStep>
          )]}
        </Wizard>
      </div>
    </>
  );
}
