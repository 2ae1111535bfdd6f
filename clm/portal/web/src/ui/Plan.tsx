import { List, ListItem } from "@patternfly/react-core/dist/esm/components/List/index.js";
import type { ReactNode } from "react";
import type { PlanStep } from "../api/rpc.ts";
import { linesOf } from "../model/plan.ts";
import { useTexts } from "./settings.ts";

/** A dry run's answer: what would be done, in order. */
export function Plan(props: { steps: readonly PlanStep[] }): ReactNode {
  const texts = useTexts();
  return (
    <List isPlain isBordered>
      {linesOf(props.steps, texts).map((line, index) => (
        <ListItem key={index}>
          <strong>{line.step}</strong> {line.rest}
        </ListItem>
      ))}
    </List>
  );
}
