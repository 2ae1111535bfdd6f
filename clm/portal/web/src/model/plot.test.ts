import assert from "node:assert/strict";
import { test } from "node:test";
import { growth, HEIGHT, levelOf, paths, topOf, WIDTH } from "./plot.ts";
import { months, spanOf, standing } from "./points.ts";

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

test("sums are drawn where their times are", () => {
  const span: [number, number] = [1000, 3000];
  assert.equal(growth([[1000, 0], [2000, 10]], span, 20), `M0 ${HEIGHT}L${WIDTH / 2} ${HEIGHT / 2}`);
  assert.equal(growth([], span, 20), "");
  assert.equal(levelOf(20, 20), `M0 0L${WIDTH} 0`);
});

test("months are UTC's, over the end of a year, whatever the day", () => {
  assert.deepEqual(months(new Date("2027-01-31T23:30:00Z"), 3), ["2027-01", "2026-12", "2026-11"]);
  assert.deepEqual(spanOf("2026-12"), [Date.parse("2026-12-01T00:00:00Z"), Date.parse("2027-01-01T00:00:00Z")]);
});

test("who has a bound is warned before it, and told at it", () => {
  assert.deepEqual([[79, 100], [80, 100], [99.9, 100], [100, 100], [5000, 0]].map(([used, limit]) => standing(used ?? 0, limit ?? 0)),
    ["within", "near", "near", "over", "within"]);
});
