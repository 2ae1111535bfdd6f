import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "../api/cloud.ts";
import { ofPassword, WawelError } from "../api/rpc.ts";
import "../texts/more.ts";
import { bytes, extend, memory, translator, told } from "../texts/translate.ts";
import { words } from "../texts/words.en.ts";
import { configOf } from "./ec2.ts";
import { initialOf, lacking, wrongOf, type Field } from "./form.ts";
import { MACHINE_ACTIONS, MACHINE_COLUMNS, may, sizeOf, STATE_FILTER, wordsOf } from "./machines.ts";
import { sentence } from "./messages.ts";
import { addressTo, isFor, menuOf, routeOf, ROUTES } from "./routes.ts";
import { chosen, queryOf, viewOf, type Chooser } from "./table.ts";
import { linesOf } from "./plan.ts";
import { empty, filled, keep, kept } from "./wizard.ts";

const machine = (name: string, more: Partial<Machine> = {}): Machine =>
  ({ uuid: name, name, state: "running", leases: [], cpu: 1, memory_mib: 512, cluster: "north", image_name: "i", ...more }) as Machine;

const LIST: Chooser<Machine> = { columns: MACHINE_COLUMNS, filters: [STATE_FILTER], search: wordsOf, id: (row) => row.uuid };

test("a view goes into the address and comes back from it", () => {
  for (const query of ["", "?search=web+1", "?state=stopped&sort=-memory_mib"]) {
    assert.equal(queryOf(viewOf(new URLSearchParams(query), LIST), LIST), query);
  }
  assert.equal(viewOf(new URLSearchParams("?sort=%3Cscript%3E"), LIST).sort, "name");
});

test("names are sorted as people count, and found by part or address", () => {
  const all = [machine("web-10"), machine("web-9", { leases: [{ address: "10.0.0.7" }] }), machine("Db", { state: "stopped" })];
  const names = (query: string): string[] => chosen(all, viewOf(new URLSearchParams(query), LIST), LIST).map((each) => each.name);
  assert.deepEqual(names(""), ["Db", "web-9", "web-10"]);
  assert.deepEqual(names("?sort=-name"), ["web-10", "web-9", "Db"]);
  assert.deepEqual(names("?search=10.0.0"), ["web-9"]);
  assert.deepEqual(names("?search=WEB&state=running"), ["web-9", "web-10"]);
});

test("what fits the state may be done, of others' machines what the level lets", () => {
  const can = (more: Partial<Machine>): string[] => MACHINE_ACTIONS.filter((action) => may(action, machine("a", more)));
  assert.deepEqual(can({ state: "stopped" }), ["start", "edit", "resize", "save", "save_as_template", "give", "trash", "destroy"]);
  assert.deepEqual(can({ state: "running" }), ["shutdown", "stop", "reset", "pause", "suspend", "edit", "resize", "save", "save_as_template", "give", "trash", "destroy"]);
  assert.deepEqual(can({ state: "suspended" }), ["stop", "wake_up", "edit", "give", "trash", "destroy"]);
  assert.deepEqual(can({ state: "trashed" }), ["recover", "destroy"]);
  assert.deepEqual(can({ state: "destroyed" }), []);
  assert.deepEqual(can({ state: "stopped", access: "operator" }), ["start"]);
  assert.deepEqual(can({ state: "stopped", access: "user" }), []);
});

test("a size is said with what it costs", () => {
  const said = { t: translator("en"), memory: (mib: number) => memory("en", mib), bytes: (count: number) => bytes("en", count) };
  assert.equal(sizeOf({ cpu: 2, memory_mib: 512, points: 0 }, said), "2 CPUs, 512 MiB");
  assert.equal(sizeOf({ cpu: 1, memory_mib: 1024, points: 3 }, said), "1 CPU, 1 GiB, 3 points an hour");
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
  const draft = { ...empty("r1"), name: "web", image: "u", networks: ["7"] };
  keep({ setItem: (key, value) => void storage.set(key, value) }, draft);
  const read = (text: string | null): unknown => kept({ getItem: () => text }, "r2");
  assert.deepEqual(read([...storage.values()][0] ?? null), draft);
  for (const text of [null, "", "[", "7", '{"count": "many", "name": 3, "networks": [1], "securityGroups": null}']) assert.deepEqual(read(text), empty("r2"));
  assert.ok(filled("image", draft) && !filled("review", draft));
});

test("addresses lead to their pages and back, others nowhere", () => {
  assert.deepEqual(routeOf("/ui/"), { page: "machines", params: {} });
  assert.deepEqual(routeOf("/ui/machines/new"), { page: "create", params: {} });
  assert.deepEqual(routeOf("/ui/disks/trash"), { page: "trash", params: {} });
  assert.deepEqual(routeOf("/ui/machines/3b2f"), { page: "machine", params: { uuid: "3b2f" } });
  for (const each of ["/ui/elsewhere", "/ui/machines/a/b/c", "/ui/%"]) assert.equal(routeOf(each).page, "nowhere");
  for (const { page } of ROUTES) {
    const params = { uuid: "a b/c", id: "7", cluster: "north" };
    assert.equal(routeOf(addressTo(page, params)).page, page);
  }
});

