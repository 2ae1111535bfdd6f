import assert from "node:assert/strict";
import { test } from "node:test";
import "../texts/more.ts";
import { translator } from "../texts/translate.ts";
import { daysOf, expiryOf, secondsOf } from "./expiry.ts";

const t = translator("en");
const end = { end: "delete", at: "2026-03-11", told: "2026-03-10", due: null, waits: "guarded" } as const;

test("an end tells when it comes, and what it waits for", () => {
  assert.deepEqual(expiryOf(t, (at) => at, { ends: [end], reason: "" }), [["expiry.delete", "2026-03-11 (it is guarded against being destroyed)"]]);
  const due = { ...end, end: "suspend", due: "2026-03-12", waits: "" } as const;
  assert.deepEqual(expiryOf(t, (at) => at, { ends: [due], reason: "" }), [["expiry.suspend", "2026-03-12"]]);
});

test("days become seconds and back; none is never", () => {
  assert.equal(secondsOf(8), 691_200);
  assert.equal(secondsOf(undefined), null);
  assert.equal(daysOf(691_200), "8");
  assert.equal(daysOf(null), "");
});
