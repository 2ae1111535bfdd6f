import assert from "node:assert/strict";
import { test } from "node:test";
import { empty, fitting, isTooMuch, lasting, moved, paramsOf, sumOf } from "./farms.ts";

const SIZES = [{ template_id: 1, cpu: 1, memory_mib: 512 }, { template_id: 2, cpu: 4, memory_mib: 4096 }];
const chosen = { ...empty("north"), name: " sums ", image_id: "7", head_template_id: "2", worker_template_id: "1", count: "3" };

test("a farm takes what its head and its workers do together", () => {
  const sum = sumOf(chosen, SIZES);
  assert.deepEqual(sum, { vms: 4, cpu: 7, memory_mib: 5632 });
  assert.ok(sum && !isTooMuch(sum, { free_vms: 4, free_cpu: 7, free_memory_mib: 5632 }));
  for (const less of [{ free_vms: 3 }, { free_cpu: 6 }, { free_memory_mib: 5631 }]) {
    assert.ok(sum && isTooMuch(sum, { free_vms: 4, free_cpu: 7, free_memory_mib: 5632, ...less }));
  }
  for (const wrong of [{ count: "" }, { count: "0" }, { count: "1.5" }, { count: "many" }, { head_template_id: "" }, { worker_template_id: "9" }]) {
    assert.equal(sumOf({ ...chosen, ...wrong }, SIZES), undefined);
  }
});

test("what is left open is not told, and a key has a user", () => {
  assert.deepEqual(paramsOf(chosen), {
    cluster: "north", name: "sums", description: "", image_id: 7, head_template_id: 2, worker_template_id: 1, count: 3, shared_key: false,
  });
  const more = paramsOf({ ...chosen, ssh_key: "ssh-ed25519 A", ssh_username: "debian", networks: ["4", "5"], public_ip_id: "6", user_data: "#!/bin/sh\n", metadata: "seed-iso" });
  assert.deepEqual([more.ssh_username, more.networks, more.public_ip_id, more.user_data, more.metadata], ["debian", [4, 5], 6, "#!/bin/sh\n", "seed-iso"]);
});

test("another cluster keeps what is of all of them, and rubbish in a draft's place does no harm", () => {
  const there = moved({ ...chosen, networks: ["4"] }, "south");
  assert.deepEqual([there["cluster"], there["name"], there["image_id"], there["networks"], there["count"]], ["south", " sums ", "", [], "3"]);
  assert.deepEqual(fitting(chosen, "south"), chosen);
  for (const rubbish of [null, 7, [], { count: 3, networks: [1], shared_key: "yes", other: "x" }]) assert.deepEqual(fitting(rubbish, "north"), empty("north"));
});

test("a time is said in two units at the most", () => {
  assert.deepEqual([-5, 59, 61, 3600, 90_000, 1_000_000].map((each) => lasting("en", each)), ["0 min", "0 min", "1 min", "1 hr 0 min", "1 day 1 hr", "11 days 13 hr"]);
  assert.equal(lasting("pl", 180_000), "2 dni 2 godz.");
});
