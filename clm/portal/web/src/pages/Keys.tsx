import type { ReactNode } from "react";
import { ofCloud } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { GeneratedSSHKey, SSHKey } from "../api/wawel.ts";
import { NAME } from "../model/fields.ts";
import { textOf } from "../model/form.ts";
import { columns } from "../ui/columns.tsx";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import type { Making } from "../ui/parts.tsx";

const c = columns<SSHKey>();
const SPEC: ListSpec<SSHKey> = {
  title: "menu.keys",
  columns: [c.text("name", "column.name"), c.text("kind", "column.kind"), c.text("fingerprint", "keys.fingerprint", { isMinor: true }), c.time("created", "column.created")],
  id: (row) => String(row.key_id),
  name: (row) => row.name,
  actions: [{
    key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "keys.deleteHelp" },
    request: ({ key_id }) => ask("user.key.delete_by_id", { key_id }),
  }],
  none: ["keys.none", "keys.noneHelp"],
};

const ADD: Making = {
  key: "add-key",
  title: "keys.add",
  fields: [NAME, { name: "key", label: "keys.public", help: "keys.publicHelp", as: "area", isRequired: true }],
  request: (values) => ask("user.key.add", { name: textOf(values, "name"), key: textOf(values, "key") }),
};

const GENERATE: Making = {
  key: "generate-key",
  title: "keys.generate",
  help: "keys.generateHelp",
  fields: [NAME, { name: "kind", label: "column.kind", as: "select", isRequired: true, initial: "ed25519", options: ["ed25519", "ecdsa", "rsa"].map((value) => ({ value, text: value })) }],
  request: (values) => ask("user.key.generate", { name: textOf(values, "name"), kind: textOf(values, "kind") as "ecdsa" | "ed25519" | "rsa" }),
  secret: (answer) => [["keys.private", (answer as GeneratedSSHKey).private_key]],
};

export default function Keys(): ReactNode {
  return <ListPage source={ofCloud("user.key.get_list", { kinds: ["", "key"] })} spec={SPEC} making={[ADD, GENERATE]} />;
}
