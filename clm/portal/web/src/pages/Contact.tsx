import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useState, type ReactNode } from "react";
import { call } from "../api/rpc.ts";
import { textOf, type Field } from "../model/form.ts";
import "../texts/templated.ts";
import { Ask } from "../ui/Ask.tsx";
import { Heading } from "../ui/Heading.tsx";
import { useTexts } from "../ui/settings.ts";

const FIELDS: readonly Field[] = [
  { name: "topic", label: "contact.topic", isRequired: true, maxLength: 100 },
  { name: "text", label: "contact.text", help: "contact.help", as: "area", isRequired: true, maxLength: 20_000 },
];

/** A letter to whoever runs the cloud; the answer comes by mail. */
export default function Contact(): ReactNode {
  const { t } = useTexts();
  const [sent, setSent] = useState(false);
  return (
    <>
      <Heading text={t("contact.title")} />
      {sent && <div role="status"><Alert component="p" variant="success" isInline title={t("contact.sent")} /></div>}
      {!sent && (
        <Ask id="contact" fields={FIELDS} button="contact.send" send={async (values) => {
          await call("user.issue.send", { topic: textOf(values, "topic"), text: textOf(values, "text") });
          setSent(true);
        }} />
      )}
    </>
  );
}
