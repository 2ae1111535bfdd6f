import assert from "node:assert/strict";
import { test } from "node:test";
import { HEIGHT, paths, topOf, WIDTH } from "./plot.ts";

test("values are drawn from 0 to the greatest one", () => {
  assert.deepEqual(paths([0, 50, 100], 100), [`M0 ${HEIGHT}L0 ${HEIGHT}L${WIDTH / 2} ${HEIGHT / 2}L${WIDTH} 0`]);
});

test("what was not measured is not drawn over", () => {
  assert.equal(paths([1, null, 1, 1, null], 1).length, 2);
  assert.deepEqual(paths([null, null], 1), []);
  assert.deepEqual(paths([], 1), []);
});

test("nothing but zeros is a line at the bottom, and what is beyond stays within", () => {
  assert.deepEqual(paths([0], 0), [`M0 ${HEIGHT}L0 ${HEIGHT}`]);
  assert.deepEqual(paths([9], 3), [`M0 0L0 0`]);
});

test("lines of one picture have one height", () => {
  assert.equal(topOf([{ maximum: 3 }, { maximum: null }, { maximum: 7 }]), 7);
  assert.equal(topOf([]), 0);
});
