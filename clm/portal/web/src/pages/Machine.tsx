import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { CodeBlock, CodeBlockCode } from "@patternfly/react-core/dist/esm/components/CodeBlock/index.js";
import { DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm } from "@patternfly/react-core/dist/esm/components/DescriptionList/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { Title } from "@patternfly/react-core/dist/esm/components/Title/index.js";
import { useCallback, useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { listed, machines, type Machine as Row } from "../api/cloud.ts";
import { call, problemOf, type WawelError } from "../api/rpc.ts";
import type { Key } from "../texts/translate.ts";
import { Actions } from "../ui/Actions.tsx";
import { Heading } from "../ui/Heading.tsx";
import { Link } from "../ui/Link.tsx";
import { useTexts } from "../ui/settings.ts";
import { Problem } from "../ui/Problem.tsx";
import { addresses } from "../model/routes.ts";
import { State } from "../ui/State.tsx";

const CONSOLE_BYTES = 65_536;

function Facts(props: { facts: [Key, ReactNode][] }): ReactNode {
  const { t } = useTexts();
  return (
    <DescriptionList isHorizontal isCompact>
      {props.facts.map(([name, value]) => (
        <DescriptionListGroup key={name}>
          <DescriptionListTerm>{t(name)}</DescriptionListTerm>
          <DescriptionListDescription className="w-break">{value || t("machine.nothing")}</DescriptionListDescription>
        </DescriptionListGroup>
      ))}
    </DescriptionList>
  );
}

function Console(props: { machine: Row }): ReactNode {
  const { t } = useTexts();
  const { vm_id, cluster } = props.machine;
  const [text, setText] = useState<string>();
  const [error, setError] = useState<WawelError>();
  const read = useCallback(() => {
    setError(undefined);
    call("user.vm.get_console", { vm_id, cluster, limit: CONSOLE_BYTES }).then(setText, (problem: unknown) =>
      setError(problemOf(problem)),
    );
  }, [vm_id, cluster]);
  useEffect(read, [read]);
  return (
    <section aria-labelledby="console">
      <div className="w-heading">
        <Title headingLevel="h2" id="console">{t("machine.console")}</Title>
        <Button variant="link" onClick={read}>{t("machine.consoleShow")}</Button>
      </div>
      {error && <Problem error={error} retry={read} />}
      {text === "" && <p>{t("machine.consoleEmpty")}</p>}
      {text && (
        <CodeBlock>
          <div className="w-console" tabIndex={0} role="region" aria-label={t("machine.console")}>
            <CodeBlockCode>{text}</CodeBlockCode>
          </div>
        </CodeBlock>
      )}
    </section>
  );
}

function Gone(): ReactNode {
  const { t } = useTexts();
  return (
    <>
      <Heading text={t("machine.gone")} />
      <p>{t("machine.goneHelp")}</p>
      <Link to={addresses.machines()}>{t("app.toMachines")}</Link>
    </>
  );
}

export default function Machine(props: { uuid: string }): ReactNode {
  const { t, memory, time } = useTexts();
  const machine = useSyncExternalStore(machines.subscribe, () => machines.get(props.uuid));
  const came = useSyncExternalStore(listed.subscribe, listed.get);
  if (!machine) {
    if (came instanceof Error) return <Problem error={came} />;
    return came ? <Gone /> : <Spinner aria-label={t("app.loading")} />;
  }
  return (
    <>
      <Heading text={machine.name}>
        <span role="status"><State state={machine.state} /></span>
      </Heading>
      {machine.error && <Alert component="p" variant="danger" isInline title={`${t("machine.error")}: ${machine.error}`} />}
      <Actions machines={[machine]} />
      <section aria-labelledby="overview">
        <Title headingLevel="h2" id="overview">{t("machine.overview")}</Title>
        <Facts facts={[
          ["machine.description", machine.description],
          ["column.cluster", machine.cluster],
          ["column.image", machine.image_name],
          ["machine.size", `${machine.template_name} (${t("create.sizeFits", { cpu: machine.cpu, memory: memory(machine.memory_mib) })})`],
          ["machine.addresses", machine.leases.map((lease) => lease.address).join(", ")],
          ["machine.work", machine.operation?.replaceAll("_", " ")],
          ["machine.owner", machine.user_login],
          ["machine.created", time(machine.created)],
          ["machine.launched", machine.launched && time(machine.launched)],
          ["machine.uuid", machine.uuid],
        ]} />
      </section>
      <Console machine={machine} />
    </>
  );
}
