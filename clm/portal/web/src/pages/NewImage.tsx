import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { CLUSTER } from "../api/options.ts";
import { ask, send, type Request } from "../api/request.ts";
import { WawelError } from "../api/rpc.ts";
import { keep, kept, sendFile, type Begun, type Running } from "../api/upload.ts";
import type { ImageKind, SourceFormat, Upload } from "../api/wawel.ts";
import { KINDS, nounOf } from "../kinds/images.ts";
import { DESCRIPTION, NAME, plainly } from "../model/fields.ts";
import { given, textOf, type Field, type Values } from "../model/form.ts";
import { addressTo } from "../model/routes.ts";
import { Ask } from "../ui/Ask.tsx";
import { Heading } from "../ui/Heading.tsx";
import { go } from "../ui/router.ts";
import { useTexts } from "../ui/settings.ts";

const isOf = (name: string, value: string) => (values: Values): boolean => values[name] === value;

const FIELDS: readonly Field[] = [
  { name: "from", label: "newImage.from", as: "select", isRequired: true, initial: "url", options: [{ value: "url", title: "newImage.url" }, { value: "file", title: "newImage.file" }] },
  { name: "kind", label: "column.kind", as: "select", isRequired: true, initial: "system", options: KINDS },
  NAME,
  { name: "url", label: "newImage.address", help: "newImage.addressHelp", isRequired: true, isShown: isOf("from", "url") },
  { name: "sha256", label: "images.sum", help: "newImage.sumHelp", maxLength: 64 },
  { ...DESCRIPTION },
  { name: "format", label: "column.format", help: "newImage.formatHelp", as: "select", options: plainly(["qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx"]), isShown: (values) => values["kind"] !== "iso" },
  { name: "default_user", label: "images.defaultUser", help: "images.defaultUserHelp", isShown: isOf("kind", "system") },
  CLUSTER,
];

function common(values: Values): { name: string; description: string; sha256?: string; cluster?: string } {
  return { name: textOf(values, "name"), description: textOf(values, "description"), ...given(values, "sha256", "cluster") };
}
const formatOf = (values: Values): { format?: SourceFormat } => given(values, "format") as { format?: SourceFormat };
const userOf = (values: Values): { default_user?: string } => given(values, "default_user");

function importOf(values: Values): Request {
  const told = { ...common(values), url: textOf(values, "url") };
  const kind = textOf(values, "kind") as ImageKind;
  if (kind === "iso") return ask("user.iso_image.import_url", told);
  if (kind === "storage") return ask("user.storage_image.import_url", { ...told, ...formatOf(values) });
  return ask("user.system_image.import_url", { ...told, ...formatOf(values), ...userOf(values) });
}

function uploadOf(values: Values, file: File): Request {
  const told = { ...common(values), size_bytes: file.size, filename: file.name };
  const kind = textOf(values, "kind") as ImageKind;
  if (kind === "iso") return ask("user.iso_image.upload", told);
  if (kind === "storage") return ask(`user.${nounOf(kind)}.upload`, { ...told, ...formatOf(values) });
  return ask("user.system_image.upload", { ...told, ...formatOf(values), ...userOf(values) });
}

function Choose(props: { choose: (file: File | undefined) => void }): ReactNode {
  const { t } = useTexts();
  return (
    <label className="w-typed">
      {t("newImage.choose")}
      <input id="new-image-file" type="file" onChange={(event) => props.choose(event.currentTarget.files?.[0])} />
    </label>
  );
}

/** A file on its way: how far it is, and what to do when it stops. */
function Sending(props: { begun: Begun; file: File; stopped: () => void }): ReactNode {
  const { t, bytes } = useTexts();
  const { begun, file } = props;
  const [sent, setSent] = useState(0);
  const [failed, setFailed] = useState("");
  const running = useRef<Running>(undefined);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    setFailed("");
    const made = sendFile(begun, file, { progress: setSent, done: () => go(addressTo("images")), failed: setFailed });
    running.current = made;
    return made.stop;
  }, [begun, file, tries]);
  return (
    <>
      <p role="status">{t("newImage.sending", { name: file.name, sent: bytes(sent), of: bytes(file.size) })}</p>
      <progress className="w-bar" max={file.size} value={sent} aria-label={file.name} />
      {failed && <div role="alert"><Alert component="p" variant="danger" isInline title={t("newImage.failed", { reason: failed })} /></div>}
      <div className="w-actions">
        {failed && <Button variant="primary" onClick={() => setTries(tries + 1)}>{t("newImage.goOn")}</Button>}
        <Button variant="link" onClick={() => {
          running.current?.stop();
          props.stopped();
        }}>{t("newImage.stop")}</Button>
      </div>
    </>
  );
}

export default function NewImage(): ReactNode {
  const { t } = useTexts();
  const [from, setFrom] = useState("url");
  const [file, setFile] = useState<File>();
  const [begun, setBegun] = useState<Begun | undefined>(kept);
  const isSame = begun !== undefined && file !== undefined && begun.filename === file.name && begun.size === file.size;
  const submit = async (values: Values): Promise<void> => {
    if (values["from"] !== "file") {
      await send(importOf(values));
      go(addressTo("images"));
      return;
    }
    if (!file) throw new WawelError(0, t("newImage.noFile"), { slug: "no_file" });
    const answer = (await send(uploadOf(values, file))) as Upload;
    const made = { path: answer.path, cluster: answer.cluster, filename: file.name, size: file.size };
    keep(made);
    setBegun(made);
  };
  const forget = (): void => {
    keep(undefined);
    setBegun(undefined);
  };
  return (
    <>
      <Heading text={t("images.create")} />
      {begun && isSame && file && <Sending begun={begun} file={file} stopped={forget} />}
      {begun && !isSame && (
        <>
          <Alert component="p" variant="info" isInline title={t("newImage.unfinished", { name: begun.filename })} />
          <Choose choose={setFile} />
          <Button variant="link" onClick={forget}>{t("newImage.forget")}</Button>
        </>
      )}
      {!begun && (
        <Ask id="new-image" fields={FIELDS} button="images.create" send={submit} cancel={() => go(addressTo("images"))}
          onChange={(values) => setFrom(textOf(values, "from"))}>
          {from === "file" && <Choose choose={setFile} />}
        </Ask>
      )}
    </>
  );
}
