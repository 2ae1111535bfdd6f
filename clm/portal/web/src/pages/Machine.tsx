import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { CodeBlock, CodeBlockCode } from "@patternfly/react-core/dist/esm/components/CodeBlock/index.js";
import type { ReactNode } from "react";
import type { Machine as Row } from "../api/cloud.ts";
import { addressTo } from "../model/routes.ts";
import { word } from "../texts/translate.ts";
import { AtMachine } from "../ui/AtMachine.tsx";
import { Expiry } from "../ui/Expiry.tsx";
import { Facts } from "../ui/Facts.tsx";
import { Link } from "../ui/Link.tsx";
import { useAnswer } from "../ui/live.ts";
import { MachineKind } from "../ui/MachineKind.tsx";
import { MachinePolicy } from "../ui/MachinePolicy.tsx";
import { OfMachine } from "../ui/Measured.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { Section } from "../ui/parts.tsx";
import { Problem } from "../ui/Problem.tsx";
import { useTexts } from "../ui/settings.ts";

const CONSOLE_BYTES = 65_536;

function Console(props: { machine: Row }): ReactNode {
  const { t } = useTexts();
  const { vm_id, cluster } = props.machine;
  const { value: text, error, reload } = useAnswer("user.vm.get_console", { vm_id, cluster, limit: CONSOLE_BYTES });
  return (
    <Section title="machine.console" beside={<Button variant="link" onClick={reload}>{t("machine.consoleShow")}</Button>}>
      {error && <Problem error={error} retry={reload} />}
      {text === "" && <p>{t("machine.consoleEmpty")}</p>}
      {text && (
        <CodeBlock>
          <div className="w-console" tabIndex={0} role="group" aria-label={t("machine.console")}>
            <CodeBlockCode>{text}</CodeBlockCode>
          </div>
        </CodeBlock>
      )}
    </Section>
  );
}

/** The VM template that it was made by, where the reader sees that. */
function useTemplate(cluster: string, vm_template_id: number | null): ReactNode {
  const { value } = useAnswer("user.vm_template.get_by_id", vm_template_id === null ? undefined : { vm_template_id, cluster });
  return value ? <Link to={addressTo("vmTemplate", { uuid: value.uuid })}>{value.name}</Link> : null;
}

function Overview(props: { machine: Row }): ReactNode {
  const { t, memory, time, number } = useTexts();
  const { machine } = props;
  const { vm_id, cluster } = machine;
  // The list does not tell everything: whose it is.
  const { value: detail, reload } = useAnswer("user.vm.get_by_id", { vm_id, cluster }, ["vm"]);
  const { value: ways } = useAnswer("user.vm.get_connections", { vm_id, cluster }, ["vm", "public_address"]);
  const template = useTemplate(cluster, detail?.vm_template_id ?? null);
  const size = t("create.sizeFits", { cpu: t("count.cpu", { n: machine.cpu }), memory: memory(machine.memory_mib) });
  return (
    <>
      <Section title="machine.overview">
        <Facts facts={[
          ["column.description", machine.description],
          ["column.cluster", machine.cluster],
          ["column.image", machine.image_name],
          ["column.template", template],
          ["column.size", `${machine.template_name} (${size})`],
          ["machine.addresses", machine.leases.map((lease) => lease.address).join(", ")],
          ["machine.connect", ways?.length ? ways.map((way) => <div key={way.through + way.command}><code>{way.command}</code></div>) : null],
          ["machine.work", machine.operation && word(t, "work", machine.operation)],
          ["column.owner", machine.user_login ?? detail?.user_login],
          ["column.created", time(machine.created)],
          ["machine.launched", machine.launched && time(machine.launched)],
          ["machine.booted", detail?.boot_s == null ? "" : `${number(Math.round(10 * detail.boot_s) / 10)} s`],
          ["column.uuid", machine.uuid],
        ]} />
      </Section>
      {detail && <MachineKind machine={machine} detail={detail} reload={reload} />}
      {detail && <MachinePolicy machine={machine} detail={detail} reload={reload} />}
    </>
  );
}

export default function Machine({ params }: PageProps): ReactNode {
  return (
    <AtMachine uuid={params["uuid"] ?? ""}>
      {(machine) => (
        <>
          <Overview machine={machine} />
          <Expiry machine={machine} />
          <OfMachine vm_id={machine.vm_id} cluster={machine.cluster} />
          <Console machine={machine} />
        </>
      )}
    </AtMachine>
  );
}
