import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { useEffect, useState, type ReactNode } from "react";
import { comeBack } from "../../api/oidc.ts";
import { problemOf, WawelError } from "../../api/rpc.ts";
import { GuestFrame } from "../../ui/GuestFrame.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { go } from "../../ui/router.ts";
import { useTexts } from "../../ui/settings.ts";

/** What the provider sent one back with is good once: it is taken out of the address before anything else sees it. */
let asked: Promise<string> | undefined;
function back(): Promise<string> {
  if (!asked) {
    const { search } = location;
    history.replaceState(null, "", location.pathname);
    asked = comeBack(search);
  }
  return asked;
}

/** Where a provider of OpenID Connect sends people back to. */
export default function Provider(): ReactNode {
  const { t } = useTexts();
  const [error, setError] = useState<WawelError | "elsewhere">();
  useEffect(() => {
    let here = true;
    back().then(
      (to) => here && go(to, true),
      (problem: unknown) => here && setError(problem instanceof TypeError ? "elsewhere" : problemOf(problem)),
    );
    return () => {
      here = false;
    };
  }, []);
  return (
    <GuestFrame title="login.title">
      {!error && <Spinner aria-label={t("app.loading")} />}
      {error === "elsewhere" && <div role="alert"><Alert component="p" variant="danger" isInline title={t("login.elsewhere")} /></div>}
      {error instanceof WawelError && <Problem error={error} />}
    </GuestFrame>
  );
}
