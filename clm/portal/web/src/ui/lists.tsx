// Pages, and parts of pages, that are lists.
import type { ReactNode } from "react";
import type { Source } from "../api/list.ts";
import { Heading } from "./Heading.tsx";
import { List, type ListSpec } from "./List.tsx";
import { useRows, type LiveRows } from "./live.ts";
import { Make, Section, type Making } from "./parts.tsx";
import { useTexts } from "./settings.ts";

interface ListedProps<T> {
  source: Source<T>;
  spec: ListSpec<T>;
  making?: readonly Making[];
  /** More that stands beside the heading. */
  beside?: ReactNode;
}

interface PageProps<T> extends ListedProps<T> {
  /** What stands between heading and list. */
  children?: (data: LiveRows<T>) => ReactNode;
}

function Makings<T>(props: { making: readonly Making[] | undefined; data: LiveRows<T>; isPart?: boolean }): ReactNode {
  return props.making?.map((making, index) => (
    <Make key={making.key} making={making} done={props.data.reload} isPrimary={index === 0 && !props.isPart} />
  ));
}

/** A page that is a list: its heading, what may be made, and the rows. */
export function ListPage<T>(props: PageProps<T>): ReactNode {
  const { t } = useTexts();
  const data = useRows(props.source);
  return (
    <>
      <Heading text={t(props.spec.title)}>
        <Makings making={props.making} data={data} />
        {props.beside}
      </Heading>
      {props.children?.(data)}
      <List spec={props.spec} data={data} />
    </>
  );
}

/** The same as a part of a page. */
export function ListSection<T>(props: ListedProps<T>): ReactNode {
  const data = useRows(props.source);
  return (
    <Section title={props.spec.title} beside={<><Makings making={props.making} data={data} isPart />{props.beside}</>}>
      <List spec={props.spec} data={data} isPart />
    </Section>
  );
}
