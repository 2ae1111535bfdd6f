import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useState, type ReactNode } from "react";
import { call } from "../../api/rpc.ts";
import { textOf, type Field } from "../../model/form.ts";
import { Ask } from "../../ui/Ask.tsx";
import { GuestFrame } from "../../ui/GuestFrame.tsx";
import { tokenOfLink } from "../../ui/token.ts";
import { useTexts } from "../../ui/settings.ts";

export default function Reset(): ReactNode {
  const { t } = useTexts();
  const [token] = useState(tokenOfLink);
  const [done, setDone] = useState(false);
  const fields: readonly Field[] = [
    { name: "token", label: "guest.token", help: "guest.tokenHelp", isRequired: true, initial: token },
    { name: "new_password", label: "account.newPassword", as: "password", isRequired: true, autoComplete: "new-password" },
  ];
  return (
    <GuestFrame title="reset.title">
      {done && <div role="status"><Alert component="p" variant="success" isInline title={t("reset.done")} /></div>}
      {!done && (
        <Ask id="reset" fields={fields} button="reset.send" send={async (values) => {
          await call("guest.user.set_password_token", { token: textOf(values, "token"), new_password: String(values["new_password"]) });
          setDone(true);
        }} />
      )}
    </GuestFrame>
  );
}
