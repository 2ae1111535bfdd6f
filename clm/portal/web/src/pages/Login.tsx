import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Card, CardBody } from "@patternfly/react-core/dist/esm/components/Card/index.js";
import { ActionGroup, Form, FormGroup } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { HelperText, HelperTextItem } from "@patternfly/react-core/dist/esm/components/HelperText/index.js";
import { TextInput } from "@patternfly/react-core/dist/esm/components/TextInput/index.js";
import { useEffect, useState, useSyncExternalStore, type FormEvent, type ReactNode } from "react";
import { leaveFor, providers } from "../api/oidc.ts";
import { problemOf, type WawelError } from "../api/rpc.ts";
import { logIn, lost } from "../api/session.ts";
import type { LoginProvider } from "../api/wawel.ts";
import { addressTo } from "../model/routes.ts";
import { Heading } from "../ui/Heading.tsx";
import { Link } from "../ui/Link.tsx";
import { useTexts } from "../ui/settings.ts";
import { Preferences } from "../ui/Preferences.tsx";
import { Problem } from "../ui/Problem.tsx";

/** Where others say who one is. */
function Providers(props: { failed: (error: WawelError) => void }): ReactNode {
  const { t } = useTexts();
  const [known, setKnown] = useState<readonly LoginProvider[]>([]);
  useEffect(() => {
    let here = true;
    void providers().then((found) => here && setKnown(found));
    return () => {
      here = false;
    };
  }, []);
  return known.map(({ name, title }) => (
    <Button key={name} variant="secondary" isBlock
      onClick={() => void leaveFor(name).catch((problem: unknown) => props.failed(problemOf(problem)))}>
      {t("login.by", { title })}
    </Button>
  ));
}

export default function Login(): ReactNode {
  const { t } = useTexts();
  const ended = useSyncExternalStore(lost.subscribe, lost.get);
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const [second, setSecond] = useState(false);
  const [error, setError] = useState<WawelError>();
  const [busy, setBusy] = useState(false);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    logIn(login, password, otp.trim()).catch((problem: unknown) => {
      const refused = problemOf(problem);
      if (refused.slug === "otp_required") setSecond(true);
      setError(refused);
      setBusy(false);
    });
  };
  return (
    <main className="w-login-page">
      <Heading text={t("login.title")} />
      <Card>
        <CardBody>
          {ended && !error && <Alert component="p" variant="info" isInline title={t("login.lost")} />}
          {error && <Problem error={error} />}
          <Form onSubmit={submit}>
            <FormGroup label={t("login.login")} fieldId="login" isRequired>
              <TextInput id="login" autoComplete="username" isRequired value={login} autoFocus
                onChange={(_event, value) => setLogin(value)} />
            </FormGroup>
            <FormGroup label={t("login.password")} fieldId="password" isRequired>
              <TextInput id="password" type="password" autoComplete="current-password" isRequired value={password}
                onChange={(_event, value) => setPassword(value)} />
            </FormGroup>
            {second && (
              <FormGroup label={t("login.otp")} fieldId="otp" isRequired>
                <TextInput id="otp" autoComplete="one-time-code" isRequired value={otp} autoFocus
                  aria-describedby="otp-help" onChange={(_event, value) => setOtp(value)} />
                <HelperText id="otp-help"><HelperTextItem>{t("login.otpHelp")}</HelperTextItem></HelperText>
              </FormGroup>
            )}
            <ActionGroup>
              <Button type="submit" variant="primary" isBlock isDisabled={busy} isLoading={busy}>{t("login.submit")}</Button>
              <Providers failed={setError} />
            </ActionGroup>
          </Form>
        </CardBody>
      </Card>
      <p className="w-ways">
        <Link to={addressTo("home")}>{t("login.news")}</Link>
        <Link to={addressTo("register")}>{t("login.register")}</Link>
        <Link to={addressTo("forgot")}>{t("login.forgot")}</Link>
      </p>
      <div className="w-preferences"><Preferences /></div>
    </main>
  );
}
