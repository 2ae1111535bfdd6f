import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { useState, type ReactNode } from "react";
import { call, problemOf, type WawelError } from "../../api/rpc.ts";
import type { BegunFactor } from "../../api/wawel.ts";
import { textOf, type Field } from "../../model/form.ts";
import { Ask } from "../../ui/Ask.tsx";
import { AtAccount } from "../../ui/AtAccount.tsx";
import { useAnswer } from "../../ui/live.ts";
import { Section } from "../../ui/parts.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { Secret } from "../../ui/Secret.tsx";
import { useTexts } from "../../ui/settings.ts";

const CODE: Field = { name: "otp", label: "login.otp", isRequired: true, autoComplete: "one-time-code" };
const PASSWORD: Field = { name: "password", label: "login.password", as: "password", isRequired: true, autoComplete: "current-password" };

export default function Factor(): ReactNode {
  const { t } = useTexts();
  const { value, error, reload } = useAnswer("user.totp.get", {});
  const [begun, setBegun] = useState<BegunFactor>();
  const [codes, setCodes] = useState<readonly string[]>();
  const [refused, setRefused] = useState<WawelError>();
  const begin = (): void => {
    setRefused(undefined);
    call("user.totp.begin").then(setBegun, (problem: unknown) => setRefused(problemOf(problem)));
  };
  return (
    <AtAccount>
      <Section title="factor.title">
        {(error ?? refused) && <Problem error={(error ?? refused) as WawelError} />}
        {codes && <Secret pieces={[["factor.codes", codes.join("\n")]]} />}
        {value && <Alert component="p" isInline variant={value.active ? "success" : "info"}
          title={value.active ? t("factor.on", { n: value.recovery_codes_left }) : t("factor.off")} />}
        {value && !value.active && !begun && <p><Button variant="primary" onClick={begin}>{t("factor.begin")}</Button></p>}
        {begun && (
          <>
            <p>{t("factor.how")}</p>
            <Secret pieces={[["factor.secret", begun.secret], ["factor.uri", begun.uri]]} />
            <Ask id="factor" fields={[CODE]} button="factor.confirm" cancel={() => setBegun(undefined)} send={async (values) => {
              const answer = await call("user.totp.confirm", { otp: textOf(values, "otp") });
              setCodes(answer.recovery_codes);
              setBegun(undefined);
              reload();
            }} />
          </>
        )}
        {value?.active && (
          <Ask id="no-factor" fields={[CODE, PASSWORD]} button="factor.disable" send={async (values) => {
            await call("user.totp.disable", { otp: textOf(values, "otp"), password: String(values["password"]) });
            setCodes(undefined);
            reload();
          }} />
        )}
      </Section>
    </AtAccount>
  );
}
