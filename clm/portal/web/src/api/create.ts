// What a machine can be made of, and the call that makes it.
import type { Draft } from "../model/wizard.ts";
import { call } from "./rpc.ts";
import type { CpuModel, Firmware, Image, ListedVMTemplate, MachineType, Methods, QuotaUse, SSHKey, Template, VMProfile } from "./wawel.ts";

export interface Offers {
  images: (Image & { cluster: string })[];
  templates: (Template & { cluster: string })[];
  vmTemplates: (ListedVMTemplate & { cluster: string })[];
  profiles: (VMProfile & { cluster: string })[];
  /** The person's own, kept with the account. */
  keys: SSHKey[];
}

/** Of a call for all clusters. */
const itemsOf = <T>(answer: readonly unknown[] | { items: T[] }): T[] => ("items" in answer ? answer.items : []);

/** @throws {WawelError} neither can be told. A cluster that does not answer has nothing to offer now. */
export async function offers(): Promise<Offers> {
  const [images, templates, vmTemplates, profiles, keys] = await Promise.all([
    call("user.system_image.get_list", { cluster: "*" }),
    call("user.template.get_list", { cluster: "*" }),
    call("user.vm_template.get_list", { cluster: "*" }),
    call("user.vm_profile.get_list", { cluster: "*" }),
    call("user.key.get_list"),
  ]);
  return {
    images: itemsOf(images).filter((image) => image.state === "ok"), templates: itemsOf(templates),
    vmTemplates: itemsOf(vmTemplates), profiles: itemsOf(profiles), keys,
  };
}

export const quotaOf = (cluster: string): Promise<QuotaUse> => call("user.user.check_quota", { cluster });

/** What machine its guest finds, as far as that is said. */
function open(draft: Draft): Partial<Methods["user.vm.create"]["params"]> {
  return {
    ...(draft.firmware && { firmware: draft.firmware as Firmware }), ...(draft.machine && { machine: draft.machine as MachineType }),
    ...(draft.cpu_model && { cpu_model: draft.cpu_model as CpuModel }), ...(draft.boot_menu_s && { boot_menu_s: Number(draft.boot_menu_s) }),
    ...(draft.max_cpu && { max_cpu: Number(draft.max_cpu) }), ...(draft.max_memory_mib && { max_memory_mib: Number(draft.max_memory_mib) }),
  };
}

export function paramsOf(draft: Draft, offered: Offers): Methods["user.vm.create"]["params"] {
  const vmTemplate = offered.vmTemplates.find((each) => each.uuid === draft.vmTemplate);
  const image = offered.images.find((each) =>
    draft.image ? each.uuid === draft.image : each.cluster === draft.cluster && each.image_id === vmTemplate?.effective.image_id);
  return {
    cluster: draft.cluster,
    name: draft.name.trim(),
    description: draft.description,
    image_id: draft.image ? (image?.image_id ?? draft.image) : null,
    ...(draft.vmTemplate && { vm_template_id: vmTemplate?.vm_template_id ?? draft.vmTemplate }),
    template_id: offered.templates.find((size) => size.uuid === draft.template)?.template_id ?? draft.template,
    count: draft.count,
    ...(draft.networks.length && { networks: draft.networks.map(Number) }),
    ...(draft.securityGroups.length && { security_group_ids: draft.securityGroups.map(Number) }),
    ...(draft.iso && { iso_list: [Number(draft.iso)] }),
    ...(draft.diskGib && { new_disks: [Number(draft.diskGib) * 1024] }),
    ...open(draft),
    ...(draft.userData.trim() && { user_data: draft.userData }),
    ...(draft.sshKey.trim() && { ssh_key: draft.sshKey.trim(), ssh_username: image?.default_user || "root" }),
  };
}
