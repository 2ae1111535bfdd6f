import { useSyncExternalStore, type ReactNode } from "react";
import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { listed, machines } from "../api/cloud.ts";
import { addressTo } from "../model/routes.ts";
import { Heading } from "../ui/Heading.tsx";
import { Link } from "../ui/Link.tsx";
import { Loading } from "../ui/Loading.tsx";
import { useTexts } from "../ui/settings.ts";
import Console from "./Console.tsx";
import { KINDS, PAGE_OF, type Kind } from "./model.ts";

/** A console as a page of its own, in a window of its own where one wants. */
export default function ConsolePage(props: { uuid: string; kind: Kind }): ReactNode {
  const { t } = useTexts();
  const machine = useSyncExternalStore(machines.subscribe, () => machines.get(props.uuid));
  const came = useSyncExternalStore(listed.subscribe, listed.get);
  return (
    <main className="w-console-page" id="main">
      <Heading text={t("console.title", { kind: t(`console.kind.${props.kind}`), name: machine?.name ?? "" })}>
        <Link to={addressTo("machineConsole", { uuid: props.uuid })}>{t("console.back")}</Link>
        {KINDS.filter((kind) => kind !== props.kind).map((kind) => (
          <Link key={kind} to={addressTo(PAGE_OF[kind], { uuid: props.uuid })}>{t(`console.kind.${kind}`)}</Link>
        ))}
      </Heading>
      {!machine && !came && <Loading />}
      {!machine && came && <Alert component="p" variant="warning" isInline title={t("machine.gone")} />}
      {machine && <Console key={props.kind} machine={machine} kind={props.kind} />}
    </main>
  );
}
