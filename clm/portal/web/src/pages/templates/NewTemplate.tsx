import { Form } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { CLUSTER } from "../../api/options.ts";
import { call } from "../../api/rpc.ts";
import { session } from "../../api/session.ts";
import type { Methods } from "../../api/wawel.ts";
import { templateFields } from "../../kinds/templates.ts";
import { textOf, type Values } from "../../model/form.ts";
import { addressTo } from "../../model/routes.ts";
import { created } from "../../model/templates.ts";
import "../../texts/templated.ts";
import { Ask, FieldRow } from "../../ui/Ask.tsx";
import { Heading } from "../../ui/Heading.tsx";
import { go, useAddress } from "../../ui/router.ts";
import { useTexts } from "../../ui/settings.ts";

/** What belongs to a cluster, and goes with the choice of another. */
const PLACED = ["parent_template_id", "image_id", "iso_list", "networks"];

export default function NewTemplate(): ReactNode {
  const { t } = useTexts();
  const query = new URLSearchParams(useAddress().search);
  const who = useSyncExternalStore(session.subscribe, session.get);
  const [cluster, setCluster] = useState(query.get("cluster") ?? who?.default_cluster ?? "");
  const typed = useRef<Values>({ parent_template_id: query.get("parent") ?? "" });
  const fields = useMemo(() => templateFields(cluster, typed.current), [cluster]);
  const change = (value: string): void => {
    typed.current = Object.fromEntries(Object.entries(typed.current).filter(([name]) => !PLACED.includes(name)));
    setCluster(value);
  };
  return (
    <>
      <Heading text={t("templates.create")} />
      <p>{t("templates.openHelp")}</p>
      <Form className="w-form" onSubmit={(event) => event.preventDefault()}>
        <FieldRow form="in" field={{ ...CLUSTER, isRequired: true }} value={cluster} set={(value) => change(String(value))} />
      </Form>
      {cluster && (
        <Ask key={cluster} id="new-template" fields={fields} button="templates.create" cancel={() => go(addressTo("templates"))}
          onChange={(values) => {
            typed.current = values;
          }}
          send={async (values) => {
            const made = await call("user.vm_template.create", { cluster, name: textOf(values, "name"), ...created(values) } as Methods["user.vm_template.create"]["params"]);
            go(addressTo("vmTemplate", { uuid: made.uuid }));
          }} />
      )}
    </>
  );
}
