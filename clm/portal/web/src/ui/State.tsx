import { Label } from "@patternfly/react-core/dist/esm/components/Label/index.js";
import type { ReactNode } from "react";
import type { VMState } from "../api/wawel.ts";
import { colourOf } from "../model/machines.ts";
import { useTexts } from "./settings.ts";

export function State(props: { state: VMState }): ReactNode {
  const { t } = useTexts();
  return <Label isCompact color={colourOf(props.state)}>{t(`state.${props.state}`)}</Label>;
}
