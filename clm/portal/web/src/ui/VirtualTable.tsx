// A table that keeps only the rows in sight in the document, so that twenty thousand cost what twenty do.
import { Table, Tbody, Th, Thead, Tr } from "@patternfly/react-table";
import { memo, useCallback, useLayoutEffect, useRef, useState, type MouseEvent, type ReactNode } from "react";
import { slotsOf } from "../model/slots.ts";

export interface Column<T> {
  key: string;
  title: string;
  render: (row: T) => ReactNode;
  /** Left out where there is little width. */
  isMinor: boolean;
  /** It takes what the others leave. */
  isWide: boolean;
}

interface Picking<T> {
  selected: ReadonlySet<string>;
  onSelect: (id: string, on: boolean) => void;
  head: string;
  label: (row: T) => string;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  id: (row: T) => string;
  columns: readonly Column<T>[];
  /** Rows are chosen, to do something to them. */
  picking?: Picking<T>;
  sort: { key: string; direction: "asc" | "desc" };
  onSort: (key: string, direction: "asc" | "desc") => void;
  /** It is one of several things on its page: as high as its rows, if they are few. */
  isPart?: boolean;
  /** What the rows are chosen and sorted by: when it changes, the list begins at its top. */
  view: string;
}

const OVERSCAN = 2;
/** So many rows are scrolled before others are in the document. */
const STEP = 4;
const ROW_PX = 41; // as in app.css
/** So many are all in the document. */
const FEW = 40;
const classOf = ({ isMinor, isWide }: Pick<Column<never>, "isMinor" | "isWide">, index: number): string =>
  [isMinor && "w-minor", isWide ? "w-wide" : index === 0 && "w-first"].filter(Boolean).join(" ");
const ROW = "pf-v6-c-table__tr";
const CELL = "pf-v6-c-table__td";

/** What is cut off is told to who points at it. (PatternFly's own way has the keyboard stop at each such cell.) */
function hint({ currentTarget: cell }: MouseEvent<HTMLElement>): void {
  const isCut = [cell, ...cell.children].some((each) => each.scrollWidth > each.clientWidth);
  cell.title = isCut ? cell.innerText : "";
}

interface RowProps<T> {
  row: T;
  index: number;
  columns: readonly Column<T>[];
  id: string;
  selected: boolean;
  picking: Picking<T> | undefined;
}

/** With PatternFly's classes, and without its components: each of those measures itself, and each row of them renders twice. */
function PlainRow<T>(props: RowProps<T>): ReactNode {
  return (
    <tr className={props.selected ? `${ROW} pf-m-selected` : ROW} aria-rowindex={props.index + 2}>
      {props.picking && (
        <td className={`${CELL} pf-v6-c-table__check w-pick`}>
          <label className="w-check">
            <input type="checkbox" checked={props.selected} aria-label={props.picking.label(props.row)}
              onChange={(event) => props.picking?.onSelect(props.id, event.currentTarget.checked)} />
          </label>
        </td>
      )}
      {props.columns.map((column, index) => (
        <td key={column.key} data-label={column.title} className={`${CELL} ${classOf(column, index)}`} onMouseEnter={hint}>{column.render(props.row)}</td>
      ))}
    </tr>
  );
}
// What is picked is told by `selected`: the handlers may be others each time.
const Row = memo(PlainRow, (was, now) =>
  was.row === now.row && was.columns === now.columns && was.selected === now.selected && was.index === now.index) as typeof PlainRow;

type HeadProps<T> = Pick<Props<T>, "columns" | "sort" | "onSort"> & { picking: string | undefined };

function PlainHead<T>({ columns, sort, onSort, picking }: HeadProps<T>): ReactNode {
  const active = columns.findIndex((column) => column.key === sort.key);
  return (
    <Thead>
      <Tr>
        {picking !== undefined && <Th screenReaderText={picking} className="w-pick" />}
        {columns.map((column, index) => (
          <Th key={column.key} className={classOf(column, index)}
            sort={{ sortBy: { index: active, direction: sort.direction }, columnIndex: index,
              onSort: (_event, _index, direction) => onSort(column.key, direction) }}>
            {column.title}
          </Th>
        ))}
      </Tr>
    </Thead>
  );
}
// Scrolling makes no other head.
const Head = memo(PlainHead, (was, now) =>
  was.columns === now.columns && was.sort.key === now.sort.key && was.sort.direction === now.sort.direction
  && was.picking === now.picking && was.onSort === now.onSort) as typeof PlainHead;

function Space(props: { rows: number; columns: number }): ReactNode {
  if (props.rows <= 0) return null;
  return <tr aria-hidden="true" style={{ height: props.rows * ROW_PX }}><td colSpan={props.columns} /></tr>;
}

export function VirtualTable<T>(props: Props<T>): ReactNode {
  const { rows, columns, picking } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const scrolled = useCallback(() => {
    if (box.current) setTop(Math.floor(box.current.scrollTop / ROW_PX / STEP) * STEP);
  }, []);
  useLayoutEffect(() => {
    box.current?.scrollTo(0, 0);
    setTop(0);
  }, [props.view]);
  const isShort = rows.length <= FEW;
  const visible = isShort ? FEW : Math.ceil(height / ROW_PX) + STEP;
  // The list may just have become shorter than where it is scrolled to: a spacer of the old height would keep it there.
  const at = Math.min(top, Math.max(0, rows.length - visible));
  const first = Math.max(0, at - OVERSCAN);
  const last = Math.min(rows.length, at + visible + OVERSCAN);
  const shown = rows.slice(first, last);
  const slots = useRef<ReadonlyMap<string, number>>(new Map());
  const focused = useRef<string>(undefined);
  slots.current = slotsOf(shown.map(props.id), slots.current, focused.current);
  const onSort = useRef(props.onSort);
  onSort.current = props.onSort;
  const sorted = useCallback<Props<T>["onSort"]>((key, direction) => onSort.current(key, direction), []);
  return (
    <div className={isShort ? "w-short" : props.isPart ? "w-scroll w-part" : "w-scroll"} ref={box} onScroll={scrolled} tabIndex={0}
      role={props.isPart ? "group" : "region"} aria-label={props.label}>
      <Table aria-label={props.label} variant="compact" isStickyHeader={!isShort} gridBreakPoint="" className="w-table"
        aria-rowcount={rows.length + 1}>
        <Head columns={columns} sort={props.sort} onSort={sorted} picking={picking?.head} />
        <Tbody onBlur={() => { focused.current = undefined; }} onFocus={(event) => {
          const row = rows[Number(event.target.closest("tr")?.getAttribute("aria-rowindex")) - 2];
          focused.current = row && props.id(row);
        }}>
          <Space rows={first} columns={columns.length + 1} />
          {shown.map((row, index) => {
            const id = props.id(row);
            return <Row key={slots.current.get(id) ?? id} row={row} index={first + index} columns={columns} id={id}
              selected={picking?.selected.has(id) ?? false} picking={picking} />;
          })}
          <Space rows={rows.length - last} columns={columns.length + 1} />
        </Tbody>
      </Table>
    </div>
  );
}
