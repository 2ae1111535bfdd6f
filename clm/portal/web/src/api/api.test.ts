import assert from "node:assert/strict";
import { test } from "node:test";
import { ahead, heard } from "./clock.ts";
import { isUnsure, type Machine } from "./cloud.ts";
import { pauseMs } from "./feed.ts";
import { SseReader } from "./sse.ts";
import { Collection } from "./store.ts";

interface Row {
  uuid: string;
  version: number;
  name: string;
}
const made = (): Collection<Row> => new Collection<Row>((run) => run());
const names = (rows: Collection<Row>): string[] => rows.snapshot().map((row) => row.name).sort();

test("what the feed told while the list was on its way wins", () => {
  const rows = made();
  rows.begin();
  rows.put({ uuid: "a", version: 3, name: "new" });
  rows.put({ uuid: "b", version: 1, name: "entered" });
  rows.load([{ uuid: "a", version: 2, name: "old" }, { uuid: "c", version: 1, name: "c" }]);
  assert.deepEqual(names(rows), ["c", "entered", "new"]);
});

test("an exit before the list arrives keeps the object out, unless it enters again", () => {
  const rows = made();
  rows.drop("a");
  rows.drop("b");
  rows.put({ uuid: "b", version: 5, name: "back" });
  rows.load([{ uuid: "a", version: 9, name: "ghost" }]);
  assert.deepEqual(names(rows), ["back"]);
});

test("what a new list lacks is gone, and an older version changes nothing", () => {
  const rows = made();
  rows.load([{ uuid: "a", version: 2, name: "two" }, { uuid: "b", version: 1, name: "b" }]);
  rows.put({ uuid: "a", version: 1, name: "one" });
  assert.deepEqual(names(rows), ["b", "two"]);
  rows.begin();
  rows.load([{ uuid: "a", version: 2, name: "two" }]);
  assert.deepEqual(names(rows), ["two"]);
});

test("what depends on who asks is added to a row that is there, and stays over older versions", () => {
  const rows = new Collection<Row & { access?: string }>((run) => run());
  rows.load([{ uuid: "a", version: 2, name: "a" }]);
  rows.amend("a", { access: "operator" });
  rows.amend("b", { access: "user" });
  rows.put({ uuid: "a", version: 2, name: "the same" });
  assert.deepEqual(rows.snapshot(), [{ uuid: "a", version: 2, name: "a", access: "operator" }]);
});

test("whose a machine is, and what one may with it, is asked where the stream leaves it open", () => {
  const own = { uuid: "a", version: 2 } as Machine;
  const others = { ...own, access: "user" } as Machine;
  const newer = { ...own, version: 3 };
  assert.ok(isUnsure(undefined, own)); // granted, or made elsewhere
  assert.ok(!isUnsure(own, newer) && !isUnsure(own, own));
  assert.ok(isUnsure(others, own)); // nothing of it changed, so a level may have
  assert.ok(!isUnsure(others, newer));
});

test("many changes at once are shown once, very many four times a second", () => {
  const waits: number[] = [];
  const runs: (() => void)[] = [];
  const rows = new Collection<Row>((run, afterMs) => {
    waits.push(afterMs);
    runs.push(run);
  });
  for (let version = 1; version <= 30; version += 1) rows.put({ uuid: "a", version, name: String(version) });
  assert.deepEqual(waits, [0]);
  runs[0]?.();
  rows.put({ uuid: "a", version: 31, name: "31" });
  assert.deepEqual(waits, [0, 250]);
});

test("events are read wherever the stream is cut", () => {
  const text = 'retry: 2000\nid: e.1\n\n:\n\nid: e.2\nevent: change\ndata: {"a": 1}\n\n';
  const expected = [{ id: "e.1", event: "", data: "" }, { id: "e.2", event: "change", data: '{"a": 1}' }];
  for (let at = 0; at <= text.length; at += 1) {
    const reader = new SseReader();
    assert.deepEqual([...reader.push(text.slice(0, at)), ...reader.push(text.slice(at))], expected);
  }
});

test("pauses between attempts grow to half a minute at most", () => {
  assert.ok(pauseMs(1, 0) >= 500 && pauseMs(1, 1) <= 1000);
  assert.ok(pauseMs(50, 1) <= 30_000);
});

test("a clock that is off by a day is known to be, one that is off by a second is not cared about", () => {
  const now = Date.UTC(2026, 10, 30);
  heard(new Date(now + 1000).toUTCString(), now);
  assert.equal(ahead.get(), 0);
  heard(new Date(now - 86_400_000).toUTCString(), now);
  assert.equal(ahead.get(), -86_400_000);
  for (const nothing of [null, "yesterday"]) heard(nothing, now);
  assert.equal(ahead.get(), -86_400_000);
  heard(new Date(now).toUTCString(), now);
  assert.equal(ahead.get(), 0);
});
