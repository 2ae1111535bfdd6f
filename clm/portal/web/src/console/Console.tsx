import { Alert, AlertActionLink } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { lazy, Suspense, useRef, useState, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { call, problemOf, WawelError } from "../api/rpc.ts";
import type { Key } from "../texts/translate.ts";
import { useTexts } from "../ui/settings.ts";
import { Problem } from "../ui/Problem.tsx";
import { isReady, useConnection, type Connection } from "./connection.ts";
import type { Kind } from "./model.ts";
import "./console.css";

const Screen = lazy(() => import("./Screen.tsx"));
const Serial = lazy(() => import("./Serial.tsx"));
const SAID: Record<Connection["is"], Key> = {
  opening: "console.opening", there: "console.there", lost: "console.opening", over: "console.over", refused: "console.over",
};

function Ended(props: { connection: Connection; again: (force?: boolean) => void }): ReactNode {
  const { t } = useTexts();
  const { connection, again } = props;
  if (connection.is === "lost") return <Alert component="p" variant="warning" isInline title={t("console.lost")} />;
  if (connection.is !== "over" && connection.is !== "refused") return null;
  const [slug, message] = connection.is === "over"
    ? [connection.end.slug, connection.end.message] : [connection.error.slug, connection.error.message];
  const links = (
    <>
      <AlertActionLink onClick={() => again()}>{t("console.reconnect")}</AlertActionLink>
      {slug === "console_in_use" && <AlertActionLink onClick={() => again(true)}>{t("console.force")}</AlertActionLink>}
    </>
  );
  if (!slug) {
    return <Alert component="p" variant="info" isInline title={t("console.ended", { reason: message })} actionLinks={links} />;
  }
  return (
    <>
      <Problem error={new WawelError(0, message, { slug })} />
      <div className="w-actions">{links}</div>
    </>
  );
}

/** Opening and closing a screen is everybody's who may look: the machine tells how it is. */
function useScreen(machine: Machine): { set: (open: boolean) => void; error: WawelError | undefined; busy: boolean } {
  const [error, setError] = useState<WawelError>();
  const [busy, setBusy] = useState(false);
  const { vm_id, cluster } = machine;
  const set = (open: boolean): void => {
    setBusy(true);
    setError(undefined);
    call(open ? "user.vm.attach_vnc" : "user.vm.detach_vnc", { vm_id, cluster })
      .catch((problem: unknown) => setError(problemOf(problem)))
      .finally(() => setBusy(false));
  };
  return { set, error, busy };
}

/** A machine's screen or serial console, with what belongs around it. */
export default function Console(props: { machine: Machine; kind: Kind }): ReactNode {
  const { t } = useTexts();
  const { machine, kind } = props;
  const frame = useRef<HTMLDivElement>(null);
  const way = useRef<HTMLButtonElement>(null);
  const ready = isReady(machine, kind);
  const { connection, viewers, again } = useConnection(machine, kind, ready);
  const screen = useScreen(machine);
  const leave = (): void => way.current?.focus();
  const runs = isReady(machine, "serial");
  return (
    <div className="w-console-frame" ref={frame}>
      {screen.error && <Problem error={screen.error} />}
      {!runs && <p role="status">{t("console.off")}</p>}
      {runs && kind === "vnc" && !machine.vnc_enabled && (
        <>
          <p role="status">{t("console.closed")}</p>
          <Button isLoading={screen.busy} isDisabled={screen.busy} onClick={() => screen.set(true)}>{t("console.open")}</Button>
        </>
      )}
      {ready && (
        <>
          <div className="w-actions">
            <span role="status">
              {t(SAID[connection.is])}
              {viewers.length > 0 && ` · ${t("console.viewers", { names: viewers.join(", ") })}`}
            </span>
            <Button ref={way} variant="secondary" onClick={() => void frame.current?.requestFullscreen().catch(() => undefined)}>
              {t("console.full")}
            </Button>
            {kind === "vnc" && (
              <Button variant="secondary" isDisabled={screen.busy} onClick={() => screen.set(false)}>{t("console.close")}</Button>
            )}
            <span className="w-console-hint">{t("console.trap")}</span>
          </div>
          <Ended connection={connection} again={again} />
          {connection.is === "opening" && <Spinner aria-label={t("console.opening")} />}
          {connection.is === "there" && (
            <Suspense fallback={<Spinner aria-label={t("app.loading")} />}>
              {kind === "vnc" ? <Screen line={connection.line} leave={leave} /> : <Serial line={connection.line} leave={leave} />}
            </Suspense>
          )}
        </>
      )}
    </div>
  );
}
