import { Card, CardBody } from "@patternfly/react-core/dist/esm/components/Card/index.js";
import type { ReactNode } from "react";
import type { Key } from "../texts/translate.ts";
import { Heading } from "./Heading.tsx";
import { Link } from "./Link.tsx";
import { useTexts } from "./settings.ts";

/** The frame of pages that stand by themselves, with the way to the log-in. */
export function GuestFrame(props: { title: Key; children: ReactNode }): ReactNode {
  const { t } = useTexts();
  return (
    <>
      <Heading text={t(props.title)} />
      <Card><CardBody>{props.children}</CardBody></Card>
      <p><Link to="/ui/">{t("guest.toLogin")}</Link></p>
    </>
  );
}
