import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Change } from "./feed.ts";
import { everywhere, fromEach, load, ofCloud, PAGE } from "./list.ts";
import { own } from "./changes.ts";
import { changed, Live } from "./live.ts";

interface Asked {
  method: string;
  params: Record<string, unknown>;
}

/** A server of so many rows, which gives a page at a time. */
function serve(context: TestContext, answer: (asked: Asked) => unknown): Asked[] {
  const calls: Asked[] = [];
  context.mock.method(globalThis, "fetch", async (_url: string, options: { body: string }) => {
    const asked = JSON.parse(options.body) as Asked;
    calls.push(asked);
    return { json: async () => ({ result: answer(asked) }) };
  });
  (globalThis as { location?: unknown }).location ??= { origin: "http://127.0.0.1" };
  return calls;
}

const numbers = (from: number, count: number): { vm_id: number }[] => Array.from({ length: count }, (_, index) => ({ vm_id: from - index }));

test("a list that is longer than a page comes whole, each cluster by its own numbers", async (context) => {
  const calls = serve(context, ({ params }) => {
    if (params["cluster"] !== "*") return numbers(Number(params["before"]) - 1, 5);
    const items = [...numbers(20_000, PAGE).map((row) => ({ ...row, cluster: "north" })), { vm_id: 7, cluster: "south" }];
    return { items, missing: [] };
  });
  const { rows } = await load(everywhere("user.vm.get_list", { page: ["before", "vm_id"] }));
  assert.equal(rows.length, PAGE + 1 + 5);
  assert.deepEqual(rows.slice(-1), [{ vm_id: 20_000 - PAGE - 4, cluster: "north" }]);
  assert.deepEqual(calls[1]?.params, { cluster: "north", limit: PAGE, before: 20_000 - PAGE + 1 });
  assert.equal(calls.length, 2);
});

test("what the cloud itself lists is paged, too", async (context) => {
  serve(context, ({ params }) => (params["after"] ? [{ user_id: 99 }] : Array.from({ length: PAGE }, (_, index) => ({ user_id: index }))));
  const { rows } = await load(ofCloud("cloud.user.get_list", { page: ["after", "user_id"] }));
  assert.equal(rows.length, PAGE + 1);
});

test("of clusters that are asked one by one, who does not answer is told of", async (context) => {
  serve(context, () => null);
  context.mock.method(globalThis, "fetch", async (_url: string, options: { body: string }) => {
    const { method, params } = JSON.parse(options.body) as Asked;
    if (method === "user.cluster.get_list") return { json: async () => ({ result: [{ name: "north" }, { name: "south" }] }) };
    if (params["cluster"] === "south") return { json: async () => ({ error: { code: -1, message: "away", data: { slug: "cluster_unavailable" } } }) };
    return { json: async () => ({ result: [{ name: "own" }] }) };
  });
  const { rows, missing } = await load(fromEach("user.network.list_user_networks"));
  assert.deepEqual(rows, [{ name: "own", cluster: "north" }]);
  assert.deepEqual(missing, [{ cluster: "south", code: "cluster_unavailable", message: "away" }]);
});

test("a change goes into the row, which keeps what the stream does not tell", () => {
  const rows = [{ uuid: "a", version: 1, state: "ok", level: "owner" }, { uuid: "b", version: 1, state: "ok", level: "user" }];
  const change = (more: Partial<Change>): Change => ({ kind: "disk", object_id: 1, uuid: "a", event: "change", object: null, ...more });
  assert.deepEqual(changed(rows, change({ object: { version: 2, state: "lost" } }))?.[0], { uuid: "a", version: 2, state: "lost", level: "owner" });
  assert.equal(changed(rows, change({ object: { version: 1, state: "ok" } })), rows);
  assert.deepEqual(changed(rows, change({ event: "exit" }))?.map((row) => row.uuid), ["b"]);
  assert.equal(changed(rows, change({ event: "exit", uuid: "c" })), rows);
  // What is new, told without its object, or moves to another list is read anew.
  for (const more of [{ uuid: "c", object: { version: 1 } }, {}, { object: { version: 2, state: "trashed" } }]) assert.equal(changed(rows, change(more)), undefined);
});

test("what changes while a list is on its way is not lost to what was read before", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let version = 1;
  let answer: (result: unknown) => void = () => undefined;
  (globalThis as { location?: unknown }).location ??= { origin: "http://127.0.0.1" };
  context.mock.method(globalThis, "fetch", () => new Promise((resolve) => {
    const read = { uuid: "a", version };
    answer = () => resolve({ json: async () => ({ result: [read] }) });
  }));
  const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const live = new Live<{ uuid: string; version: number }>(ofCloud("user.group.get_list", { kinds: ["group"] }) as never);
  const end = live.begin();
  answer(undefined);
  await settle();
  void live.reload();
  version = 2;
  own.forEach((each) => each.change({ kind: "group", object_id: 1, uuid: "a", event: "change", object: { version: 2 } }));
  answer(undefined);
  await settle();
  assert.equal(live.state.get().rows[0]?.version, 1); // read before
  context.mock.timers.tick(1000);
  answer(undefined);
  await settle();
  assert.equal(live.state.get().rows[0]?.version, 2);
  end();
  assert.equal(own.size, 0);
});
