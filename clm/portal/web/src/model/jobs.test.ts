import assert from "node:assert/strict";
import { test } from "node:test";
import { callsOf, created, edited, linesOf, machinesOf } from "./jobs.ts";

const when = { cron: " 0 20 * * * ", timezone: "Europe/Warsaw", enabled: true };

test("a task is a call for each machine, by the call's own parameter", () => {
  const made = created({ name: " stop ", task: "user.vm.stop", machines: ["7", "8"], ...when });
  assert.deepEqual(made, { name: "stop", method: "user.vm.stop", parameters: [{ vm_id: 7 }, { vm_id: 8 }], cron: "0 20 * * *", timezone: "Europe/Warsaw", enabled: true });
  assert.deepEqual(created({ name: "r", task: "user.vm.reset", machines: ["7"] }).parameters, [{ vm_ids: [7] }]);
  assert.equal(created({ name: "r", task: "user.vm.stop", machines: ["7"] }).timezone, "UTC");
});

test("another call has its parameters by lines, or as one list", () => {
  const lines = '{"disk_id": 1}\n\n {"disk_id": 2, "name": "a\\nb"} ';
  assert.deepEqual(callsOf(lines), [{ disk_id: 1 }, { disk_id: 2, name: "a\nb" }]);
  assert.deepEqual(callsOf('[{"disk_id": 1},\n {"disk_id": 2}]'), [{ disk_id: 1 }, { disk_id: 2 }]);
  assert.deepEqual(callsOf("{}"), [{}]);
  assert.deepEqual(callsOf("rubbish {"), ["rubbish {"]);
  assert.deepEqual(callsOf(""), []);
  const made = edited({ name: "x", task: "other", method: "user.disk.delete", parameters: lines });
  assert.deepEqual(made.parameters, callsOf(lines));
  assert.deepEqual(callsOf(linesOf(made.parameters)), made.parameters);
});

test("what says more than a machine is edited as it was written", () => {
  assert.deepEqual(machinesOf("user.vm.stop", [{ vm_id: 7 }, { vm_id: 8 }]), [7, 8]);
  assert.deepEqual(machinesOf("user.vm.reset", [{ vm_ids: [7] }]), [7]);
  for (const [method, params] of [
    ["user.vm.reset", [{ vm_ids: [7, 8] }]], ["user.vm.stop", [{ vm_id: "2b6e" }]], ["user.vm.stop", [{ vm_id: 7, more: 1 }]], ["user.disk.delete", [{ vm_id: 7 }]],
  ] as const) assert.equal(machinesOf(method, params as unknown as { vm_id: number }[]), undefined);
});
