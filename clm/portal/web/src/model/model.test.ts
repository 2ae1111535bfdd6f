import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "../api/cloud.ts";
import { translator, told } from "../texts/translate.ts";
import { routeOf } from "./routes.ts";
import { ACTIONS, chosen, may, queryOf, viewOf } from "./machines.ts";
import { linesOf } from "./plan.ts";
import { empty, filled, keep, kept } from "./wizard.ts";

const machine = (name: string, more: Partial<Machine> = {}): Machine =>
  ({ uuid: name, name, state: "running", leases: [], cpu: 1, memory_mib: 512, cluster: "north", image_name: "i", ...more }) as Machine;

test("a view goes into the address and comes back from it", () => {
  for (const query of ["", "?search=web+1", "?state=stopped&sort=-memory_mib"]) {
    assert.equal(queryOf(viewOf(new URLSearchParams(query))), query);
  }
  assert.equal(viewOf(new URLSearchParams("?sort=%3Cscript%3E")).sort, "name");
});

test("names are sorted as people count, and found by part or address", () => {
  const all = [machine("web-10"), machine("web-9", { leases: [{ address: "10.0.0.7" }] }), machine("Db", { state: "stopped" })];
  const names = (query: string): string[] => chosen(all, viewOf(new URLSearchParams(query))).map((each) => each.name);
  assert.deepEqual(names(""), ["Db", "web-9", "web-10"]);
  assert.deepEqual(names("?sort=-name"), ["web-10", "web-9", "Db"]);
  assert.deepEqual(names("?search=10.0.0"), ["web-9"]);
  assert.deepEqual(names("?search=WEB&state=running"), ["web-9", "web-10"]);
});

test("what fits the state may be done, of others' machines what the level lets", () => {
  const can = (more: Partial<Machine>): string[] => ACTIONS.filter((action) => may(action, machine("a", more)));
  assert.deepEqual(can({ state: "stopped" }), ["start", "destroy"]);
  assert.deepEqual(can({ state: "running" }), ["shutdown", "stop", "reset", "destroy"]);
  assert.deepEqual(can({ state: "destroyed" }), []);
  assert.deepEqual(can({ state: "stopped", access: "operator" }), ["start"]);
  assert.deepEqual(can({ state: "stopped", access: "user" }), []);
});

test("Polish has its forms, and what has no text of ours is said as the server says it", () => {
  const t = translator("pl");
  const counted = [1, 2, 5, 22].map((n) => t("machines.count", { n }));
  assert.deepEqual(counted, ["1 maszyna", "2 maszyny", "5 maszyn", "22 maszyny"]);
  assert.equal(told(t, { slug: "otp_required", message: "x" }), "Konto ma drugi składnik: wpisz kod.");
  assert.equal(told(t, { slug: "no_capacity", message: "No node has room." }), "No node has room.");
});

test("a draft outlives a reload, and rubbish in its place does no harm", () => {
  const storage = new Map<string, string>();
  const draft = { ...empty("r1"), name: "web", image: "u" };
  keep({ setItem: (key, value) => void storage.set(key, value) }, draft);
  const read = (text: string | null): unknown => kept({ getItem: () => text }, "r2");
  assert.deepEqual(read([...storage.values()][0] ?? null), draft);
  for (const text of [null, "", "[", "7", '{"count": "many", "name": 3}']) assert.deepEqual(read(text), empty("r2"));
  assert.ok(filled("image", draft) && !filled("review", draft));
});

test("addresses lead to their pages, others nowhere", () => {
  assert.deepEqual(routeOf("/ui/"), { page: "machines" });
  assert.deepEqual(routeOf("/ui/machines/new"), { page: "create" });
  assert.deepEqual(routeOf("/ui/machines/3b2f"), { page: "machine", uuid: "3b2f" });
  assert.deepEqual(routeOf("/ui/elsewhere"), { page: "nowhere" });
});

test("a plan is read as words", () => {
  const lines = linesOf([{ step: "claim", vms: 1, node: null, zones: [] }]);
  assert.deepEqual(lines, [{ step: "claim", rest: "vms: 1" }]);
});
