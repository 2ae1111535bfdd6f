import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core/dist/esm/components/Modal/index.js";
import { TextInput } from "@patternfly/react-core/dist/esm/components/TextInput/index.js";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { problemOf, type PlanStep, type WawelError } from "../api/rpc.ts";
import { initialOf, wrongOf, type Field, type Values } from "../model/form.ts";
import { FieldRow } from "./Ask.tsx";
import { Plan } from "./Plan.tsx";
import { useTexts } from "./settings.ts";
import { Problem } from "./Problem.tsx";

/** Of more machines than so many the number is typed. */
const TYPED_ABOVE = 10;
const NONE: readonly Field[] = [];
const NOTHING: Values = {};
/** What is typed is asked about once it stands still. */
const AGAIN_MS = 300;

interface Props {
  title: string;
  help: string;
  button: string;
  count: number;
  plan: (values: Values) => Promise<PlanStep[]>;
  /** It closes by itself once this is done; what is refused is said in it. */
  act: (values: Values) => Promise<void>;
  /** What may be said with it. */
  beside?: readonly Field[];
  /** Whether what it would do depends on that. */
  depends: boolean;
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
  const said = props.depends ? values : NOTHING;
  const isFirst = useRef(true);
  useEffect(() => {
    let here = true;
    const tell = (found: readonly PlanStep[] | undefined, problem?: unknown): void => {
      if (!here) return;
      setSteps(found);
      setError(problem === undefined ? undefined : problemOf(problem));
    };
    const timer = setTimeout(() => plan(said).then(tell, (problem: unknown) => tell(undefined, problem)), isFirst.current ? 0 : AGAIN_MS);
    isFirst.current = false;
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [plan, said]);
  const act = (): void => {
    setBusy(true);
    setError(undefined);
    props.act(values).then(props.close, (problem: unknown) => {
      setError(problemOf(problem));
      setBusy(false);
    });
  };
  const wrong = error ? wrongOf(error, beside) : {};
  const asked = props.count > TYPED_ABOVE;
  return (
    <Modal isOpen variant="medium" onClose={props.close} aria-labelledby="confirm-title" aria-describedby="confirm-body">
      <ModalHeader title={props.title} labelId="confirm-title" />
      <ModalBody id="confirm-body">
        <p>{props.help}</p>
        {error && Object.keys(wrong).length === 0 && <Problem error={error} />}
        {!error && <h2 className="w-plan">{steps ? t("confirm.plan") : t("confirm.planning")}</h2>}
        {steps && <Plan steps={steps} />}
        {beside.map((field) => (
          <FieldRow key={field.name} form="confirm" field={field} value={values[field.name] ?? ""} wrong={wrong[field.name]}
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
