import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Title } from "@patternfly/react-core/dist/esm/components/Title/index.js";
import { useState, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { addressTo } from "../model/routes.ts";
import { useTexts } from "../ui/settings.ts";
import Console from "./Console.tsx";
import { KINDS, PAGE_OF, type Kind } from "./model.ts";

/** Screen and serial console among a machine's details: nothing is connected before it is asked for. */
export default function ConsoleTabs(props: { machine: Machine }): ReactNode {
  const { t } = useTexts();
  const [kind, setKind] = useState<Kind>();
  if (props.machine.access === "user") return <p role="status">{t("console.needs")}</p>;
  return (
    <section aria-labelledby="consoles">
      <Title headingLevel="h2" id="consoles">{t("console.kinds")}</Title>
      <div className="w-actions">
        {KINDS.map((each) => (
          <Button key={each} variant={each === kind ? "primary" : "secondary"} aria-pressed={each === kind}
            onClick={() => setKind(each === kind ? undefined : each)}>
            {t(`console.kind.${each}`)}
          </Button>
        ))}
        {kind && (
          <a className="w-link" href={addressTo(PAGE_OF[kind], { uuid: props.machine.uuid })} target="_blank" rel="noopener">{t("console.own")}</a>
        )}
      </div>
      {kind && <Console key={kind} machine={props.machine} kind={kind} />}
    </section>
  );
}
