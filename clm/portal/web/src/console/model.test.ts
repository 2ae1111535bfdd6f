import assert from "node:assert/strict";
import { test } from "node:test";
import { addressTo, isAlone, routeOf } from "../model/routes.ts";
import { lineOf } from "./line.ts";
import { KINDS, PAGE_OF, endOf, isShifted, keysymsOf, leaves, pauseOf, PAUSE_MAX_MS, urlOf, viewersOf } from "./model.ts";

test("a console is reached at the cloud that the page is of, with TLS where that has it", () => {
  const path = "/console?ticket=a-_b";
  assert.equal(urlOf("https://cloud.example", path, "north"), "wss://cloud.example/console?ticket=a-_b&cluster=north&viewers=1");
  assert.equal(urlOf("http://127.0.0.1:8000", path, "a&b"), "ws://127.0.0.1:8000/console?ticket=a-_b&cluster=a%26b&viewers=1");
});

test("an end says whether another try can help", () => {
  assert.deepEqual(endOf(1006, ""), { is: "lost" });
  assert.deepEqual(endOf(1001, "the manager is stopped"), { is: "lost" });
  assert.deepEqual(endOf(1000, "the console has ended"), { is: "over", slug: "", message: "the console has ended" });
  assert.deepEqual(endOf(4000, "console_in_use: Somebody: speaks"), { is: "over", slug: "console_in_use", message: "Somebody: speaks" });
  assert.deepEqual(endOf(4000, "?"), { is: "over", slug: "", message: "?" });
  assert.ok(pauseOf(0) < pauseOf(3) && pauseOf(99) === PAUSE_MAX_MS);
});

test("others who look are named once, and oneself not", () => {
  const said = JSON.stringify({ viewers: [{ login: "ann" }, { login: "bob" }, { login: "ann" }, { login: "bob" }] });
  assert.deepEqual(viewersOf(said, "ann"), ["ann", "bob"]); // ann looks from two places
  assert.deepEqual(viewersOf('{"viewers":[{"login":"ann"}]}', "ann"), []);
  for (const wrong of ["", "null", "{}", '{"viewers":3}', "x"]) assert.equal(viewersOf(wrong, "ann"), undefined);
  assert.deepEqual(viewersOf('{"viewers":[null,{}]}', "ann"), []);
});

test("a text is typed as keys, and nothing else of it gets through", () => {
  assert.deepEqual(keysymsOf("aZ~\r\n\t"), [0x61, 0x5a, 0x7e, 0xff0d, 0xff09]);
  assert.deepEqual(keysymsOf("żé€"), [0x0100017c, 0xe9, 0x010020ac]);
  assert.deepEqual(keysymsOf("\u0000\u0007\u007f\u0085"), []);
});

test("what a US keyboard makes with Shift is told from what it makes without", () => {
  assert.ok(keysymsOf('AZ_:"$(*?~').every(isShifted));
  assert.ok(!keysymsOf("az09-;'=/`[].,\\ \n\tż").some(isShifted));
});

test("three keys together leave a console", () => {
  const all = { ctrlKey: true, altKey: true, shiftKey: true };
  assert.ok(leaves({ ...all, key: "Shift" }));
  assert.ok(!leaves({ ...all, key: "a" }) && !leaves({ ...all, altKey: false, key: "Shift" }));
});

test("each kind has a page to itself", () => {
  for (const kind of KINDS) {
    assert.deepEqual(routeOf(addressTo(PAGE_OF[kind], { uuid: "a-b" })), { page: PAGE_OF[kind], params: { uuid: "a-b" } });
    assert.ok(isAlone(PAGE_OF[kind]) && !isAlone("machineConsole"));
  }
});

test("what a console says before anybody listens is kept for who comes, in its order and once", () => {
  const socket = new EventTarget();
  const line = lineOf(socket as WebSocket);
  const heard: unknown[] = [];
  const say = (data: string): boolean => socket.dispatchEvent(new MessageEvent("message", { data }));
  say("greeting");
  socket.addEventListener("message", (event) => heard.push((event as MessageEvent).data));
  say("more");
  assert.deepEqual(heard, []);
  line.begin();
  say("live");
  line.begin();
  assert.deepEqual(heard, ["greeting", "more", "live"]);
});
