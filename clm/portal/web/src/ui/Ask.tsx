import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { ActionGroup, Form, FormGroup } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { FormSelect, FormSelectOption } from "@patternfly/react-core/dist/esm/components/FormSelect/index.js";
import { HelperText, HelperTextItem } from "@patternfly/react-core/dist/esm/components/HelperText/index.js";
import { TextArea } from "@patternfly/react-core/dist/esm/components/TextArea/index.js";
import { TextInput } from "@patternfly/react-core/dist/esm/components/TextInput/index.js";
import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { problemOf, type WawelError } from "../api/rpc.ts";
import { initialOf, lacking, wrongOf, type Field, type Option, type Value, type Values, type Wrong } from "../model/form.ts";
import type { Key } from "../texts/translate.ts";
import { Problem } from "./Problem.tsx";
import { useTexts } from "./settings.ts";

interface Props {
  /** Before its fields' ids: several forms may stand on one page. */
  id: string;
  fields: readonly Field[];
  button: Key;
  /** What is refused is said at its field, or above all; what was typed stays. */
  send: (values: Values) => Promise<void>;
  cancel?: () => void;
  onChange?: (values: Values) => void;
  children?: ReactNode;
}

function useOptions(field: Field): readonly Option[] | undefined {
  const { options } = field;
  const [loaded, setLoaded] = useState<readonly Option[]>();
  useEffect(() => {
    let here = true;
    // What could not be read is as if there were none: the server says more when the form is sent.
    if (typeof options === "function") options().then((found) => here && setLoaded(found), () => here && setLoaded([]));
    return () => {
      here = false;
    };
  }, [options]);
  return typeof options === "function" ? loaded : options;
}

interface InputProps {
  id: string;
  field: Field;
  value: Value;
  set: (value: Value) => void;
  isWrong: boolean;
  described: string | undefined;
}

function Choice({ id, field, value, set, isWrong, described }: InputProps): ReactNode {
  const texts = useTexts();
  const { t } = texts;
  const options = useOptions(field) ?? [];
  const label = (option: Option): string => option.said?.(texts) ?? option.text ?? (option.title ? t(option.title) : option.value);
  const valid = isWrong ? "error" : "default";
  if (field.as === "several") {
    const now = Array.isArray(value) ? (value as readonly string[]) : [];
    return (
      <div className="w-choices" role="group" aria-label={t(field.label)}>
        {options.map((option) => (
          <label key={option.value} className="w-choice">
            <input type="checkbox" checked={now.includes(option.value)}
              onChange={(event) => set(event.currentTarget.checked ? [...now, option.value] : now.filter((each) => each !== option.value))} />
            {label(option)}
          </label>
        ))}
        {options.length === 0 && t("form.nothing")}
      </div>
    );
  }
  return (
    <FormSelect id={id} value={String(value)} validated={valid} aria-describedby={described} onChange={(_event, next) => set(next)}>
      {(value === "" || !field.isRequired) && <FormSelectOption value="" label={t(field.isRequired ? "form.choose" : "form.asEver")} />}
      {options.map((option) => <FormSelectOption key={option.value} value={option.value} label={label(option)} />)}
    </FormSelect>
  );
}

function Input(props: InputProps): ReactNode {
  const { id, field, value, set, isWrong, described } = props;
  const { t } = useTexts();
  const shared = { id, isRequired: field.isRequired ?? false, "aria-describedby": described, validated: isWrong ? "error" : "default" } as const;
  if (field.as === "select" || field.as === "several") return <Choice {...props} />;
  if (field.as === "check") {
    return (
      <label className="w-choice">
        <input id={id} type="checkbox" checked={value === true} aria-describedby={described}
          onChange={(event) => set(event.currentTarget.checked)} />
        {t(field.label)}
      </label>
    );
  }
  const bound = field.maxLength === undefined ? {} : { maxLength: field.maxLength };
  if (field.as === "area") {
    return <TextArea {...shared} {...bound} value={String(value)} resizeOrientation="vertical" rows={4}
      onChange={(_event, next) => set(next)} />;
  }
  const range = { ...(field.min !== undefined && { min: field.min }), ...(field.max !== undefined && { max: field.max }) };
  return <TextInput {...shared} {...bound} {...range} type={field.as ?? "text"} value={String(value)}
    {...(field.autoComplete && { autoComplete: field.autoComplete })} onChange={(_event, next) => set(next)} />;
}

interface RowProps {
  /** Of the form: fields' ids begin with it. */
  form: string;
  field: Field;
  value: Value;
  set: (value: Value) => void;
  wrong?: Wrong[string] | undefined;
}

/** One field with its label, and what helps with it or is wrong about it. */
export function FieldRow({ form, field, value, set, wrong }: RowProps): ReactNode {
  const { t } = useTexts();
  const id = `${form}-${field.name}`;
  const described = wrong || field.help ? `${id}-help` : undefined;
  return (
    <FormGroup fieldId={id} isRequired={field.isRequired ?? false}
      {...(field.as !== "check" && { label: t(field.label) })} {...(field.as === "several" && { role: "group" })}>
      <Input id={id} field={field} value={value} set={set} isWrong={wrong !== undefined} described={described} />
      {described && (
        <HelperText id={described} isLiveRegion>
          <HelperTextItem variant={wrong ? "error" : "default"}>
            {wrong ? ("key" in wrong ? t(wrong.key) : wrong.text) : field.help && t(field.help)}
          </HelperTextItem>
        </HelperText>
      )}
    </FormGroup>
  );
}

/** A form from a description of its fields. */
export function Ask(props: Props): ReactNode {
  const { t } = useTexts();
  const [values, setValues] = useState<Values>(() => initialOf(props.fields));
  const [wrong, setWrong] = useState<Wrong>({});
  const [error, setError] = useState<WawelError>();
  const [busy, setBusy] = useState(false);
  const fields = props.fields.filter((field) => field.isShown?.(values) ?? true);
  const set = (name: string, value: Value): void => {
    const next = { ...values, [name]: value };
    setValues(next);
    props.onChange?.(next);
  };
  const focus = (found: Wrong): void => {
    const first = fields.find((field) => found[field.name]);
    if (first) document.getElementById(`${props.id}-${first.name}`)?.focus();
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setError(undefined);
    const missing = lacking(fields, values);
    setWrong(missing);
    if (Object.keys(missing).length) return focus(missing);
    setBusy(true);
    props
      .send(values)
      .catch((problem: unknown) => {
        const refused = problemOf(problem);
        const found = wrongOf(refused, fields);
        setWrong(found);
        if (Object.keys(found).length) focus(found);
        else setError(refused);
      })
      .finally(() => setBusy(false));
  };
  return (
    <Form onSubmit={submit} noValidate className="w-form">
      {error && <Problem error={error} />}
      {fields.map((field) => (
        <FieldRow key={field.name} form={props.id} field={field} value={values[field.name] ?? ""} wrong={wrong[field.name]}
          set={(value) => set(field.name, value)} />
      ))}
      {props.children}
      <ActionGroup>
        <Button type="submit" variant="primary" isDisabled={busy} isLoading={busy}>{t(props.button)}</Button>
        {props.cancel && <Button variant="link" onClick={props.cancel}>{t("action.cancel")}</Button>}
      </ActionGroup>
    </Form>
  );
}
