// A word on a colour. Lists hold one in each row: PatternFly's own label listens to the whole document and measures itself.
import "@patternfly/react-styles/css/components/Label/label.css";
import type { ReactNode } from "react";
import type { Colour } from "../model/machines.ts";

export function Badge(props: { colour: Colour; children: string }): ReactNode {
  const colour = props.colour === "grey" ? "" : ` pf-m-${props.colour}`;
  return (
    <span className={`pf-v6-c-label pf-m-filled pf-m-compact${colour}`}>
      <span className="pf-v6-c-label__content">{props.children}</span>
    </span>
  );
}
