import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { useSyncExternalStore, type ReactNode } from "react";
import { MACHINE_ACTIONS, MACHINE_OFFERS } from "../kinds/machines.ts";
import { listed, machines, type Machine } from "../api/cloud.ts";
import { addressTo } from "../model/routes.ts";
import { Actions } from "./Actions.tsx";
import { Heading } from "./Heading.tsx";
import { Link } from "./Link.tsx";
import { Tabs } from "./parts.tsx";
import { Problem } from "./Problem.tsx";
import { State } from "./State.tsx";
import { useTexts } from "./settings.ts";

function Gone(): ReactNode {
  const { t } = useTexts();
  return (
    <>
      <Heading text={t("machine.gone")} />
      <p>{t("machine.goneHelp")}</p>
      <Link to={addressTo("machines")}>{t("app.toMachines")}</Link>
    </>
  );
}

/** The frame of every page that is about one machine. */
export function AtMachine(props: { uuid: string; children: (machine: Machine) => ReactNode }): ReactNode {
  const { t } = useTexts();
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
      <Actions rows={[machine]} name={(each) => each.name} actions={MACHINE_ACTIONS} offers={MACHINE_OFFERS} />
      <Tabs label="machine.parts" params={{ uuid: machine.uuid }} tabs={[
        ["machine", "machine.overview"], ["machineConsole", "console.kinds"], ["machineDisks", "menu.disks"], ["machineNetwork", "machine.network"],
        ["machineGuest", "guestOf.title"], ["machineAccess", "access.title"], ["machineHistory", "machine.history"],
      ]} />
      {props.children(machine)}
    </>
  );
}
