import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useMemo, type ReactNode } from "react";
import { upFor, WORKER_ACTIONS, type Farm, type FarmMachine } from "../kinds/farms.ts";
import { addressTo } from "../model/routes.ts";
import { columns, Status } from "./columns.tsx";
import { Facts } from "./Facts.tsx";
import { Link } from "./Link.tsx";
import { List, type ListSpec } from "./List.tsx";
import { Section } from "./parts.tsx";
import { State } from "./State.tsx";
import { useTexts } from "./settings.ts";

const c = columns<FarmMachine>();
/** @param pageOf where a machine is shown. */
const specOf = (isMine: boolean, pageOf: (row: FarmMachine) => string): ListSpec<FarmMachine> => ({
  title: "machines.title",
  columns: [
    // The head first, then workers by age: as the server gives them.
    c.of("number", "column.name", (row) => row.number, { show: (row) => <Link to={pageOf(row)}>{row.name}</Link> }),
    c.word("role", "farms.role", "farmRole"),
    c.of("state", "column.state", (row) => row.state, { show: (row) => <State state={row.state} /> }),
    c.of("addresses", "machine.addresses", (row) => row.addresses.join(", ")),
    c.of("waits", "farms.waits", (row) => row.error || row.waiting_for, { isMinor: true }),
    c.text("template_name", "column.size", { isMinor: true }),
    c.time("launched", "machine.launched"),
  ],
  search: (row) => [row.name, row.host, ...row.addresses],
  id: (row) => row.uuid,
  name: (row) => row.name,
  ...(isMine && { actions: WORKER_ACTIONS }),
  none: ["farms.noMachines", "farms.noMachinesHelp"],
});
const MINE = specOf(true, ({ uuid }) => addressTo("machine", { uuid }));
const ALL = specOf(false, ({ name, cluster }) => addressTo("clusterMachines", { cluster }, `?search=${encodeURIComponent(name)}`));

/** What is known of a farm, and its machines. */
export function FarmView({ farm, isMine, reload }: { farm: Farm; isMine: boolean; reload: () => void }): ReactNode {
  const texts = useTexts();
  const { t, memory, number, time } = texts;
  const data = useMemo(
    () => ({ rows: farm.vms.map((vm) => ({ ...vm, farm_id: farm.farm_id, cluster: farm.cluster })), came: true, missing: [], reload }),
    [farm, reload],
  );
  return (
    <>
      <Section title="machine.overview" beside={<span role="status"><Status group="farmState" value={farm.state} /></span>}>
        {!farm.joined && farm.vms.length > 0 && <Alert component="p" variant="warning" isInline title={t("farms.apart")} />}
        <Facts facts={[
          ["column.description", farm.description],
          ["column.image", farm.image_name],
          ["farms.headSize", farm.head_template_name],
          ["farms.workerSize", farm.template_name],
          ["farms.workers", number(farm.workers)],
          ["column.cpu", number(farm.cpu)], ["column.memory", memory(farm.memory_mib)], ["menu.disks", memory(farm.disk_mib)],
          ["farms.uptime", farm.started && t("farms.since", { time: time(farm.started), lasting: upFor(farm, texts) })],
          ["farms.key", <code key="key">{farm.public_key}</code>],
          ["farms.keyAt", t(farm.shared_key ? "farms.keyAtAll" : "farms.keyAtHead")],
          ["column.owner", farm.user_login], ["column.cluster", farm.cluster], ["column.created", time(farm.created)], ["column.uuid", farm.uuid],
        ]} />
      </Section>
      <Section title="machines.title"><List spec={isMine ? MINE : ALL} data={data} isPart /></Section>
    </>
  );
}
