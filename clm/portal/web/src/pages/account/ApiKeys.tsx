import { useMemo, useSyncExternalStore, type ReactNode } from "react";
import { ofCloud } from "../../api/list.ts";
import { ask } from "../../api/request.ts";
import { session } from "../../api/session.ts";
import type { ApiKey, CreatedApiKey, EC2Endpoint } from "../../api/wawel.ts";
import { configOf, credentialsOf } from "../../model/ec2.ts";
import { NAME } from "../../model/fields.ts";
import { isSet, numberOf, textOf } from "../../model/form.ts";
import type { Key } from "../../texts/translate.ts";
import { AtAccount } from "../../ui/AtAccount.tsx";
import { columns } from "../../ui/columns.tsx";
import type { ListSpec } from "../../ui/List.tsx";
import { ListSection } from "../../ui/lists.tsx";
import { Section, type Making } from "../../ui/parts.tsx";
import { Secret } from "../../ui/Secret.tsx";

const c = columns<ApiKey>();
const SPEC: ListSpec<ApiKey> = {
  title: "apiKeys.title",
  columns: [
    c.text("name", "column.name"), c.text("access_key", "apiKeys.access"), c.yes("ec2", "apiKeys.ec2"),
    c.of("scope", "apiKeys.scope", (row) => row.scope.join(" "), { isMinor: true }), c.time("used", "sessions.used"), c.time("expires", "column.expires"),
  ],
  id: (row) => String(row.api_key_id),
  name: (row) => row.name,
  actions: [{
    key: "delete", title: "action.delete", isDanger: true, confirm: { title: "confirm.delete", help: "apiKeys.deleteHelp" },
    request: ({ api_key_id }) => ask("user.api_key.delete", { api_key_id }),
  }],
  none: ["apiKeys.none", "apiKeys.noneHelp"],
};

const making = (endpoints: readonly EC2Endpoint[]): Making => ({
  key: "make-api-key",
  title: "apiKeys.create",
  fields: [
    NAME,
    { name: "scope", label: "apiKeys.scope", help: "apiKeys.scopeHelp", isRequired: true, initial: "user.*" },
    { name: "expires_days", label: "apiKeys.days", help: "apiKeys.daysHelp", as: "number", min: 1, max: 3650 },
    { name: "ec2", label: "apiKeys.ec2", help: "apiKeys.ec2Help", as: "check" },
  ],
  request: (values) =>
    ask("user.api_key.create", {
      name: textOf(values, "name"), scope: textOf(values, "scope").split(/[\s,]+/).filter(Boolean),
      expires_days: numberOf(values, "expires_days") ?? null, ec2: isSet(values, "ec2"),
    }),
  secret: (answer) => {
    const made = answer as CreatedApiKey;
    if (made.secret_key === undefined) return made.key === undefined ? [] : [["apiKeys.key", made.key]];
    const config = configOf(endpoints);
    const credentials: readonly [Key, string] = ["apiKeys.credentials", credentialsOf(made.access_key, made.secret_key)];
    return config ? [credentials, ["apiKeys.config", config]] : [credentials];
  },
});

export default function ApiKeys(): ReactNode {
  const who = useSyncExternalStore(session.subscribe, session.get);
  const endpoints = who?.ec2_endpoints;
  const makings = useMemo(() => [making(endpoints ?? [])], [endpoints]);
  const config = configOf(endpoints ?? []);
  return (
    <AtAccount>
      <ListSection source={ofCloud("user.api_key.get_list")} spec={SPEC} making={makings} />
      {config && <Section title="apiKeys.tools"><Secret isForEver pieces={[["apiKeys.config", config]]} /></Section>}
    </AtAccount>
  );
}
