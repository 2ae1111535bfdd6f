import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useState, type ReactNode } from "react";
import { call } from "../../api/rpc.ts";
import type { Registered } from "../../api/wawel.ts";
import { given, textOf, type Field, type Values } from "../../model/form.ts";
import { Ask } from "../../ui/Ask.tsx";
import { GuestFrame } from "../../ui/GuestFrame.tsx";
import { useAnswer } from "../../ui/live.ts";
import { useTexts } from "../../ui/settings.ts";

const FIELDS: readonly Field[] = [
  { name: "login", label: "login.login", isRequired: true, autoComplete: "username", maxLength: 64 },
  { name: "email", label: "account.email", as: "email", isRequired: true, autoComplete: "email" },
  { name: "password", label: "login.password", as: "password", isRequired: true, autoComplete: "new-password" },
  { name: "first_name", label: "account.firstName", autoComplete: "given-name" },
  { name: "last_name", label: "account.lastName", autoComplete: "family-name" },
  { name: "organization", label: "account.organization", autoComplete: "organization" },
];

export default function Register(): ReactNode {
  const { t } = useTexts();
  const { value: info } = useAnswer("guest.cloud.get_info", {});
  const [state, setState] = useState<Registered["state"]>();
  const send = async (values: Values): Promise<void> => {
    const made = await call("guest.user.register", {
      login: textOf(values, "login"), email: textOf(values, "email"), password: String(values["password"]),
      ...given(values, "first_name", "last_name", "organization"),
    });
    setState(made.state);
  };
  return (
    <GuestFrame title="register.title">
      {state && <div role="status"><Alert component="p" variant="success" isInline title={t(`register.${state}`)} /></div>}
      {!state && info?.registration === "closed" && <Alert component="p" variant="info" isInline title={t("register.closed")} />}
      {!state && info?.registration !== "closed" && <Ask id="register" fields={FIELDS} button="register.send" send={send} />}
    </GuestFrame>
  );
}
