import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { useCallback, useMemo, useState, type ReactNode } from "react";
import { act, planOf } from "../api/actions.ts";
import type { Machine } from "../api/cloud.ts";
import { problemOf, type WawelError } from "../api/rpc.ts";
import { ACTIONS, may, type Action } from "../model/machines.ts";
import type { Translate } from "../texts/translate.ts";
import { Confirm } from "./Confirm.tsx";
import { useTexts } from "./settings.ts";
import { Problem } from "./Problem.tsx";

/** What loses something is asked for twice. */
type Dangerous = "stop" | "reset" | "destroy";
const DANGEROUS: readonly Action[] = ["stop", "reset", "destroy"];

function titleOf(t: Translate, action: Dangerous, machines: readonly Machine[]): string {
  const name = machines.map((machine) => machine.name).slice(0, 3).join(", ");
  return t(`confirm.${action}`, { n: machines.length, name });
}

/** Buttons for what may be done to these machines; each is given as far as it fits all of them. */
export function Actions(props: { machines: readonly Machine[]; only?: readonly Action[]; done?: () => void }): ReactNode {
  const { t } = useTexts();
  const { machines, done } = props;
  const [asking, setAsking] = useState<Dangerous>();
  const [error, setError] = useState<WawelError>();
  const [busy, setBusy] = useState(false);
  // What is being asked about stays what it was, whatever the feed tells meanwhile.
  const [meant, setMeant] = useState<readonly Machine[]>([]);
  const plan = useMemo(() => (asking ? () => planOf(asking, meant) : undefined), [asking, meant]);
  const close = useCallback(() => setAsking(undefined), []);
  const begin = (action: Action): void => {
    setError(undefined);
    setMeant(machines);
    if (DANGEROUS.includes(action)) {
      setAsking(action as Dangerous);
      return;
    }
    setBusy(true);
    act(action, machines)
      .catch((problem: unknown) => setError(problemOf(problem)))
      .finally(() => setBusy(false));
  };
  return (
    <>
      <div className="w-actions" role="group" aria-label={t("machine.actions")}>
        {(props.only ?? ACTIONS).map((action) => (
          <Button key={action} variant={action === "destroy" ? "danger" : "secondary"}
            isDisabled={busy || machines.length === 0 || !machines.every((machine) => may(action, machine))}
            onClick={() => begin(action)}>
            {t(`action.${action}`)}
          </Button>
        ))}
      </div>
      {error && <Problem error={error} />}
      {asking && plan && (
        <Confirm title={titleOf(t, asking, meant)} help={t(`confirm.${asking}Help`)} button={t(`action.${asking}`)}
          count={meant.length} plan={plan} close={close}
          act={async () => {
            await act(asking, meant);
            done?.();
          }} />
      )}
    </>
  );
}
