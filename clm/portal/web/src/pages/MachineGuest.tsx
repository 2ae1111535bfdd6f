import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { useMemo, useState, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { ask } from "../api/request.ts";
import { call, problemOf, type WawelError } from "../api/rpc.ts";
import type { GuestInfo, GuestKeys, GuestOwnKey, GuestPassword } from "../api/wawel.ts";
import { given, textOf, type Field, type Option } from "../model/form.ts";
import "../texts/templated.ts";
import { AtMachine } from "../ui/AtMachine.tsx";
import { Facts } from "../ui/Facts.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { Make, Section, type Making } from "../ui/parts.tsx";
import { Problem } from "../ui/Problem.tsx";
import { useTexts } from "../ui/settings.ts";

const USER: Field = { name: "user", label: "guestOf.user", help: "guestOf.userHelp", maxLength: 32 };
const keyOptions = async (): Promise<Option[]> => (await call("user.key.get_list")).map((row) => ({ value: row.public_key, text: row.name }));
const KEY: Field = { name: "keys", label: "keys.public", as: "select", isRequired: true, options: keyOptions };

function makings({ vm_id, cluster }: Machine): readonly Making[] {
  return [
    {
      key: "password-reset", title: "guestOf.password", help: "guestOf.passwordHelp",
      fields: [USER, { name: "password", label: "login.password", help: "guestOf.drawnHelp", as: "password", autoComplete: "new-password" }],
      request: (values) => ask("user.vm.password_reset", { vm_id, cluster, ...given(values, "user"), password: String(values["password"]) || null }),
      secret: (answer) => {
        const { password } = answer as GuestPassword;
        return password === null ? [] : [["login.password", password]];
      },
    },
    {
      key: "install-keys", title: "guestOf.install", help: "guestOf.installHelp", fields: [USER, KEY],
      request: (values) => ask("user.vm.install_keys", { vm_id, cluster, ...given(values, "user"), keys: textOf(values, "keys") }),
    },
    {
      key: "remove-keys", title: "guestOf.remove", help: "guestOf.removeHelp", fields: [USER, KEY],
      request: (values) => ask("user.vm.remove_keys", { vm_id, cluster, ...given(values, "user"), keys: textOf(values, "keys") }),
    },
    {
      key: "generate-key", title: "guestOf.generate", help: "guestOf.generateHelp", fields: [USER],
      request: (values) => ask("user.vm.generate_key", { vm_id, cluster, ...given(values, "user") }),
    },
    { key: "set-time", title: "guestOf.time", help: "guestOf.timeHelp", fields: [], request: () => ask("user.vm.set_time", { vm_id, cluster }) },
    {
      key: "set-hostname", title: "guestOf.rename", help: "guestOf.renameHelp",
      fields: [{ name: "hostname", label: "guestOf.hostname", isRequired: true, maxLength: 253 }],
      request: (values) => ask("user.vm.set_hostname", { vm_id, cluster, hostname: textOf(values, "hostname") }),
    },
    { key: "grow-root", title: "guestOf.grow", help: "guestOf.growHelp", fields: [], request: () => ask("user.vm.grow_root", { vm_id, cluster }) },
    { key: "reboot", title: "guestOf.reboot", help: "guestOf.rebootHelp", fields: [], request: () => ask("user.vm.reboot", { vm_id, cluster }) },
  ];
}

/** What an operator may have done; all else is its owner's. */
const OPERATORS: readonly string[] = ["set-time", "set-hostname", "grow-root", "reboot"];

function Told({ info }: { info: GuestInfo }): ReactNode {
  const { bytes, time } = useTexts();
  const lines = (all: readonly string[]): ReactNode => (all.length ? all.map((line) => <div key={line}>{line}</div>) : null);
  return (
    <Facts facts={[
      ["guestOf.hostname", info.hostname],
      ["images.system", [info.os, info.kernel].filter(Boolean).join(", ")],
      ["machine.addresses", lines(info.interfaces.map((each) => `${each.name}: ${each.addresses.join(", ")}`))],
      ["guestOf.filesystems", lines(info.filesystems.map((each) => `${each.mountpoint} (${each.kind}): ${bytes(each.used_bytes)} / ${bytes(each.total_bytes)}`))],
      ["guestOf.users", lines(info.users.map((each) => each.since ? `${each.name}, ${time(each.since * 1000)}` : each.name))],
      ["guestOf.load", info.load.length ? info.load.map((each) => each.toFixed(2)).join(" ") : null],
    ]} />
  );
}

/** What only the guest itself can tell or do. It is asked when somebody wants it, since an agent that hangs keeps one waiting. */
function Guest({ machine }: { machine: Machine }): ReactNode {
  const { t } = useTexts();
  const { vm_id, cluster } = machine;
  const [info, setInfo] = useState<GuestInfo>();
  const [error, setError] = useState<WawelError>();
  const [busy, setBusy] = useState(false);
  const all = useMemo(() => makings(machine), [machine]);
  const [keys, setKeys] = useState<GuestKeys>();
  const [own, setOwn] = useState<GuestOwnKey>();
  const look = (): void => {
    setBusy(true);
    setError(undefined);
    call("user.vm.guest_info", { vm_id, cluster }).then(setInfo, (problem: unknown) => setError(problemOf(problem))).finally(() => setBusy(false));
  };
  const isOwner = machine.access !== "user" && machine.access !== "operator";
  const mine = isOwner ? all : all.filter((each) => OPERATORS.includes(each.key) && machine.access === "operator");
  const done = (key: string, answer: unknown): void => {
    if (key === "install-keys" || key === "remove-keys") setKeys(answer as GuestKeys);
    if (key === "generate-key") setOwn(answer as GuestOwnKey);
  };
  return (
    <Section title="guestOf.title" beside={<Button variant="secondary" isDisabled={busy} onClick={look}>{t("guestOf.ask")}</Button>}>
      <p>{t("guestOf.help")}</p>
      <div className="w-actions">{mine.map((making) => <Make key={making.key} making={making} done={(answer) => done(making.key, answer)} />)}</div>
      {own && (
        <div role="status">
          <p>{t("guestOf.ownKey", { user: own.user })}</p>
          <p className="w-break"><code>{own.public_key}</code></p>
        </div>
      )}
      {keys && (
        <div role="status">
          <p>{t("guestOf.keys", { user: keys.user })}</p>
          <ul>{keys.keys.map((each) => <li key={each} className="w-break"><code>{each}</code></li>)}</ul>
        </div>
      )}
      {busy && <Spinner aria-label={t("app.loading")} />}
      {error && <Problem error={error} />}
      {info && <Told info={info} />}
    </Section>
  );
}

export default function MachineGuest({ params }: PageProps): ReactNode {
  const { t } = useTexts();
  return (
    <AtMachine uuid={params["uuid"] ?? ""}>
      {(machine) => (machine.state === "running" ? <Guest machine={machine} /> : <p>{t("guestOf.off")}</p>)}
    </AtMachine>
  );
}
