import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { useState, type ReactNode } from "react";
import type { Key } from "../texts/translate.ts";
import { useTexts } from "./settings.ts";

function Piece(props: { title: Key; text: string }): ReactNode {
  const { t } = useTexts();
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    navigator.clipboard.writeText(props.text).then(() => setCopied(true), () => setCopied(false));
  };
  return (
    <div>
      <div className="w-heading">
        <strong>{t(props.title)}</strong>
        <Button variant="secondary" onClick={copy}>{t(copied ? "secret.copied" : "secret.copy")}</Button>
      </div>
      <pre className="w-secret" tabIndex={0} aria-label={t(props.title)} role="region">{props.text}</pre>
    </div>
  );
}

/** What is told once, and is kept nowhere here. */
export function Secret(props: { pieces: readonly (readonly [Key, string])[]; isForEver?: boolean }): ReactNode {
  const { t } = useTexts();
  return (
    <>
      {!props.isForEver && <Alert component="p" variant="warning" isInline title={t("secret.once")} />}
      {props.pieces.map(([title, text]) => <Piece key={title} title={title} text={text} />)}
    </>
  );
}
