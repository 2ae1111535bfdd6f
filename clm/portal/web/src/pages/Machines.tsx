import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter } from "@patternfly/react-core/dist/esm/components/EmptyState/index.js";
import { FormSelect, FormSelectOption } from "@patternfly/react-core/dist/esm/components/FormSelect/index.js";
import { SearchInput } from "@patternfly/react-core/dist/esm/components/SearchInput/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core/dist/esm/components/Toolbar/index.js";
import { useCallback, useDeferredValue, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { listed, machines, missing, type Machine } from "../api/cloud.ts";
import { addressOf, chosen, queryOf, SORTS, viewOf, type SortKey, type View } from "../model/machines.ts";
import type { Key } from "../texts/translate.ts";
import { Actions } from "../ui/Actions.tsx";
import { Heading } from "../ui/Heading.tsx";
import { Link } from "../ui/Link.tsx";
import { useTexts, type Texts } from "../ui/settings.ts";
import { Problem } from "../ui/Problem.tsx";
import { addresses } from "../model/routes.ts";
import { go, useAddress } from "../ui/router.ts";
import { State } from "../ui/State.tsx";
import { VirtualTable, type Column } from "../ui/VirtualTable.tsx";

const STATES = ["running", "stopped", "starting", "stopping", "paused", "error"] as const;
const TITLES: Record<SortKey, Key> = {
  name: "column.name", state: "column.state", cluster: "column.cluster", address: "column.address",
  image_name: "column.image", cpu: "column.cpu", memory_mib: "column.memory",
};
const id = (machine: Machine): string => machine.uuid;

function cell(key: SortKey, { memory, t }: Texts): (machine: Machine) => ReactNode {
  if (key === "name") return (machine) => <Link to={addresses.machine(machine.uuid)}>{machine.name}</Link>;
  if (key === "state") return (machine) => <State state={machine.state} />;
  if (key === "address") return (machine) => addressOf(machine) || t("machine.nothing");
  if (key === "memory_mib") return (machine) => memory(machine.memory_mib);
  return (machine) => machine[key];
}

function Empty(props: { searched: boolean; clear: () => void }): ReactNode {
  const { t } = useTexts();
  const { searched } = props;
  return (
    <EmptyState headingLevel="h2" titleText={t(searched ? "machines.noneFound" : "machines.none")}>
      <EmptyStateBody>{t(searched ? "machines.noneFoundHelp" : "machines.noneHelp")}</EmptyStateBody>
      {searched && (
        <EmptyStateFooter>
          <EmptyStateActions><Button variant="link" onClick={props.clear}>{t("machines.clear")}</Button></EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

export default function Machines(): ReactNode {
  const texts = useTexts();
  const { t } = texts;
  const rows = useSyncExternalStore(machines.subscribe, machines.snapshot);
  const away = useSyncExternalStore(missing.subscribe, missing.get);
  const came = useSyncExternalStore(listed.subscribe, listed.get);
  const { search: query } = useAddress();
  const view = useMemo(() => viewOf(new URLSearchParams(query)), [query]);
  const later = useDeferredValue(view);
  const shown = useMemo(() => chosen(rows, later), [rows, later]);
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const selected = useMemo(() => rows.filter((machine) => ticked.has(machine.uuid)), [rows, ticked]);
  const change = (next: Partial<View>): void => go(addresses.machines(queryOf({ ...view, ...next })), true);
  const select = useCallback((uuid: string, on: boolean) => {
    setTicked((was) => {
      const now = new Set(was);
      if (on) now.add(uuid);
      else now.delete(uuid);
      return now;
    });
  }, []);
  const columns = useMemo<Column<Machine>[]>(
    () => SORTS.map((key) => ({ key, title: texts.t(TITLES[key]), render: cell(key, texts) })),
    [texts],
  );
  const searched = view.search !== "" || view.state !== "";
  return (
    <>
      <Heading text={t("machines.title")}>
        <Button variant="primary" component="a" href={addresses.create()} onClick={(event) => {
          event.preventDefault();
          go(addresses.create());
        }}>{t("machines.create")}</Button>
      </Heading>
      {came instanceof Error && <Problem error={came} />}
      {away.map((each) => (
        <Alert component="p" key={each.cluster} variant="warning" isInline title={t("machines.missing", { cluster: each.cluster })} />
      ))}
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem>
            <SearchInput aria-label={t("machines.search")} placeholder={t("machines.search")} value={view.search}
              onChange={(_event, search) => change({ search })} onClear={() => change({ search: "" })} />
          </ToolbarItem>
          <ToolbarItem>
            <FormSelect aria-label={t("machines.state")} value={view.state} onChange={(_event, state) => change({ state })}>
              <FormSelectOption value="" label={t("machines.allStates")} />
              {STATES.map((state) => <FormSelectOption key={state} value={state} label={t(`state.${state}`)} />)}
            </FormSelect>
          </ToolbarItem>
          <ToolbarItem><Actions machines={selected} done={() => setTicked(new Set())} /></ToolbarItem>
          <ToolbarItem>
            <span role="status">
              {t("machines.count", { n: shown.length })}
              {selected.length > 0 && `, ${t("machines.countSelected", { n: selected.length })}`}
            </span>
          </ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      {came === false && rows.length === 0 && <Spinner aria-label={t("app.loading")} />}
      {came === true && shown.length === 0 && <Empty searched={searched} clear={() => change({ search: "", state: "" })} />}
      {shown.length > 0 && (
        <VirtualTable label={t("machines.title")} rows={shown} id={id} columns={columns} selected={ticked} onSelect={select}
          sort={{ key: view.sort, direction: view.descending ? "desc" : "asc" }} selectHead={t("machines.selectHead")}
          onSort={(key, direction) => change({ sort: key as SortKey, descending: direction === "desc" })}
          selectLabel={(machine) => t("machines.select", { name: machine.name })} view={queryOf(view)} />
      )}
    </>
  );
}
