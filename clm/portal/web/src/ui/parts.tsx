// What pages are put together from.
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Title } from "@patternfly/react-core/dist/esm/components/Title/index.js";
import { useCallback, useId, useState, type ReactNode } from "react";
import { send, type Request } from "../api/request.ts";
import type { Field, Values } from "../model/form.ts";
import { addressTo, type Page, type Params } from "../model/routes.ts";
import type { Key } from "../texts/translate.ts";
import { Ask } from "./Ask.tsx";
import { Dialog } from "./Dialog.tsx";
import { Link } from "./Link.tsx";
import { go, useAddress } from "./router.ts";
import { Secret } from "./Secret.tsx";
import { useTexts } from "./settings.ts";

/** A part of a page, with its own heading. */
export function Section(props: { title: Key; children: ReactNode; beside?: ReactNode }): ReactNode {
  const { t } = useTexts();
  const id = useId();
  return (
    <section aria-labelledby={id} className="w-section">
      <div className="w-heading">
        <Title headingLevel="h2" id={id}>{t(props.title)}</Title>
        {props.beside}
      </div>
      {props.children}
    </section>
  );
}

/** Pages that are about one thing. */
export function Tabs(props: { label: Key; tabs: readonly (readonly [Page, Key])[]; params?: Params }): ReactNode {
  const { t } = useTexts();
  const { pathname } = useAddress();
  return (
    <nav aria-label={t(props.label)}>
      <ul className="w-tabs">
        {props.tabs.map(([page, title]) => {
          const to = addressTo(page, props.params);
          return <li key={page}><Link to={to} isCurrent={to === pathname}>{t(title)}</Link></li>;
        })}
      </ul>
    </nav>
  );
}

/** A way to another page that stands as a button, being something to do. */
export function ButtonTo(props: { to: string; children: ReactNode; isPrimary?: boolean }): ReactNode {
  return (
    <Button variant={props.isPrimary ? "primary" : "secondary"} component="a" href={props.to} onClick={(event) => {
      event.preventDefault();
      go(props.to);
    }}>{props.children}</Button>
  );
}

/** Something that is made, or asked for, by a form of its own. */
export interface Making {
  key: string;
  title: Key;
  help?: Key;
  fields: readonly Field[];
  request: (values: Values) => Request;
  secret?: (answer: unknown) => readonly (readonly [Key, string])[];
}

/** A button that opens the form. */
export function Make(props: { making: Making; done: (answer: unknown) => void; isPrimary?: boolean }): ReactNode {
  const { t } = useTexts();
  const { making } = props;
  const [open, setOpen] = useState(false);
  const [secret, setSecret] = useState<readonly (readonly [Key, string])[]>();
  const close = useCallback(() => setOpen(false), []);
  const sendIt = async (values: Values): Promise<void> => {
    const answer = await send(making.request(values));
    setOpen(false);
    const pieces = making.secret?.(answer);
    if (pieces?.length) setSecret(pieces);
    props.done(answer);
  };
  return (
    <>
      <Button variant={props.isPrimary ? "primary" : "secondary"} onClick={() => setOpen(true)}>{t(making.title)}</Button>
      {open && (
        <Dialog title={t(making.title)} close={close}>
          {making.help && <p>{t(making.help)}</p>}
          <Ask id={making.key} fields={making.fields} button={making.title} send={sendIt} cancel={close} />
        </Dialog>
      )}
      {secret && <Dialog title={t("secret.title")} close={() => setSecret(undefined)}><Secret pieces={secret} /></Dialog>}
    </>
  );
}
