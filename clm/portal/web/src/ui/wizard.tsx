// What wizards have in common.
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { useEffect, useState, type ReactNode } from "react";
import { planOf, type Request } from "../api/request.ts";
import { problemOf, type PlanStep, type WawelError } from "../api/rpc.ts";
import { Plan } from "./Plan.tsx";
import { Problem } from "./Problem.tsx";
import { useTexts } from "./settings.ts";

interface Props {
  /** What is about to be asked for. */
  request: Request;
  sendError: WawelError | undefined;
  /** It would be refused. */
  refused?: (error: WawelError) => void;
}

/** A wizard's last step: what would be done, by a dry run, or why it would be refused. */
export function Review({ request, sendError, refused }: Props): ReactNode {
  const { t } = useTexts();
  const [steps, setSteps] = useState<readonly PlanStep[]>();
  const [error, setError] = useState<WawelError>();
  const key = JSON.stringify(request);
  useEffect(() => {
    let here = true;
    planOf(JSON.parse(key) as Request).then((found) => here && setSteps(found), (problem: unknown) => {
      if (!here) return;
      setError(problemOf(problem));
      refused?.(problemOf(problem));
    });
    return () => {
      here = false;
    };
    // Whoever is told of a refusal may be another with each drawing: what is asked for decides.
  }, [key]);
  const wrong = sendError ?? error;
  return (
    <>
      {wrong && <Problem error={wrong} />}
      {!error && !steps && <Spinner aria-label={t("confirm.planning")} />}
      {steps && <p>{t("create.reviewHelp")}</p>}
      {steps && <Plan steps={steps} />}
    </>
  );
}

/** PatternFly names the button of its steps in English, whatever stands on it: what stands there says more. */
export function nameByContent(wizard: HTMLElement | null): void {
  wizard?.querySelector(".pf-v6-c-wizard__toggle")?.removeAttribute("aria-label");
}
