import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useState, useSyncExternalStore, type ReactNode } from "react";
import { call } from "../../api/rpc.ts";
import { session } from "../../api/session.ts";
import type { Profile } from "../../api/wawel.ts";
import { textOf, type Field, type Values } from "../../model/form.ts";
import { Ask } from "../../ui/Ask.tsx";
import { AtAccount } from "../../ui/AtAccount.tsx";
import { Facts } from "../../ui/Facts.tsx";
import { Section } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";

const data = (who: Profile): readonly Field[] => [
  { name: "first_name", label: "account.firstName", initial: who.first_name, autoComplete: "given-name" },
  { name: "last_name", label: "account.lastName", initial: who.last_name, autoComplete: "family-name" },
  { name: "organization", label: "account.organization", initial: who.organization, autoComplete: "organization" },
  { name: "email", label: "account.email", as: "email", initial: who.email, help: "account.emailHelp", autoComplete: "email" },
  {
    name: "default_cluster_id", label: "account.defaultCluster", as: "select", initial: who.default_cluster_id === null ? "" : String(who.default_cluster_id),
    options: async () => (await call("user.cluster.get_list")).map((each) => ({ value: String(each.cluster_id), text: each.name })),
  },
];

const PASSWORD: readonly Field[] = [
  { name: "old_password", label: "account.oldPassword", as: "password", isRequired: true, autoComplete: "current-password" },
  { name: "new_password", label: "account.newPassword", as: "password", isRequired: true, autoComplete: "new-password" },
];

function Done(props: { when: number }): ReactNode {
  const { t, time } = useTexts();
  return props.when ? <div role="status"><Alert component="p" variant="success" isInline title={t("account.saved", { time: time(props.when) })} /></div> : null;
}

export default function Account(): ReactNode {
  const { time } = useTexts();
  const who = useSyncExternalStore(session.subscribe, session.get);
  const [saved, setSaved] = useState(0);
  const [changed, setChanged] = useState(0);
  if (!who) return null;
  const save = async (values: Values): Promise<void> => {
    const cluster = textOf(values, "default_cluster_id");
    const next = await call("user.account.edit", {
      first_name: textOf(values, "first_name"), last_name: textOf(values, "last_name"), organization: textOf(values, "organization"),
      ...(textOf(values, "email") !== who.email && { email: textOf(values, "email") }), ...(cluster && { default_cluster_id: Number(cluster) }),
    });
    session.set(next);
    setSaved(Date.now());
  };
  const setPassword = async (values: Values): Promise<void> => {
    // As typed: spaces belong to a password.
    await call("user.account.set_password", { old_password: String(values["old_password"]), new_password: String(values["new_password"]) });
    setChanged(Date.now());
  };
  return (
    <AtAccount>
      <Section title="account.data">
        <Facts facts={[
          ["column.login", who.login], ["account.roles", who.roles.join(", ")], ["column.created", time(who.created)],
          ["account.lastLogin", who.last_login && time(who.last_login)], ["column.uuid", who.uuid],
        ]} />
        <br />
        <Done when={saved} />
        <Ask id="account" fields={data(who)} button="action.keep" send={save} />
      </Section>
      {who.has_password && (
        <Section title="account.password">
          <Done when={changed} />
          <Ask key={changed} id="password" fields={PASSWORD} button="account.setPassword" send={setPassword} />
        </Section>
      )}
    </AtAccount>
  );
}
