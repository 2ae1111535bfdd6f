// Lists, whole: of all clusters, of each in turn, of one, or the cloud's own; longer ones than a page come page by page.
import { call, problemOf, type WawelError } from "./rpc.ts";
import type { Given, Method, Methods } from "./wawel.ts";

/** A cluster that did not answer. */
export interface Missing {
  cluster: string;
  code: string;
  message: string;
}
export interface Placed {
  cluster: string;
}
export type ItemOf<M extends Method> = Methods[M]["result"] extends infer R ? (R extends readonly (infer I)[] ? I : never) : never;

/** The most that one call gives. */
export const PAGE = 10_000;

interface Part {
  method: Method;
  params?: Readonly<Record<string, unknown>>;
  /** Written into each of its rows. */
  mark?: Readonly<Record<string, unknown>>;
}

/** What a list is of. It is plain, so that two that read the same are the same. */
export interface Source<T> {
  parts: readonly Part[];
  /** `everywhere`: one call for all clusters; `each`: the call is of one cluster; `cloud`: it knows none. */
  of: "everywhere" | "each" | "cloud" | { cluster: string };
  /** How the next page is asked for, by which member of a row; without it the list is whole at once. */
  page?: readonly ["before" | "after", string];
  /** The feed's kinds that tell of these rows; and of others, after which the list is read again. */
  kinds?: readonly string[];
  /** Whether it holds what is others': an administrator's. */
  all?: boolean;
  readonly rowType?: T;
}

type Options = Omit<Source<never>, "parts" | "of" | "rowType">;
type Asked = Readonly<Record<string, unknown>>;

export const everywhere = <M extends Method>(method: M, options: Options = {}, params: Asked = {}): Source<ItemOf<M> & Placed> =>
  ({ ...options, parts: [{ method, params }], of: "everywhere" });
export const fromEach = <M extends Method>(method: M, options: Options = {}, params: Asked = {}): Source<ItemOf<M> & Placed> =>
  ({ ...options, parts: [{ method, params }], of: "each" });
export const ofCluster = <M extends Method>(method: M, cluster: string, options: Options = {}, params: Asked = {}): Source<ItemOf<M> & Placed> =>
  ({ ...options, parts: [{ method, params }], of: { cluster } });
export const ofCloud = <M extends Method>(method: M, options: Options = {}, params: Asked = {}): Source<ItemOf<M>> =>
  ({ ...options, parts: [{ method, params }], of: "cloud" });

export interface Loaded<T> {
  rows: T[];
  missing: readonly Missing[];
}

type Row = Record<string, unknown>;

const ask = (method: Method, params: object): Promise<unknown> => call(method, ...([params] as unknown as Given<Method>));

async function pages(method: Method, params: Asked, page: Source<Row>["page"], first?: Row[]): Promise<Row[]> {
  if (!page) return (await ask(method, params)) as Row[];
  const [way, id] = page;
  const rows = first ? [...first] : ((await ask(method, { ...params, limit: PAGE })) as Row[]);
  let more = rows.length === PAGE;
  while (more) {
    const next = (await ask(method, { ...params, limit: PAGE, [way]: rows.at(-1)?.[id] })) as Row[];
    rows.push(...next);
    more = next.length === PAGE;
  }
  return rows;
}

async function ofAll(method: Method, params: Asked, page: Source<Row>["page"]): Promise<Loaded<Row>> {
  const asked = { ...params, cluster: "*", ...(page && { limit: PAGE }) };
  const answer = (await ask(method, asked)) as { items: Row[]; missing: Missing[] };
  const rows = [...answer.items];
  if (page && rows.length >= PAGE) {
    // Each cluster gives a page, and numbers by itself: who gave a full one is asked on.
    for (const cluster of new Set(rows.map((row) => String(row["cluster"])))) {
      const first = rows.filter((row) => row["cluster"] === cluster);
      if (first.length !== PAGE) continue;
      const all = await pages(method, { ...params, cluster }, page, first);
      rows.push(...all.slice(PAGE).map((row) => ({ ...row, cluster })));
    }
  }
  return { rows, missing: answer.missing };
}

async function ofEach(method: Method, params: Asked, page: Source<Row>["page"]): Promise<Loaded<Row>> {
  const clusters = (await call("user.cluster.get_list")).map((each) => each.name);
  const missing: Missing[] = [];
  const found = await Promise.all(
    clusters.map(async (cluster) => {
      try {
        return (await pages(method, { ...params, cluster }, page)).map((row) => ({ ...row, cluster }));
      } catch (error) {
        const problem: WawelError = problemOf(error);
        missing.push({ cluster, code: problem.slug, message: problem.message });
        return [];
      }
    }),
  );
  return { rows: found.flat(), missing };
}

async function loadPart(part: Part, source: Source<unknown>): Promise<Loaded<Row>> {
  const params = part.params ?? {};
  if (source.of === "everywhere") return ofAll(part.method, params, source.page);
  if (source.of === "each") return ofEach(part.method, params, source.page);
  if (source.of === "cloud") return { rows: await pages(part.method, params, source.page), missing: [] };
  const { cluster } = source.of;
  const rows = await pages(part.method, { ...params, cluster }, source.page);
  return { rows: rows.map((row) => ({ ...row, cluster })), missing: [] };
}

/** @throws {WawelError} it cannot be told. A cluster that is missing is told of in the answer. */
export async function load<T>(source: Source<T>): Promise<Loaded<T>> {
  const found = await Promise.all(
    source.parts.map(async (part) => {
      const { rows, missing } = await loadPart(part, source);
      return { rows: part.mark ? rows.map((row) => ({ ...row, ...part.mark })) : rows, missing };
    }),
  );
  const away = new Map(found.flatMap((each) => each.missing).map((each) => [each.cluster, each]));
  return { rows: found.flatMap((each) => each.rows) as T[], missing: [...away.values()] };
}
