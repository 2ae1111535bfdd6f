import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import type { ReactNode } from "react";
import { useTexts } from "./settings.ts";

export function Loading(): ReactNode {
  return <Spinner aria-label={useTexts().t("app.loading")} />;
}
