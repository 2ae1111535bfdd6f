import type { ReactNode } from "react";
import { useAnswer } from "./live.ts";
import { Problem } from "./Problem.tsx";
import { useTexts } from "./settings.ts";

const SHOWN = 5;

/** What the cloud's administrators tell everybody. */
export function News(): ReactNode {
  const { t, time } = useTexts();
  const { value, error } = useAnswer("guest.news.get_list", { limit: SHOWN });
  if (error) return <Problem error={error} />;
  return (
    <>
      {value?.length === 0 && <p>{t("news.none")}</p>}
      {value?.map((each) => (
        <article key={each.news_id}>
          <strong>{each.topic}</strong> <span className="w-quiet">{time(each.created)}</span>
          <p className="w-prewrap">{each.content}</p>
        </article>
      ))}
    </>
  );
}
