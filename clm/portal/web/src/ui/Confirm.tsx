import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core/dist/esm/components/Modal/index.js";
import { TextInput } from "@patternfly/react-core/dist/esm/components/TextInput/index.js";
import { useEffect, useState, type ReactNode } from "react";
import { problemOf, type PlanStep, type WawelError } from "../api/rpc.ts";
import { initialOf, type Field, type Values } from "../model/form.ts";
import { FieldRow } from "./Ask.tsx";
import { Plan } from "./Plan.tsx";
import { useTexts } from "./settings.ts";
import { Problem } from "./Problem.tsx";

/** Of more machines than so many the number is typed. */
const TYPED_ABOVE = 10;
const NONE: readonly Field[] = [];

interface Props {
  title: string;
  help: string;
  button: string;
  count: number;
  plan: () => Promise<PlanStep[]>;
  /** It closes by itself once this is done; what is refused is said in it. */
  act: (values: Values) => Promise<void>;
  /** What may be said with it. */
  beside?: readonly Field[];
  close: () => void;
}

/** Asks before something that cannot be undone, with the plan of a dry run. */
export function Confirm(props: Props): ReactNode {
  const { t } = useTexts();
  const [steps, setSteps] = useState<readonly PlanStep[]>();
  const [error, setError] = useState<WawelError>();
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState("");
  const { plan, beside = NONE } = props;
  const [values, setValues] = useState<Values>(() => initialOf(beside));
  useEffect(() => {
    let here = true;
    plan().then((found) => here && setSteps(found), (problem: unknown) => here && setError(problemOf(problem)));
    return () => {
      here = false;
    };
  }, [plan]);
  const act = (): void => {
    setBusy(true);
    setError(undefined);
    props.act(values).then(props.close, (problem: unknown) => {
      setError(problemOf(problem));
      setBusy(false);
    });
  };
  const asked = props.count > TYPED_ABOVE;
  return (
    <Modal isOpen variant="medium" onClose={props.close} aria-labelledby="confirm-title" aria-describedby="confirm-body">
      <ModalHeader title={props.title} labelId="confirm-title" />
      <ModalBody id="confirm-body">
        <p>{props.help}</p>
        {error && <Problem error={error} />}
        {!error && <h2 className="w-plan">{steps ? t("confirm.plan") : t("confirm.planning")}</h2>}
        {steps && <Plan steps={steps} />}
        {beside.map((field) => (
          <FieldRow key={field.name} form="confirm" field={field} value={values[field.name] ?? ""}
            set={(value) => setValues((was) => ({ ...was, [field.name]: value }))} />
        ))}
        {asked && (
          <label className="w-typed">
            {t("confirm.type", { n: props.count })}
            <TextInput id="confirm-typed" value={typed} onChange={(_event, value) => setTyped(value)} />
          </label>
        )}
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" isDisabled={busy || (asked && typed.trim() !== String(props.count))} isLoading={busy} onClick={act}>
          {props.button}
        </Button>
        <Button variant="link" onClick={props.close}>{t("action.cancel")}</Button>
      </ModalFooter>
    </Modal>
  );
}
