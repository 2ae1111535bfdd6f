// What becomes of a machine that ends without its people's doing: what the form asks for.
import { plainly } from "../model/fields.ts";
import type { Field } from "../model/form.ts";

type Name = "on_poweroff" | "on_crash" | "on_hang" | "on_host_failure";

export const POLICY_FIELDS: readonly (Field & { name: Name })[] = [
  { name: "on_poweroff", label: "policyOf.poweroff", help: "policyOf.poweroffHelp", as: "select", options: plainly(["stop", "save", "destroy", "restart"]) },
  { name: "on_crash", label: "policyOf.crash", help: "policyOf.crashHelp", as: "select", options: plainly(["restart", "stop"]) },
  { name: "on_hang", label: "policyOf.hang", help: "policyOf.hangHelp", as: "select", options: plainly(["ignore", "restart", "stop"]) },
  { name: "on_host_failure", label: "policyOf.host", help: "policyOf.hostHelp", as: "select", options: plainly(["restart", "stop"]) },
];
