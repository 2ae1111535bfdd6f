import assert from "node:assert/strict";
import { test } from "node:test";
import { limitsOf } from "./pools.ts";
import { chainOf, childrenOf, created, disksOf, edited, gibOf, linesOf, tagsOf, typedOf } from "./templates.ts";
import { begun, by, empty, filled } from "./wizard.ts";

const OPEN = {
  name: "base", description: "", parent_template_id: null, image_id: null, iso_list: null, networks: null, new_disks: null, system: null,
  access_method: null, has_agent: null, firmware: null, machine: null, cpu_model: null, boot_menu_s: null, traits: null, tags: null,
};

test("disks and tags are typed as they are shown", () => {
  assert.deepEqual(disksOf(" 10, 0.5 "), [10_240, 512]);
  assert.equal(gibOf(disksOf("10 0.5")), "10 0.5");
  const tags = { team: "red", alone: "", formula: "a=b" };
  assert.deepEqual(tagsOf(linesOf(tags)), tags);
});

test("a form that was not touched changes nothing, not even a list that is empty on purpose", () => {
  for (const row of [OPEN, { ...OPEN, iso_list: [], tags: {}, has_agent: false, new_disks: [10_240], image_id: 7, networks: [1, 2] }]) {
    assert.deepEqual(edited(row, typedOf(row)), {});
  }
});

test("what is emptied is open again, and a parent that is taken away is told", () => {
  const row = { ...OPEN, parent_template_id: 3, image_id: 7, system: "Debian", networks: [1] };
  const values = { ...typedOf(row), image_id: "", networks: [], system: "Debian 12", parent_template_id: "", has_agent: "no" };
  assert.deepEqual(edited(row, values), { system: "Debian 12", has_agent: false, inherit: ["image_id", "networks"], orphan: true });
});

test("of a new one only what was filled in is told", () => {
  assert.deepEqual(created(typedOf({ ...OPEN, new_disks: [1024], parent_template_id: 4 })), { name: "base", description: "", parent_template_id: 4, new_disks: [1024] });
});

test("the chain goes upwards as far as it is shown, and in its own cluster", () => {
  const one = (vm_template_id: number, parent_template_id: number | null, cluster = "north"): { vm_template_id: number; parent_template_id: number | null; cluster: string } =>
    ({ vm_template_id, parent_template_id, cluster });
  const [top, middle, low] = [one(1, 9), one(2, 1), one(3, 2)];
  const all = [top, middle, low, one(9, null, "south")];
  assert.deepEqual(chainOf(low, all), [middle, top, 9]);
  assert.deepEqual(childrenOf(middle, all), [low]);
  assert.ok(chainOf(one(5, 6), [one(6, 5), one(5, 6)]).length < 5); // were it a ring, it would end
});

test("a VM template with an image needs no other; a profile brings its size, of its cluster", () => {
  const vm = { uuid: "t", cluster: "north", vm_template_id: 1, effective: { image_id: 5 } };
  const offered = {
    vmTemplates: [vm, { ...vm, uuid: "bare", vm_template_id: 2, effective: { image_id: null } }],
    templates: [{ uuid: "other", cluster: "south", template_id: 8 }, { uuid: "size", cluster: "north", template_id: 8 }],
    profiles: [{ uuid: "p", cluster: "north", vm_template_id: 1, template_id: 8 }],
  };
  const draft = { ...empty("r"), cluster: "south", image: "elsewhere", networks: ["1"] };
  const chosen = { ...draft, ...begun(new URLSearchParams("profile=p"), offered, draft) };
  assert.deepEqual([chosen.vmTemplate, chosen.template, chosen.cluster, chosen.image, chosen.networks], ["t", "size", "north", "", []]);
  assert.ok(filled("image", chosen));
  const bare = { ...draft, ...begun(new URLSearchParams("template=bare"), offered, draft) };
  assert.ok(bare.vmTemplate === "bare" && !filled("image", bare));
  assert.deepEqual(begun(new URLSearchParams("template=gone"), offered, draft), {});
  assert.deepEqual({ ...chosen, ...by(undefined, chosen) }.vmTemplate, "");
});

test("limits of a pool: what is emptied is as of the pools around it, what stays is not told", () => {
  const row = { limits: { cpu: 8, memory_mib: 1024, nics: null, storage_mib: null, vms: 2 } };
  assert.deepEqual(limitsOf({ cpu: "8", memory_mib: "", vms: "3", nics: "", storage_mib: "0" }, row), { vms: 3, storage_mib: 0, inherit: ["memory_mib"] });
  assert.deepEqual(limitsOf({ cpu: "1" }), { cpu: 1 });
});
