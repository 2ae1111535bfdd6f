import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useEffect, useState, type ReactNode } from "react";
import { call } from "../../api/rpc.ts";
import type { RenewableVM } from "../../api/wawel.ts";
import { textOf, type Field } from "../../model/form.ts";
import { Ask } from "../../ui/Ask.tsx";
import { GuestFrame } from "../../ui/GuestFrame.tsx";
import { tokenOfLink } from "../../ui/token.ts";
import { useTexts } from "../../ui/settings.ts";

/** Renewed by a button: what only looks at links, as some mailers' programs do, renews nothing. */
export default function Renew(): ReactNode {
  const { t, time } = useTexts();
  const [token] = useState(tokenOfLink);
  const [found, setFound] = useState<RenewableVM>();
  const [done, setDone] = useState<RenewableVM>();
  useEffect(() => {
    let here = true;
    // A link that is not good is refused by the button, which says why.
    if (token) call("guest.expiry.get", { token }).then((told) => here && setFound(told), () => undefined);
    return () => {
      here = false;
    };
  }, [token]);
  const fields: readonly Field[] = [{ name: "token", label: "guest.token", help: "guest.tokenHelp", isRequired: true, initial: token }];
  const shown = done ?? found;
  return (
    <GuestFrame title="renew.title">
      {shown && (
        <ul>
          {shown.ends.map((each) => <li key={each.end}>{t(`expiry.will.${each.end}`, { name: shown.vm, at: time(each.at) })}</li>)}
        </ul>
      )}
      {done && <div role="status"><Alert component="p" variant="success" isInline title={t("renew.done", { name: done.vm })} /></div>}
      {!done && (
        <Ask id="renew" fields={fields} button="action.renew" send={async (values) => {
          setDone(await call("guest.expiry.renew", { token: textOf(values, "token") }));
        }} />
      )}
    </GuestFrame>
  );
}
