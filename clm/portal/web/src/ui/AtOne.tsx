import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import type { ReactNode } from "react";
import type { Source } from "../api/list.ts";
import { Heading } from "./Heading.tsx";
import { useRows } from "./live.ts";
import { Problem } from "./Problem.tsx";
import { useTexts } from "./settings.ts";

interface Props<T> {
  /** The list that it is in. */
  source: Source<T>;
  uuid: string;
  /** `rows`: the whole list. */
  children: (row: T, reload: () => void, rows: readonly T[]) => ReactNode;
}

/** The frame of a page that is about one object of a list. */
export function AtOne<T extends { uuid: string; name: string }>(props: Props<T>): ReactNode {
  const { t } = useTexts();
  const { rows, came, reload } = useRows(props.source);
  const row = rows.find((each) => each.uuid === props.uuid);
  if (!row && came instanceof Error) return <><Heading text={t("one.title")} /><Problem error={came} retry={reload} /></>;
  if (!row && came === false) return <><Heading text={t("one.title")} /><Spinner aria-label={t("app.loading")} /></>;
  if (!row) return <><Heading text={t("one.gone")} /><p>{t("one.goneHelp")}</p></>;
  return (
    <>
      <Heading text={row.name} />
      {props.children(row, reload, rows)}
    </>
  );
}
