// Expiry leases, as administrators' forms let one choose from them.
import type { Option } from "../model/form.ts";
import { call } from "./rpc.ts";

/** All of a cluster's. */
export const leaseOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("admin.expiry.get_list", { cluster });
  return Array.isArray(rows) ? rows.map((row) => ({ value: String(row.expiry_id), text: row.name })) : [];
};

export const ownerOptions = (cluster: string) => async (): Promise<Option[]> => {
  const rows = await call("admin.user.get_list", { cluster });
  return Array.isArray(rows) ? rows.map((row) => ({ value: String(row.user_id), text: row.login })) : [];
};
