import { useMemo, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { expiryOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import type { VMExpiry } from "../api/wawel.ts";
import { expiryOf } from "../model/expiry.ts";
import { numberOf } from "../model/form.ts";
import { Facts } from "./Facts.tsx";
import { useAnswer } from "./live.ts";
import { Make, Section, type Making } from "./parts.tsx";
import { Problem } from "./Problem.tsx";
import { useTexts } from "./settings.ts";

/** What will become of a machine by its lease, and having that begin anew. Nothing where it has none and none is offered. */
export function Expiry(props: { machine: Machine }): ReactNode {
  const { t, time } = useTexts();
  const { vm_id, cluster } = props.machine;
  const { value, error, reload } = useAnswer("user.expiry.get_vms", { vm_ids: [vm_id], cluster }, ["vm"]);
  const { value: offered } = useAnswer("user.expiry.get_list", { cluster });
  const found: VMExpiry | undefined = value?.[0];
  const choosing = useMemo<Making>(() => ({
    key: "expiry", title: "expiry.choose", help: "expiry.chooseHelp",
    fields: [{
      name: "expiry_id", label: "expiry.lease", as: "select", isRequired: true,
      options: expiryOptions(cluster),
    }],
    request: (values) => ask("user.expiry.set", { vm_id, cluster, expiry_id: numberOf(values, "expiry_id") ?? 0 }),
  }), [vm_id, cluster]);
  const renewing = useMemo<Making>(() => ({
    key: "renew", title: "action.renew", help: "expiry.renewHelp", fields: [], request: () => ask("user.expiry.renew", { vm_id, cluster }),
  }), [vm_id, cluster]);
  if (error) return <Problem error={error} retry={reload} />;
  const isOffered = Array.isArray(offered) && offered.length > 0;
  if (!found || (found.expiry_id === null && !isOffered)) return null;
  return (
    <Section title="expiry.title" beside={(
      <>
        {found.expiry_id !== null && found.renewable && <Make making={renewing} done={reload} />}
        {isOffered && <Make making={choosing} done={reload} />}
      </>
    )}>
      <Facts facts={[
        ["expiry.lease", found.expiry_id === null || found.renewable ? found.expiry : `${found.expiry} (${t("expiry.notRenewable")})`],
        ["expiry.renewed", found.renewed && time(found.renewed)],
        ...expiryOf(t, time, found),
      ]} />
    </Section>
  );
}
