// A VM's life by the generated client. Usage: node life.ts URL LOGIN PASSWORD IMAGE TEMPLATE
import { Client, WawelError, type Slug } from "./cluster.ts";
import { Client as CloudClient } from "./cloud.ts";

const [url, login, password, image, template] = process.argv.slice(2) as [string, string, string, string, string];
const client = new Client({ url, login, password });

const made = await client.call("user.vm.create", {
  name: "typed",
  description: "by a typed client",
  image_id: Number(image),
  template_id: Number(template),
  on_poweroff: "destroy",
});
const id = made[0]!.vm_id;
for (let turn = 0; turn < 60; turn += 1) {
  const vm = await client.call("user.vm.get_by_id", { vm_id: id });
  if (vm.state === "running") break;
  await new Promise((resolve) => setTimeout(resolve, 250));
}
try {
  await client.call("user.vm.get_by_id", { vm_id: 999_999 });
  throw new Error("a VM that does not exist was told");
} catch (error) {
  if (!(error instanceof WawelError)) throw error;
  const slug = error.slug as Slug<"user.vm.get_by_id">;
  if (slug !== "object_not_found") throw error;
  // @ts-expect-error: a VM that is shown is not asked for room on a storage
  if (slug === "storage_full") throw error;
  console.log(slug, JSON.stringify(error.fields));
}
await client.call("user.vm.destroy", { vm_ids: [id] });
console.log(JSON.stringify(await client.call("system.listMethods")).includes("user.vm.create"));

// What does not compile is the proof that what does is checked.
// @ts-expect-error: there is no such policy
() => client.call("user.vm.create", { name: "", description: "", image_id: 1, template_id: 1, on_poweroff: "explode" });
// @ts-expect-error: an id is no text
() => client.call("user.vm.get_by_id", { vm_id: "1" });
// @ts-expect-error: the id is required
() => client.call("user.vm.get_by_id");
() => new CloudClient({ url }).call("user.vm.get_list", { cluster: "*" });
// @ts-expect-error: no VM is ever in such a state
() => client.call("user.vm.get_by_id", { vm_id: 1 }).then((vm) => vm.state === "exploded");
// @ts-expect-error: it is seldom known, and then no time
() => client.call("user.vm.get_by_id", { vm_id: 1 }).then((vm) => vm.closed.length);
// @ts-expect-error: a template has nothing of the kind
() => client.call("user.template.get_by_id", { template_id: 1 }).then((template) => template.colour);
