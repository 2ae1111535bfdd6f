import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter } from "@patternfly/react-core/dist/esm/components/EmptyState/index.js";
import { FormSelect, FormSelectOption } from "@patternfly/react-core/dist/esm/components/FormSelect/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { TextInput } from "@patternfly/react-core/dist/esm/components/TextInput/index.js";
import { useCallback, useDeferredValue, useMemo, useState, type ReactNode } from "react";
import type { Rows } from "../api/live.ts";
import type { Action } from "../model/action.ts";
import { chosen, isNarrowed, queryOf, viewOf, type Column as Plain, type Filter, type View } from "../model/table.ts";
import type { Key } from "../texts/translate.ts";
import { Actions } from "./Actions.tsx";
import type { Offers } from "./offers.ts";
import { Problem } from "./Problem.tsx";
import { go, useAddress } from "./router.ts";
import { useTexts, type Texts } from "./settings.ts";
import { VirtualTable } from "./VirtualTable.tsx";

export interface Column<T> extends Plain<T> {
  /** How it is shown; as what it is sorted by, without. */
  show?: (row: T, texts: Texts) => ReactNode;
  /** Left out where there is little width. */
  isMinor?: boolean;
  /** It takes what the others leave. */
  isWide?: boolean;
}

export interface ListSpec<T> {
  title: Key;
  columns: readonly Column<T>[];
  filters?: readonly Filter<T>[];
  /** What is searched, where it is not what the columns hold. */
  search?: (row: T) => readonly string[];
  id: (row: T) => string;
  /** What it is called in questions and outcomes. */
  name: (row: T) => string;
  actions?: readonly Action<T>[];
  offers?: Offers<T>;
  /** What is said where there is nothing: what it is, and what to do next. */
  none: readonly [Key, Key];
}

interface Props<T> {
  spec: ListSpec<T>;
  data: Rows<T> & { reload?: () => void };
  /** Where there are several lists on a page, only one of them is in the address. */
  isPart?: boolean;
}

function Empty(props: { spec: ListSpec<never>; isNarrowed: boolean; isPart: boolean; clear: () => void }): ReactNode {
  const { t } = useTexts();
  const [title, help] = props.isNarrowed ? (["list.noneFound", "list.noneFoundHelp"] as const) : props.spec.none;
  if (props.isPart && !props.isNarrowed) return <p className="w-none">{t(title)} {t(help)}</p>;
  return (
    <EmptyState headingLevel="h2" titleText={t(title)}>
      <EmptyStateBody>{t(help)}</EmptyStateBody>
      {props.isNarrowed && (
        <EmptyStateFooter>
          <EmptyStateActions><Button variant="link" onClick={props.clear}>{t("list.clear")}</Button></EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** What is chosen of a list: in the address, or here. */
function useView<T>(spec: ListSpec<T>, isPart: boolean): [View, (next: Partial<View>) => void] {
  const { pathname, search } = useAddress();
  const [here, setHere] = useState("");
  const query = isPart ? here : search;
  const view = useMemo(() => viewOf(new URLSearchParams(query), spec), [query, spec]);
  const change = (next: Partial<View>): void => {
    const asked = queryOf({ ...view, ...next }, spec);
    if (isPart) setHere(asked);
    else go(pathname + asked, true);
  };
  return [view, change];
}

function useTicks<T>(rows: readonly T[], id: (row: T) => string): {
  ticked: ReadonlySet<string>; selected: readonly T[]; select: (id: string, on: boolean) => void; clear: () => void;
} {
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const selected = useMemo(() => (ticked.size ? rows.filter((row) => ticked.has(id(row))) : []), [rows, ticked, id]);
  const select = useCallback((of: string, on: boolean) => {
    setTicked((was) => {
      const now = new Set(was);
      if (on) now.add(of);
      else now.delete(of);
      return now;
    });
  }, []);
  const clear = useCallback(() => setTicked(new Set()), []);
  return { ticked, selected, select, clear };
}

/** A list from a description: searched, filtered, sorted, with what may be done to the rows that are chosen. */
export function List<T>(props: Props<T>): ReactNode {
  const texts = useTexts();
  const { t } = texts;
  const { spec, data, isPart = false } = props;
  const [view, change] = useView(spec, isPart);
  const later = useDeferredValue(view);
  const shown = useMemo(() => chosen(data.rows, later, spec), [data.rows, later, spec]);
  const { ticked, selected, select, clear } = useTicks(data.rows, spec.id);
  const columns = useMemo(
    () =>
      spec.columns.map((column) => ({
        key: column.key,
        title: texts.t(column.title),
        isMinor: column.isMinor ?? false,
        isWide: column.isWide ?? false,
        render: (row: T): ReactNode => (column.show ? column.show(row, texts) : String(column.value(row) ?? "")) || texts.t("list.nothing"),
      })),
    [spec, texts],
  );
  const narrowed = isNarrowed(view);
  const hasTools = data.rows.length > 0 || narrowed;
  const short = isPart && data.rows.length <= 10;
  return (
    <>
      {data.came instanceof Error && <Problem error={data.came} {...(data.reload && { retry: data.reload })} />}
      {data.missing.map((each) => (
        <Alert component="p" key={each.cluster} variant="warning" isInline title={t("list.missing", { cluster: each.cluster })} />
      ))}
      {hasTools && (
        <div className="w-tools">
          {!short && (
            <TextInput type="search" aria-label={`${t("list.search")}: ${t(spec.title)}`} placeholder={t("list.search")} value={view.search}
              onChange={(_event, search) => change({ search })} />
          )}
          {!short && (spec.filters ?? []).map((filter) => (
            <FormSelect key={filter.key} aria-label={t(filter.title)} value={view.filters[filter.key] ?? ""}
              onChange={(_event, value) => change({ filters: { ...view.filters, [filter.key]: value } })}>
              <FormSelectOption value="" label={t(filter.any)} />
              {filter.options.map((option) => <FormSelectOption key={option.value} value={option.value} label={t(option.title)} />)}
            </FormSelect>
          ))}
          <span role="status">
            {t("list.count", { n: shown.length })}
            {selected.length > 0 && `, ${t("list.selected", { n: selected.length })}`}
          </span>
        </div>
      )}
      {spec.actions && hasTools && (
        <Actions rows={selected} name={spec.name} actions={spec.actions} offers={spec.offers}
          done={() => {
            clear();
            data.reload?.();
          }} />
      )}
      {data.came === false && data.rows.length === 0 && <Spinner aria-label={t("app.loading")} />}
      {data.came === true && shown.length === 0 && (
        <Empty spec={spec as unknown as ListSpec<never>} isNarrowed={narrowed} isPart={isPart} clear={() => change({ search: "", filters: {} })} />
      )}
      {shown.length > 0 && (
        <VirtualTable label={t(spec.title)} rows={shown} id={spec.id} columns={columns} view={queryOf(view, spec)} isPart={isPart}
          {...(spec.actions && { picking: { selected: ticked, onSelect: select, head: t("list.selectHead"),
            label: (row: T) => t("list.select", { name: spec.name(row) }) } })}
          sort={{ key: view.sort, direction: view.descending ? "desc" : "asc" }}
          onSort={(key, direction) => change({ sort: key, descending: direction === "desc" })} />
      )}
    </>
  );
}
