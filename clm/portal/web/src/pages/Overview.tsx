import { Card, CardBody, CardTitle } from "@patternfly/react-core/dist/esm/components/Card/index.js";
import { useMemo, useSyncExternalStore, type ReactNode } from "react";
import { machines } from "../api/cloud.ts";
import type { VMState } from "../api/wawel.ts";
import { sentence } from "../model/messages.ts";
import { addressTo } from "../model/routes.ts";
import type { Key } from "../texts/translate.ts";
import { Heading } from "../ui/Heading.tsx";
import { Link } from "../ui/Link.tsx";
import { useAnswer } from "../ui/live.ts";
import { News } from "../ui/News.tsx";
import { Problem } from "../ui/Problem.tsx";
import { useTexts } from "../ui/settings.ts";
import { Use } from "../ui/Use.tsx";

function Box(props: { title: Key; children: ReactNode }): ReactNode {
  const { t } = useTexts();
  return (
    <Card>
      <CardTitle component="h2">{t(props.title)}</CardTitle>
      <CardBody>{props.children}</CardBody>
    </Card>
  );
}

function States(): ReactNode {
  const { t } = useTexts();
  const rows = useSyncExternalStore(machines.subscribe, machines.snapshot);
  const counts = useMemo(() => {
    const found = new Map<VMState, number>();
    for (const row of rows) found.set(row.state, (found.get(row.state) ?? 0) + 1);
    return [...found].sort((a, b) => b[1] - a[1]);
  }, [rows]);
  if (counts.length === 0) return <p>{t("machines.none")}. <Link to={addressTo("create")}>{t("machines.create")}</Link></p>;
  return (
    <ul>
      {counts.map(([state, n]) => (
        <li key={state}><Link to={addressTo("machines", {}, `?state=${state}`)}>{t("machines.count", { n })}</Link>: {t(`state.${state}`)}</li>
      ))}
    </ul>
  );
}

function Unread(): ReactNode {
  const { t, time } = useTexts();
  const { value, error } = useAnswer("user.message.get_list", { unread_only: true, limit: 5 }, ["message"]);
  if (error) return <Problem error={error} />;
  return (
    <>
      {value?.length === 0 && <p>{t("messages.noUnread")}</p>}
      <ul>
        {value?.map((each) => <li key={each.message_id}><span className="w-quiet">{time(each.created)}</span> {sentence(t, each)}</li>)}
      </ul>
      <Link to={addressTo("messages")}>{t("messages.toAll")}</Link>
    </>
  );
}

function Quota(): ReactNode {
  const { value, error } = useAnswer("user.user.check_quota", {}, ["vm", "disk", "image", "user"]);
  if (error) return <Problem error={error} />;
  return value ? <Use quota={value} /> : null;
}

export default function Overview(): ReactNode {
  const { t } = useTexts();
  return (
    <>
      <Heading text={t("menu.overview")} />
      <div className="w-cards">
        <Box title="machines.title"><States /></Box>
        <Box title="quota.title"><Quota /></Box>
        <Box title="messages.unread"><Unread /></Box>
        <Box title="news.title"><News /></Box>
      </div>
    </>
  );
}
