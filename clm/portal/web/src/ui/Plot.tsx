// What was measured of a machine or a node, as small pictures with their figures.
import { useState, type ReactNode } from "react";
import type { SeriesUnit } from "../api/wawel.ts";
import { HEIGHT, paths, topOf, WIDTH } from "../model/plot.ts";
import { word, type Key } from "../texts/translate.ts";
import { useTexts } from "./settings.ts";

export interface Series {
  metric: string;
  unit: SeriesUnit;
  values: (number | null)[];
  mean: number | null;
  maximum: number | null;
}

export const SPANS = { hour: 3600, day: 86_400, week: 604_800, month: 2_678_400, year: 31_622_400 } as const;
export type Span = keyof typeof SPANS;

/** How far back is looked: seconds, and the buttons that say so. */
export function useSpan(): [Span, ReactNode] {
  const { t } = useTexts();
  const [span, setSpan] = useState<Span>("hour");
  return [span, (
    <select key="span" aria-label={t("plot.span")} value={span} onChange={(event) => setSpan(event.target.value as Span)}>
      {(Object.keys(SPANS) as Span[]).map((each) => <option key={each} value={each}>{word(t, "span", each)}</option>)}
    </select>
  )];
}

/** Some series of one kind in one picture; nothing where nothing was measured. */
export function Plot(props: { title: Key; series: readonly Series[] }): ReactNode {
  const { t, bytes, number } = useTexts();
  const told = props.series.filter((each) => each.mean !== null);
  if (told.length === 0) return null;
  const shown = (value: number | null, unit: SeriesUnit): string => {
    if (value === null) return "";
    if (unit === "percent") return `${number(Math.round(value * 10) / 10)} %`;
    if (unit === "bytes") return bytes(value);
    if (unit === "bytes_per_s") return t("plot.perSecond", { amount: bytes(value) });
    return number(Math.round(value * 100) / 100);
  };
  const figures = told.map((each) =>
    t("plot.figures", { what: word(t, "metric", each.metric), mean: shown(each.mean, each.unit), top: shown(each.maximum, each.unit) }));
  const top = topOf(told);
  return (
    <figure className="w-plot">
      <figcaption>{t(props.title)}</figcaption>
      <svg viewBox={`-2 -2 ${WIDTH + 4} ${HEIGHT + 4}`} role="img" aria-label={figures.join("; ")} preserveAspectRatio="none">
        <path d={`M0 ${HEIGHT}L${WIDTH} ${HEIGHT}`} className="w-plot-base" />
        {told.map((each, at) => paths(each.values, top).map((path) => (
          <path key={each.metric + path} d={path} className={at === 0 ? "w-plot-first" : "w-plot-second"} />
        )))}
      </svg>
      {figures.map((each, at) => <p key={each} className={at === 0 ? "w-plot-first" : "w-plot-second"}>{each}</p>)}
    </figure>
  );
}
