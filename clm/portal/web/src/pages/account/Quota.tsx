import type { ReactNode } from "react";
import { AtAccount } from "../../ui/AtAccount.tsx";
import { useAnswer } from "../../ui/live.ts";
import { Section } from "../../ui/parts.tsx";
import { Points } from "../../ui/Points.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { useTexts } from "../../ui/settings.ts";
import { Use } from "../../ui/Use.tsx";

function OfCluster(props: { cluster: string }): ReactNode {
  const { value, error, reload } = useAnswer("user.user.check_quota", { cluster: props.cluster }, ["vm", "disk", "image", "public_address", "user"]);
  if (error) return <Problem error={error} retry={reload} />;
  return value ? <Use quota={value} /> : null;
}

export default function Quota(): ReactNode {
  const { t } = useTexts();
  const { value, error, reload } = useAnswer("user.cluster.get_list", {}, ["cluster"]);
  return (
    <AtAccount>
      {error && <Problem error={error} retry={reload} />}
      {value?.length === 0 && <p>{t("quota.none")}</p>}
      <Section title="quota.title">
        {value?.map((cluster) => (
          <section key={cluster.uuid} aria-label={cluster.name}>
            <h3 className="w-plan">{cluster.name}</h3>
            <OfCluster cluster={cluster.name} />
          </section>
        ))}
      </Section>
      <Section title="points.title">
        <p>{t("points.help")}</p>
        {value?.map((cluster) => (
          <section key={cluster.uuid} aria-label={t("points.of", { cluster: cluster.name })}>
            <h3 className="w-plan">{cluster.name}</h3>
            <Points cluster={cluster.name} />
          </section>
        ))}
      </Section>
    </AtAccount>
  );
}
