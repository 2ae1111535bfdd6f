import type { ReactNode } from "react";
import type { VMState } from "../api/wawel.ts";
import { colourOf } from "../model/machines.ts";
import { Badge } from "./Badge.tsx";
import { useTexts } from "./settings.ts";

export function State(props: { state: VMState }): ReactNode {
  const { t } = useTexts();
  return <Badge colour={colourOf(props.state)}>{t(`state.${props.state}`)}</Badge>;
}
