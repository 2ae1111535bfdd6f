import type { ReactNode } from "react";
import { addressTo } from "../../model/routes.ts";
import { Facts } from "../../ui/Facts.tsx";
import { GuestFrame } from "../../ui/GuestFrame.tsx";
import { Link } from "../../ui/Link.tsx";
import { useAnswer } from "../../ui/live.ts";
import { News } from "../../ui/News.tsx";
import { Section } from "../../ui/parts.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { useTexts } from "../../ui/settings.ts";

/** What this cloud is and tells everybody, before one has logged in. */
export default function Home(): ReactNode {
  const { t } = useTexts();
  const { value: info, error } = useAnswer("guest.cloud.get_info", {});
  const { value: clusters } = useAnswer("guest.cluster.list_names", {});
  return (
    <GuestFrame title="home.title">
      {error && <Problem error={error} />}
      <Section title="news.title"><News /></Section>
      <Section title="home.about">
        <Facts facts={[
          ["column.name", info?.name],
          ["home.clusters", clusters?.map((each) => each.name).join(", ")],
          ["home.contact", info?.contact_email],
          ["home.version", info?.version],
        ]} />
      </Section>
      {info?.registration === "open" && <p><Link to={addressTo("register")}>{t("login.register")}</Link></p>}
    </GuestFrame>
  );
}
