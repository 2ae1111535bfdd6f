import { Alert, AlertActionLink } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import type { ReactNode } from "react";
import type { WawelError } from "../api/rpc.ts";
import { why } from "../model/reasons.ts";
import { useTexts } from "./settings.ts";

/** What was refused, in words; with a way to try again where that can help. */
export function Problem(props: { error: WawelError; retry?: () => void }): ReactNode {
  const { t } = useTexts();
  const retry = props.error.retry && props.retry;
  return (
    <div role="alert">
      <Alert component="p" variant="danger" isInline title={why(t, props.error)}
        actionLinks={retry ? <AlertActionLink onClick={retry}>{t("app.retry")}</AlertActionLink> : undefined} />
    </div>
  );
}
