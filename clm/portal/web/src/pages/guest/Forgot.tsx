import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useState, type ReactNode } from "react";
import { call } from "../../api/rpc.ts";
import { textOf, type Field } from "../../model/form.ts";
import { Ask } from "../../ui/Ask.tsx";
import { GuestFrame } from "../../ui/GuestFrame.tsx";
import { useAnswer } from "../../ui/live.ts";
import { useTexts } from "../../ui/settings.ts";

const FIELDS: readonly Field[] = [{ name: "email", label: "account.email", as: "email", isRequired: true, autoComplete: "email", help: "forgot.help" }];

export default function Forgot(): ReactNode {
  const { t } = useTexts();
  const { value: info } = useAnswer("guest.cloud.get_info", {});
  const [sent, setSent] = useState(false);
  return (
    <GuestFrame title="forgot.title">
      {info?.mailer_active === false && <Alert component="p" variant="info" isInline title={t("forgot.noMailer", { contact: info.contact_email || "–" })} />}
      {sent && <div role="status"><Alert component="p" variant="success" isInline title={t("forgot.sent")} /></div>}
      {!sent && info?.mailer_active !== false && (
        <Ask id="forgot" fields={FIELDS} button="forgot.send" send={async (values) => {
          await call("guest.user.reset_password_mail", { email: textOf(values, "email") });
          setSent(true);
        }} />
      )}
    </GuestFrame>
  );
}
