// What machine a guest finds: what forms ask for.
import { plainly } from "../model/fields.ts";
import type { Field } from "../model/form.ts";
import { BOUNDS } from "../model/wizard.ts";

type Name = "firmware" | "machine" | "cpu_model" | "boot_menu_s";

export const KIND_FIELDS: readonly (Field & { name: Name })[] = [
  { name: "firmware", label: "templates.firmware", help: "machineOf.firmwareHelp", as: "select", options: plainly(["bios", "uefi"]) },
  { name: "machine", label: "templates.machine", help: "machineOf.machineHelp", as: "select", options: plainly(["auto", "pc", "q35"]) },
  { name: "cpu_model", label: "templates.cpuModel", help: "machineOf.cpuHelp", as: "select", options: plainly(["baseline", "host"]) },
  { name: "boot_menu_s", label: "templates.bootMenu", help: "templates.bootMenuHelp", as: "number", min: BOUNDS.boot_menu_s[0], max: BOUNDS.boot_menu_s[1] },
];
export const MOST_FIELDS: readonly (Field & { name: "max_cpu" | "max_memory_mib" })[] = [
  { name: "max_cpu", label: "machineOf.maxCpu", help: "machineOf.maxCpuHelp", as: "number", min: BOUNDS.max_cpu[0], max: BOUNDS.max_cpu[1] },
  { name: "max_memory_mib", label: "machineOf.maxMemory", help: "machineOf.maxMemoryHelp", as: "number", min: BOUNDS.max_memory_mib[0], max: BOUNDS.max_memory_mib[1] },
];