test("a page stands in the menu of those whom it is for, once", () => {
  const who = (more: object): Parameters<typeof isFor>[1] => ({ is_cloud_admin: false, administers: [], ...more });
  const north = who({ administers: [{ cluster_id: 1, name: "north" }] });
  assert.ok(isFor("nodes", north, "north") && !isFor("nodes", north, "south") && !isFor("nodes", who({}), "north"));
  assert.ok(isFor("audit", who({ is_cloud_admin: true })) && !isFor("audit", north) && isFor("disks", who({})));
  const current = menuOf("user", routeOf("/ui/disks/trash")).filter((entry) => entry.isCurrent);
  assert.deepEqual(current.map((entry) => entry.page), ["disks"]);
});

test("what is missing in a form is said at its field, and what the server refuses, too", () => {
  const fields: Field[] = [
    { name: "name", label: "column.name", isRequired: true }, { name: "size_mib", label: "column.size", as: "number", min: 1, max: 9 },
    { name: "vms", label: "quota.vms", as: "several", isRequired: true },
  ];
  assert.deepEqual(Object.keys(lacking(fields, { ...initialOf(fields), name: " " })), ["name", "vms"]);
  for (const wrong of ["0", "10", "1.5", "one"]) assert.ok(lacking(fields, { name: "a", size_mib: wrong, vms: ["1"] })["size_mib"]);
  const refused = (slug: string, parameter: string): object =>
    wrongOf({ slug, message: "m", fields: { parameter, reason: "too long" } }, fields);
  assert.deepEqual(refused("invalid_parameter", "name"), { name: { text: "too long" } });
  assert.deepEqual(refused("invalid_parameter", "vms[0]"), { vms: { text: "too long" } });
  assert.deepEqual(refused("name_taken", ""), { name: { text: "m" } });
  assert.deepEqual(refused("invalid_parameter", "cluster"), {});
  assert.deepEqual(refused("quota_reached", "name"), {});
  const asked: Field[] = [{ name: "otp", label: "login.otp" }, { name: "old_password", label: "login.password", as: "password" }, { name: "new_password", label: "login.password", as: "password" }];
  const wrong = ofPassword("user.account.set_password", new WawelError(-32001, "m", { slug: "not_authenticated" }));
  assert.ok(wrong instanceof WawelError);
  assert.deepEqual(wrongOf(wrong, asked), { old_password: { key: "form.password" } });
  assert.equal((ofPassword("user.vm.get_list", new WawelError(-32001, "m", { slug: "not_authenticated" })) as WawelError).slug, "not_authenticated");
});

test("one CPU is no CPUs, in either language", () => {
  const counted = (language: "en" | "pl"): string[] => [1, 2, 5, 22].map((n) => translator(language)("count.cpu", { n }));
  assert.deepEqual(counted("en"), ["1 CPU", "2 CPUs", "5 CPUs", "22 CPUs"]);
  assert.deepEqual(counted("pl"), ["1 procesor", "2 procesory", "5 procesorów", "22 procesory"]);
});

test("sizes have the unit that fits, and the language's comma", () => {
  assert.deepEqual([bytes("en", 0), bytes("en", 1536), bytes("pl", 1.5 * 2 ** 40)], ["0 B", "1.5 KiB", "1,5 TiB"]);
  assert.deepEqual([memory("en", 512), memory("en", 1024)], ["512 MiB", "1 GiB"]);
});

test("messages are sentences, and one that is not known says what it holds", () => {
  const t = translator("en");
  assert.equal(sentence(t, { code: "disk_found", params: { name: "data" } }), "Disk data was lost, and is there again.");
  assert.equal(sentence(t, { code: "job_failed", params: { name: "night", calls: 3, refused: 1 } }), "Job night was run, and 1 of its 3 calls were refused.");
  assert.equal(sentence(t, { code: "vm_start_failed", params: { name: "web", reason: "no room" } }), "start machine (web) failed: no room");
  assert.equal(sentence(t, { code: "new_thing", params: { name: "web" } }), "new thing, name: web");
});

test("a profile for EC2 has a region for each cluster", () => {
  const text = configOf([{ cluster: "north", url: "https://c/north" }, { cluster: "south", url: "https://c/south" }]);
  for (const line of ["[profile wawel]", "region = north", "[profile wawel-south]", "endpoint_url = https://c/south"]) assert.ok(text.includes(line));
  assert.equal(configOf([]), "");
});

test("a plan is read as words, of which those that have none are the server's", () => {
  extend({ en: words, pl: {} });
  const said = { t: translator("en"), memory: (mib: number) => memory("en", mib), bytes: (count: number) => bytes("en", count) };
  const lines = linesOf([
    { step: "claim quota", vms: 1, memory_mib: 2048, node: null, zones: [] },
    { step: "operation", vm: "web", kind: "vm_create", steps: ["volumes"] },
    { step: "move", vm_id: 7, name: "db", state: "running", node_id: 2, node: "node2", operation_id: null, begun: false, how: "live", why_cold: "" },
    { step: "leave", vm_id: 8, name: "big", state: "running", reason: "no room", code: "", operation_id: null },
    { step: "new_thing", some_field: true, verdicts: ["a: fits", "b: full"] },
  ], said);
  assert.deepEqual(lines, [
    { step: "take from the quota", rest: "machines: 1, memory: 2 GiB" },
    { step: "make machine", rest: "machine: web" },
    { step: "move", rest: "name: db, node: node2, how: while it runs" },
    { step: "stays", rest: "name: big, state: running, reason: no room" },
    { step: "new thing", rest: "some field: yes, nodes: a: fits, b: full" },
  ]);
});
