import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useState, type ReactNode } from "react";
import { call } from "../../api/rpc.ts";
import type { Confirmed } from "../../api/wawel.ts";
import { textOf, type Field } from "../../model/form.ts";
import { Ask } from "../../ui/Ask.tsx";
import { GuestFrame } from "../../ui/GuestFrame.tsx";
import { tokenOfLink } from "../../ui/token.ts";
import { useTexts } from "../../ui/settings.ts";

/** Asked for by a button: what only looks at links, as some mailers' programs do, uses up no token. */
export default function Activate(): ReactNode {
  const { t } = useTexts();
  const [token] = useState(tokenOfLink);
  const [state, setState] = useState<Confirmed["state"]>();
  const fields: readonly Field[] = [{ name: "token", label: "guest.token", help: "guest.tokenHelp", isRequired: true, initial: token }];
  return (
    <GuestFrame title="activate.title">
      {state && <div role="status"><Alert component="p" variant="success" isInline title={t(`activate.${state}`)} /></div>}
      {!state && (
        <Ask id="activate" fields={fields} button="activate.send" send={async (values) => {
          setState((await call("guest.user.activate", { token: textOf(values, "token") })).state);
        }} />
      )}
    </GuestFrame>
  );
}
