import assert from "node:assert/strict";
import { test } from "node:test";
import { slotsOf } from "./slots.ts";

test("who stays keeps their place, who comes takes a free one, and nobody one that is focused", () => {
  const first = slotsOf(["a", "b", "c"], new Map(), undefined);
  assert.deepEqual([...first], [["a", 0], ["b", 1], ["c", 2]]);
  const scrolled = slotsOf(["b", "c", "d"], first, undefined);
  assert.deepEqual([...scrolled], [["b", 1], ["c", 2], ["d", 0]]);
  assert.deepEqual([...slotsOf(["x", "y", "z"], scrolled, undefined)], [["x", 1], ["y", 2], ["z", 0]]);
  assert.deepEqual([...slotsOf(["b", "c", "d"], first, "a")], [["b", 1], ["c", 2], ["d", 3]]);
  assert.deepEqual([...slotsOf(["b"], first, "gone")], [["b", 1]]);
  assert.deepEqual([...slotsOf(["a", "b", "c", "d"], first, undefined)].at(-1), ["d", 3]);
});
