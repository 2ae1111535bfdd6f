import { useMemo, useSyncExternalStore, type ReactNode } from "react";
import { MACHINE_ACTIONS, MACHINE_OFFERS } from "../kinds/machines.ts";
import { listed, machines, missing, type Machine } from "../api/cloud.ts";
import { MACHINE_COLUMNS, STATE_FILTER, wordsOf } from "../model/machines.ts";
import { addressTo } from "../model/routes.ts";
import { Heading } from "../ui/Heading.tsx";
import { Link } from "../ui/Link.tsx";
import { List, type Column, type ListSpec } from "../ui/List.tsx";
import { ButtonTo } from "../ui/parts.tsx";
import { State } from "../ui/State.tsx";
import { useTexts } from "../ui/settings.ts";

const SHOWN: Record<string, Partial<Column<Machine>>> = {
  name: { show: (machine) => <Link to={addressTo("machine", { uuid: machine.uuid })}>{machine.name}</Link> },
  state: { show: (machine) => <State state={machine.state} /> },
  cluster: { isMinor: true },
  image_name: { isMinor: true },
  cpu: { isMinor: true },
  memory_mib: { show: (machine, { memory }) => memory(machine.memory_mib), isMinor: true },
};

const SPEC: ListSpec<Machine> = {
  title: "machines.title",
  columns: MACHINE_COLUMNS.map((column) => ({ ...column, ...SHOWN[column.key] })),
  filters: [STATE_FILTER],
  search: wordsOf,
  id: (machine) => machine.uuid,
  name: (machine) => machine.name,
  actions: MACHINE_ACTIONS,
  offers: MACHINE_OFFERS,
  none: ["machines.none", "machines.noneHelp"],
};

export default function Machines(): ReactNode {
  const { t } = useTexts();
  const rows = useSyncExternalStore(machines.subscribe, machines.snapshot);
  const away = useSyncExternalStore(missing.subscribe, missing.get);
  const came = useSyncExternalStore(listed.subscribe, listed.get);
  const data = useMemo(() => ({ rows, came, missing: away }), [rows, came, away]);
  return (
    <>
      <Heading text={t("machines.title")}><ButtonTo to={addressTo("create")} isPrimary>{t("machines.create")}</ButtonTo></Heading>
      <List spec={SPEC} data={data} />
    </>
  );
}
