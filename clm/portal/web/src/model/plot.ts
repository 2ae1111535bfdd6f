// A series as the points of a small picture; pure.
export const WIDTH = 300;
export const HEIGHT = 60;

/** Lines from 0 to `top`, one for each stretch that was measured: a gap is not drawn over. */
export function paths(values: readonly (number | null)[], top: number): string[] {
  const step = values.length > 1 ? WIDTH / (values.length - 1) : 0;
  const found: string[] = [];
  let line = "";
  values.forEach((value, at) => {
    if (value === null) {
      if (line) found.push(line);
      line = "";
      return;
    }
    const point = `${round(at * step)} ${round(heightOf(value, top))}`;
    // A single value is a line of no length, which a round end makes a dot.
    line = line ? `${line}L${point}` : `M${point}L${point}`;
  });
  return line ? [...found, line] : found;
}

/** A line of sums in time, by milliseconds: as wide as `span`, as high as `top`. */
export function growth(points: readonly (readonly [number, number])[], [begin, end]: readonly [number, number], top: number): string {
  const at = points.map(([time, sum]) => `${round(((time - begin) / (end - begin)) * WIDTH)} ${round(heightOf(sum, top))}`);
  return at.length ? `M${at.join("L")}` : "";
}

/** A line that is as high everywhere. */
export const levelOf = (value: number, top: number): string => `M0 ${round(heightOf(value, top))}L${WIDTH} ${round(heightOf(value, top))}`;

const heightOf = (value: number, top: number): number => HEIGHT - (top > 0 ? Math.min(1, Math.max(0, value / top)) : 0) * HEIGHT;
const round = (value: number): number => Math.round(value * 10) / 10;

/** What series have in common: the height of all of them. */
export function topOf(series: readonly { maximum: number | null }[]): number {
  return Math.max(0, ...series.map((each) => each.maximum ?? 0));
}
