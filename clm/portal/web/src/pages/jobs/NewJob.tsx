import { Form } from "@patternfly/react-core/dist/esm/components/Form/index.js";
import { useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { machines } from "../../api/cloud.ts";
import { CLUSTER } from "../../api/options.ts";
import { call } from "../../api/rpc.ts";
import { session } from "../../api/session.ts";
import { newJobFields } from "../../kinds/jobs.ts";
import { created } from "../../model/jobs.ts";
import { addressTo } from "../../model/routes.ts";
import "../../texts/scheduled.ts";
import { Ask, FieldRow } from "../../ui/Ask.tsx";
import { Heading } from "../../ui/Heading.tsx";
import { go } from "../../ui/router.ts";
import { useTexts } from "../../ui/settings.ts";

export default function NewJob(): ReactNode {
  const { t } = useTexts();
  const who = useSyncExternalStore(session.subscribe, session.get);
  const all = useSyncExternalStore(machines.subscribe, machines.snapshot);
  const [cluster, setCluster] = useState(who?.default_cluster ?? "");
  const fields = useMemo(() => newJobFields(cluster, all), [cluster, all]);
  return (
    <>
      <Heading text={t("jobs.create")} />
      <p>{t("jobs.createHelp")}</p>
      <Form className="w-form" onSubmit={(event) => event.preventDefault()}>
        <FieldRow form="in" field={{ ...CLUSTER, isRequired: true }} value={cluster} set={(value) => setCluster(String(value))} />
      </Form>
      {cluster && (
        <Ask key={cluster} id="new-job" fields={fields} button="jobs.create" cancel={() => go(addressTo("jobs"))}
          send={async (values) => {
            const made = await call("user.job.create", { cluster, ...created(values) });
            go(addressTo("job", { uuid: made.uuid }));
          }} />
      )}
    </>
  );
}
