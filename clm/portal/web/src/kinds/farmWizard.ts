// What the wizard for new farms asks for, step by step.
import { diskOptions, expiryOptions, groupOptions, isoOptions, networkOptions, securityOptions, sizeOptions } from "../api/options.ts";
import { call } from "../api/rpc.ts";
import { NAME_MAX, WORKERS_MAX, type Step } from "../model/farms.ts";
import { DESCRIPTION, NAME, plainly } from "../model/fields.ts";
import { textOf, type Field, type Option } from "../model/form.ts";

const imageOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.system_image.get_list", { cluster });
  return Array.isArray(rows) ? rows.filter((row) => row.state === "ok").map((row) => ({ value: String(row.image_id), text: row.name })) : [];
};
const addressOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("user.public_address.get_list", { cluster });
  return Array.isArray(rows) ? rows.filter((row) => row.vm_id === null).map((row) => ({ value: String(row.public_address_id), text: row.address })) : [];
};
const keyOptions = async (): Promise<Option[]> => (await call("user.key.get_list")).map((row) => ({ value: row.public_key, text: row.name }));

/** @param cluster of which what is chosen from is; where none is chosen yet, nothing is. */
export const fieldsOf = (cluster: string): Record<Step, readonly Field[]> => {
  const of = (options: (cluster: string) => () => Promise<Option[]>): NonNullable<Field["options"]> => (cluster ? options(cluster) : []);
  return {
    image: [{ name: "image_id", label: "column.image", help: "farms.imageOfAll", as: "select", isRequired: true, options: of(imageOptions) }],
    sizes: [
      { name: "head_template_id", label: "farms.headSize", as: "select", isRequired: true, options: of(sizeOptions) },
      { name: "worker_template_id", label: "farms.workerSize", as: "select", isRequired: true, options: of(sizeOptions) },
      { name: "count", label: "farms.count", as: "number", isRequired: true, min: 1, max: WORKERS_MAX },
    ],
    access: [
      { ...NAME, maxLength: NAME_MAX, help: "farms.hostsHelp" }, DESCRIPTION,
      { name: "ssh_key", label: "create.myKeys", as: "select", options: keyOptions },
      { name: "ssh_username", label: "images.defaultUser", isRequired: true, isShown: (values) => textOf(values, "ssh_key") !== "" },
      { name: "shared_key", label: "farms.sharedKey", help: "farms.sharedKeyHelp", as: "check" },
      { name: "groups", label: "menu.groups", help: "farms.groupsHelp", as: "several", options: groupOptions },
    ],
    devices: [
      { name: "networks", label: "menu.networks", help: "create.networksHelp", as: "several", options: of(networkOptions) },
      { name: "security_group_ids", label: "menu.security", as: "several", options: of(securityOptions) },
      { name: "public_ip_id", label: "farms.publicAddress", help: "farms.ofHead", as: "select", options: of(addressOptions) },
      { name: "disk_list", label: "menu.disks", help: "farms.ofHead", as: "several", options: of(diskOptions) },
      { name: "iso_list", label: "kind.iso", help: "farms.ofHead", as: "several", options: of(isoOptions) },
      { name: "expiry_id", label: "expiry.lease", as: "select", options: of(expiryOptions) },
      { name: "metadata", label: "farms.metadata", help: "farms.metadataHelp", as: "select", options: plainly(["nocloud", "seed-iso", "config-drive", "imds", "none"]) },
      { name: "user_data", label: "create.userData", help: "create.userDataHelp", as: "area" },
    ],
  };
};
