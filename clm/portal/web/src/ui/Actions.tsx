import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { useCallback, useMemo, useState, type ReactNode } from "react";
import { planOf, send } from "../api/request.ts";
import { problemOf, type PlanStep } from "../api/rpc.ts";
import type { Action, Outcome } from "../model/action.ts";
import type { Values } from "../model/form.ts";
import { why } from "../model/reasons.ts";
import { told, type Key, type Translate } from "../texts/translate.ts";
import { Ask } from "./Ask.tsx";
import { Confirm } from "./Confirm.tsx";
import { Dialog } from "./Dialog.tsx";
import { useOffers, type Offers } from "./offers.ts";
import { go } from "./router.ts";
import { Secret } from "./Secret.tsx";
import { useTexts } from "./settings.ts";

interface Props<T> {
  rows: readonly T[];
  name: (row: T) => string;
  actions: readonly Action<T>[];
  /** Where the server tells what it would take. */
  offers?: Offers<T> | undefined;
  /** Something was changed. */
  done?: () => void;
}

/** How many calls of one kind are under way at once. */
const AT_ONCE = 4;

async function each<T, R>(rows: readonly T[], act: (row: T) => Promise<R>): Promise<R[]> {
  const made: R[] = [];
  for (let at = 0; at < rows.length; at += AT_ONCE) made.push(...(await Promise.all(rows.slice(at, at + AT_ONCE).map(act))));
  return made;
}

async function run<T>(action: Action<T>, rows: readonly T[], name: (row: T) => string, values: Values): Promise<Outcome[]> {
  if (action.batch) return action.batch.run(rows);
  return each(rows, async (row) => {
    try {
      if (action.request) await send(action.request(row, values));
      return { name: name(row) };
    } catch (problem) {
      return { name: name(row), error: problemOf(problem) };
    }
  });
}

async function planFor<T>(action: Action<T>, rows: readonly T[], values: Values): Promise<PlanStep[]> {
  if (action.batch) return action.batch.plan(rows);
  return (await each(rows, async (row) => (action.request ? planOf(action.request(row, values)) : []))).flat();
}

/** Of many at once no more than a sentence is told. */
const said = (t: Translate, { fields, ...error }: NonNullable<Outcome["error"]>): string => (fields ? why(t, { ...error, fields }) : told(t, error));

/** What became of each that something was done to; nothing where all went well with one. */
function Outcomes(props: { outcomes: readonly Outcome[] }): ReactNode {
  const { t } = useTexts();
  const refused = props.outcomes.filter((outcome) => outcome.error);
  if (refused.length === 0 && props.outcomes.length < 2) return null;
  return (
    <div role={refused.length ? "alert" : "status"} className="w-outcomes">
      <Alert component="p" variant={refused.length ? "danger" : "success"} isInline
        title={t("outcome.done", { n: props.outcomes.length - refused.length })}>
        {refused.length > 0 && (
          <ul>
            {refused.map((outcome, index) => (
              <li key={index}><strong>{outcome.name}</strong>: {outcome.error && said(t, outcome.error)}</li>
            ))}
          </ul>
        )}
      </Alert>
    </div>
  );
}

interface Asking<T> {
  action: Action<T>;
  /** What is being asked about stays what it was, whatever the feed tells meanwhile. */
  rows: readonly T[];
}

/** Buttons for what may be done to these rows, if there are any: each is in reach as far as it fits all of them. */
export function Actions<T>(props: Props<T>): ReactNode {
  const { t } = useTexts();
  const { rows, name, actions, done } = props;
  const [asking, setAsking] = useState<Asking<T>>();
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const [secret, setSecret] = useState<readonly (readonly [Key, string])[]>();
  const [busy, setBusy] = useState(false);
  const plan = useMemo(() => (asking ? (values: Values) => planFor(asking.action, asking.rows, values) : undefined), [asking]);
  const fields = useMemo(() => (asking?.rows[0] === undefined ? undefined : asking.action.fields?.(asking.rows[0])), [asking]);
  const close = useCallback(() => setAsking(undefined), []);
  const offered = useOffers(props.offers, rows);
  /** Why the server would not take it. */
  const refused = (action: Action<T>): string | undefined => {
    if (!action.call || !offered.known) return undefined;
    for (const row of rows) {
      const reason = offered.why(row, action.call);
      if (reason) return rows.length === 1 ? why(t, reason) : `${name(row)}: ${why(t, reason)}`;
    }
    return undefined;
  };
  const fits = (action: Action<T>): boolean => {
    if (rows.length === 0 || (rows.length > 1 && (action.fields || action.to || action.secret))) return false;
    return action.call && offered.known ? refused(action) === undefined : rows.every((row) => action.may?.(row) ?? true);
  };
  const act = async (action: Action<T>, meant: readonly T[], values: Values = {}): Promise<void> => {
    const made = await run(action, meant, name, values);
    const [only] = made;
    // Of one alone what is refused is said where it was asked for.
    if (made.length === 1 && only?.error && action.confirm) throw only.error;
    setOutcomes(made);
    if (made.some((outcome) => !outcome.error)) done?.();
  };
  const begin = (action: Action<T>): void => {
    setOutcomes([]);
    const [first] = rows;
    if (action.to && first) return go(action.to(first));
    if (action.fields || action.confirm) return setAsking({ action, rows });
    setBusy(true);
    act(action, rows)
      .catch((problem: unknown) => setOutcomes([{ name: t(action.title), error: problemOf(problem) }]))
      .finally(() => setBusy(false));
  };
  const sendForm = async (values: Values): Promise<void> => {
    const row = asking?.rows[0];
    if (!asking || row === undefined || !asking.action.request) return;
    const answer = await send(asking.action.request(row, values));
    setAsking(undefined);
    const pieces = asking.action.secret?.(answer);
    if (pieces?.length) setSecret(pieces);
    done?.();
  };
  const meant = asking?.rows.map(name) ?? [];
  const called = { n: meant.length, name: meant.slice(0, 3).join(", ") + (meant.length > 3 ? " …" : "") };
  return (
    <>
      {rows.length > 0 && <div className="w-actions" role="group" aria-label={t("action.all")}>
        {actions.map((action) => {
          const reason = refused(action);
          // One with a reason can be pointed at, and be reached by keyboard: that is how the reason is told.
          return (
            <Button key={action.key} variant={action.isDanger ? "danger" : "secondary"} isDisabled={busy || (!reason && !fits(action))}
              isAriaDisabled={reason !== undefined} title={reason} onClick={() => begin(action)}>
              {t(action.title)}
            </Button>
          );
        })}
      </div>}
      <Outcomes outcomes={outcomes} />
      {asking?.action.confirm && !asking.action.fields && plan && (
        <Confirm title={t(asking.action.confirm.title, called)} help={t(asking.action.confirm.help)} button={t(asking.action.title)}
          count={meant.length} plan={plan} close={close} act={(values) => act(asking.action, asking.rows, values)}
          {...(asking.action.confirm.beside && { beside: asking.action.confirm.beside })} depends={asking.action.confirm.depends ?? false} />
      )}
      {asking && fields && (
        <Dialog title={`${t(asking.action.title)}: ${called.name}`} close={close}>
          {asking.action.confirm && <p>{t(asking.action.confirm.help)}</p>}
          <Ask id={asking.action.key} fields={fields} button={asking.action.title} send={sendForm} cancel={close} />
        </Dialog>
      )}
      {secret && <Dialog title={t("secret.title")} close={() => setSecret(undefined)}><Secret pieces={secret} /></Dialog>}
    </>
  );
}
