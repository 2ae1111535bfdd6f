import type { ReactNode } from "react";
import { Heading } from "../../ui/Heading.tsx";
import { useAnswer } from "../../ui/live.ts";
import type { PageProps } from "../../ui/Opened.tsx";
import { Section } from "../../ui/parts.tsx";
import { Points } from "../../ui/Points.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { useTexts } from "../../ui/settings.ts";

/** What one account's machines cost, month by month. */
export default function AccountPoints({ params }: PageProps): ReactNode {
  const { t } = useTexts();
  const cluster = params["cluster"] ?? "";
  const user_id = Number(params["id"]);
  const { value, error, reload } = useAnswer("admin.user.get_by_id", Number.isInteger(user_id) ? { cluster, user_id } : undefined);
  return (
    <>
      <Heading text={value?.login ?? t("one.title")} />
      {error && <Problem error={error} retry={reload} />}
      {value && <Section title="points.title"><p>{t("points.help")}</p><Points cluster={cluster} user_id={user_id} /></Section>}
    </>
  );
}
