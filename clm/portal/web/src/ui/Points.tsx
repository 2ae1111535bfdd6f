// What machines cost: a month with how it came to that, and those before it.
import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useMemo, type ReactNode } from "react";
import type { PointsHistory } from "../api/wawel.ts";
import { serverNow } from "../api/clock.ts";
import { growth, HEIGHT, levelOf, WIDTH } from "../model/plot.ts";
import { months, spanOf, standing } from "../model/points.ts";
import { useAnswer } from "./live.ts";
import { Problem } from "./Problem.tsx";
import { useTexts } from "./settings.ts";
import { UseRow } from "./Use.tsx";

/** Those that are shown, the present one among them. */
const MONTHS = 6;

interface Props {
  cluster: string;
  /** Whose, where it is not one's own: an administrator's question. */
  user_id?: number;
}

function useMonth({ cluster, user_id }: Props, month: string, kinds: readonly string[] = []): ReturnType<typeof useAnswer<"user.user.points_history">> {
  const mine = useAnswer("user.user.points_history", user_id === undefined ? { cluster, month } : undefined, kinds);
  const theirs = useAnswer("admin.user.points_history", user_id === undefined ? undefined : { cluster, month, user_id }, kinds, true);
  return user_id === undefined ? mine : theirs;
}

function Row({ history, title }: { history: PointsHistory; title: string }): ReactNode {
  const { t, number } = useTexts();
  const { used, limit } = history;
  const text = limit ? t("quota.usedOf", { used: number(used), of: number(limit) }) : number(used);
  return <UseRow title={title} text={text} used={used} most={limit} />;
}

/** How a month's points grew, from its begin to its end, below what there is for it. */
function Growth({ history }: { history: PointsHistory }): ReactNode {
  const { t, number } = useTexts();
  const { used, limit, points } = history;
  const top = Math.max(used, limit);
  if (top === 0) return null;
  return (
    <figure className="w-plot w-growth">
      <svg viewBox={`-2 -2 ${WIDTH + 4} ${HEIGHT + 4}`} role="img" preserveAspectRatio="none"
        aria-label={t("points.growth", { used: number(used) })}>
        <path d={`M0 ${HEIGHT}L${WIDTH} ${HEIGHT}`} className="w-plot-base" />
        {limit > 0 && <path d={levelOf(limit, top)} className="w-plot-second" />}
        <path d={growth(points.map(({ at, points: sum }) => [Date.parse(at), sum]), spanOf(history.month), top)} className="w-plot-first" />
      </svg>
    </figure>
  );
}

function Now(props: Props & { month: string }): ReactNode {
  const { t, month } = useTexts();
  const { value, error, reload } = useMonth(props, props.month, ["vm", "user"]);
  if (error) return <Problem error={error} retry={reload} />;
  if (!value) return null;
  const is = standing(value.used, value.limit);
  return (
    <>
      {is !== "within" && (
        <Alert component="p" isInline variant={is === "near" ? "warning" : "danger"} title={t(is === "near" ? "points.near" : "points.over")} />
      )}
      <div className="w-use"><Row history={value} title={month(props.month)} /></div>
      <Growth history={value} />
      {value.used > 0 && !value.complete && <p className="w-quiet">{t("points.incomplete")}</p>}
    </>
  );
}

function Before(props: Props & { month: string }): ReactNode {
  const { month } = useTexts();
  const { value, error } = useMonth(props, props.month);
  if (error) return <Problem error={error} />;
  return value ? <Row history={value} title={month(props.month)} /> : null;
}

/** The present month's points and how it came to them, and the sums of those before. */
export function Points(props: Props): ReactNode {
  const [now, ...before] = useMemo(() => months(new Date(serverNow()), MONTHS), []);
  return (
    <>
      {now && <Now {...props} month={now} />}
      <div className="w-use">{before.map((each) => <Before key={each} {...props} month={each} />)}</div>
    </>
  );
}
