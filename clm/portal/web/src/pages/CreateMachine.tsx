import { Form, FormGroup } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { FormSelect, FormSelectOption } from "@patternfly/react-core/dist/esm/components/FormSelect/index.js";
import { HelperText, HelperTextItem } from "@patternfly/react-core/dist/esm/components/HelperText/index.js";
import { Radio } from "@patternfly/react-core/dist/esm/components/Radio/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { TextArea } from "@patternfly/react-core/dist/esm/components/TextArea/index.js";
import { TextInput } from "@patternfly/react-core/dist/esm/components/TextInput/index.js";
import { Wizard, WizardStep } from "@patternfly/react-core/dist/esm/components/Wizard/index.js";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { machines } from "../api/cloud.ts";
import { offers, paramsOf, quotaOf, type Offers } from "../api/create.ts";
import { isoOptions, networkOptions, securityOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import { KIND_FIELDS, MOST_FIELDS } from "../kinds/machineKind.ts";
import { call, problemOf, type WawelError } from "../api/rpc.ts";
import type { QuotaUse } from "../api/wawel.ts";
import { wrongOf, type Field, type Wrong } from "../model/form.ts";
import { sizeOf } from "../model/machines.ts";
import { begun, COUNT_MAX, filled, forget, keep, kept, type Draft, type Step } from "../model/wizard.ts";
import "../texts/templated.ts";
import { FieldRow } from "../ui/Ask.tsx";
import { Heading } from "../ui/Heading.tsx";
import { useTexts } from "../ui/settings.ts";
import { Problem } from "../ui/Problem.tsx";
import { addressTo } from "../model/routes.ts";
import { go } from "../ui/router.ts";
import { nameByContent, Review } from "../ui/wizard.tsx";
import { ImageStep, type StepProps } from "./CreateFrom.tsx";

function SizeStep({ draft, change, offered }: StepProps): ReactNode {
  const texts = useTexts();
  const { t, memory } = texts;
  const [quota, setQuota] = useState<QuotaUse>();
  const [error, setError] = useState<WawelError>();
  useEffect(() => {
    let here = true;
    quotaOf(draft.cluster).then((found) => here && setQuota(found), (problem: unknown) => here && setError(problemOf(problem)));
    return () => {
      here = false;
    };
  }, [draft.cluster]);
  const tooLarge = (cpu: number, mib: number): boolean =>
    quota !== undefined && (cpu > quota.free_cpu || mib > quota.free_memory_mib);
  return (
    <fieldset>
      <legend>{t("create.size")}</legend>
      {error && <Problem error={error} />}
      {quota && <p>{t("create.quota", {
        cpu: t("count.cpu", { n: quota.free_cpu }), memory: memory(quota.free_memory_mib), vms: t("machines.count", { n: quota.free_vms }),
      })}</p>}
      <div className="w-radios">
        {offered.templates.filter((size) => size.cluster === draft.cluster).map((size) => (
          <Radio key={size.uuid} id={`size-${size.uuid}`} name="size" label={size.name} isChecked={draft.template === size.uuid}
            description={sizeOf(size, texts)
              + (tooLarge(size.cpu, size.memory_mib) ? ` – ${t("create.tooLarge")}` : "")}
            onChange={() => change({ template: size.uuid })} />
        ))}
      </div>
    </fieldset>
  );
}

function OptionsStep({ draft, change, offered }: StepProps): ReactNode {
  const { t } = useTexts();
  return (
    <Form onSubmit={(event) => event.preventDefault()}>
      <FormGroup label={t("create.name")} fieldId="name" isRequired>
        <TextInput id="name" isRequired value={draft.name} maxLength={128} onChange={(_event, name) => change({ name })} />
      </FormGroup>
      <FormGroup label={t("create.count")} fieldId="count" isRequired>
        <TextInput id="count" type="number" min={1} max={COUNT_MAX} isRequired value={draft.count}
          onChange={(_event, count) => change({ count: Number(count) })} />
      </FormGroup>
      <FormGroup label={t("create.description")} fieldId="description">
        <TextArea id="description" value={draft.description} resizeOrientation="vertical"
          onChange={(_event, description) => change({ description })} />
      </FormGroup>
      {offered.keys.length > 0 && (
        <FormGroup label={t("create.myKeys")} fieldId="my-key">
          <FormSelect id="my-key" value={offered.keys.find((key) => key.public_key === draft.sshKey)?.public_key ?? ""}
            onChange={(_event, sshKey) => change({ sshKey })}>
            <FormSelectOption value="" label={t("create.otherKey")} />
            {offered.keys.map((key) => <FormSelectOption key={key.key_id} value={key.public_key} label={key.name} />)}
          </FormSelect>
        </FormGroup>
      )}
      <FormGroup label={t("create.key")} fieldId="key">
        <TextArea id="key" value={draft.sshKey} resizeOrientation="vertical" aria-describedby="key-help"
          onChange={(_event, sshKey) => change({ sshKey })} />
        <HelperText id="key-help"><HelperTextItem>{t("create.keyHelp")}</HelperTextItem></HelperText>
      </FormGroup>
    </Form>
  );
}

type Device = "networks" | "securityGroups" | "iso" | "diskGib" | "userData";

const devices = (cluster: string): readonly (Field & { name: Device })[] => [
  { name: "networks", label: "menu.networks", help: "create.networksHelp", as: "several", options: networkOptions(cluster) },
  { name: "securityGroups", label: "menu.security", as: "several", options: securityOptions(cluster) },
  { name: "diskGib", label: "create.disk", help: "create.diskHelp", as: "number", min: 1 },
  { name: "iso", label: "kind.iso", as: "select", options: isoOptions(cluster) },
  { name: "userData", label: "create.userData", help: "create.userDataHelp", as: "area" },
];

function DevicesStep({ draft, change }: StepProps): ReactNode {
  const fields = useMemo(() => devices(draft.cluster), [draft.cluster]);
  return (
    <Form onSubmit={(event) => event.preventDefault()}>
      {fields.map((field) => (
        <FieldRow key={field.name} form="devices" field={field} value={draft[field.name]} set={(value) => change({ [field.name]: value })} />
      ))}
    </Form>
  );
}

const MACHINE_FIELDS = [...KIND_FIELDS, ...MOST_FIELDS];

/** What machine the guest finds, and how large it may become while it runs. */
function MachineStep({ draft, change, wrong }: StepProps & { wrong: Wrong }): ReactNode {
  const { t } = useTexts();
  return (
    <Form onSubmit={(event) => event.preventDefault()}>
      <p>{t("machineOf.openHelp")}</p>
      {MACHINE_FIELDS.map((field) => (
        <FieldRow key={field.name} form="machine" field={field} value={draft[field.name]} wrong={wrong[field.name]} set={(value) => change({ [field.name]: value })} />
      ))}
    </Form>
  );
}

export default function CreateMachine(): ReactNode {
  const { t } = useTexts();
  const [draft, setDraft] = useState(() => kept(sessionStorage, crypto.randomUUID()));
  const [offered, setOffered] = useState<Offers>();
  const [error, setError] = useState<WawelError>();
  const [sendError, setSendError] = useState<WawelError>();
  const [wrong, setWrong] = useState<Wrong>({});
  const [busy, setBusy] = useState(false);
  const refused = (problem: WawelError): void => setWrong(wrongOf(problem, MACHINE_FIELDS));
  useEffect(() => {
    offers().then((found) => {
      setOffered(found);
      const query = new URLSearchParams(location.search);
      if (query.size === 0) return;
      setDraft((was) => {
        const next = { ...was, ...begun(query, found, was) };
        keep(sessionStorage, next);
        return next;
      });
      go(addressTo("create"), true); // once: what is chosen then stays after a reload
    }, (problem: unknown) => setError(problemOf(problem)));
  }, []);
  const change = (next: Partial<Draft>): void => {
    // Asked for anew with other wishes, it is another request.
    const changed = { ...draft, ...next, requestId: sendError ? crypto.randomUUID() : draft.requestId };
    setSendError(undefined);
    setWrong({});
    setDraft(changed);
    keep(sessionStorage, changed);
  };
  const send = (): void => {
    if (!offered) return;
    setBusy(true);
    setSendError(undefined);
    call("user.vm.create", { ...paramsOf(draft, offered), request_id: draft.requestId }).then(
      (made) => {
        forget(sessionStorage);
        for (const { vnc_password: _secret, ...machine } of made) machines.put({ ...machine, cluster: draft.cluster });
        go(made.length === 1 && made[0] ? addressTo("machine", { uuid: made[0].uuid }) : addressTo("machines"));
      },
      (problem: unknown) => {
        setSendError(problemOf(problem));
        refused(problemOf(problem));
        setBusy(false);
      },
    );
  };
  const leave = (): void => {
    forget(sessionStorage);
    go(addressTo("machines"));
  };
  const footer = useMemo(
    () => (step: Step) => ({
      nextButtonText: t(step === "review" ? "create.send" : "create.next"),
      backButtonText: t("create.back"),
      cancelButtonText: t("action.cancel"),
      isNextDisabled: busy || !filled(step, draft),
    }),
    [t, busy, draft],
  );
  if (error) return <><Heading text={t("create.title")} /><Problem error={error} /></>;
  if (!offered) return <><Heading text={t("create.title")} /><Spinner aria-label={t("app.loading")} /></>;
  const shared = { draft, change, offered };
  return (
    <>
      <Heading text={t("create.title")} />
      <div ref={nameByContent}>
      <Wizard className="w-wizard" navAriaLabel={t("create.title")} onClose={leave} onSave={send}>
        <WizardStep id="image" name={t("create.image")} footer={footer("image")}><ImageStep {...shared} /></WizardStep>
        <WizardStep id="size" name={t("create.size")} isDisabled={!filled("image", draft)} footer={footer("size")}>
          <SizeStep {...shared} />
        </WizardStep>
        <WizardStep id="options" name={t("create.options")} isDisabled={!filled("size", draft)} footer={footer("options")}>
          <OptionsStep {...shared} />
        </WizardStep>
        <WizardStep id="devices" name={t("create.devices")} isDisabled={!filled("options", draft)} footer={footer("devices")}>
          <DevicesStep {...shared} />
        </WizardStep>
        <WizardStep id="machine" name={t("machineOf.title")} isDisabled={!filled("devices", draft)} footer={footer("machine")}>
          <MachineStep {...shared} wrong={wrong} />
        </WizardStep>
        <WizardStep id="review" name={t("create.review")} isDisabled={!filled("review", draft)} footer={footer("review")}>
          <Review request={ask("user.vm.create", paramsOf(draft, offered))} sendError={sendError} refused={refused} />
        </WizardStep>
      </Wizard>
      </div>
    </>
  );
}
