import { Title } from "@patternfly/react-core/dist/esm/components/Title/index.js";
import { useEffect, type ReactNode } from "react";

/** A page's one heading, which is the document's title, too. */
export function Heading(props: { text: string; children?: ReactNode }): ReactNode {
  useEffect(() => {
    document.title = `${props.text} · Wawel`;
  }, [props.text]);
  return (
    <div className="w-heading">
      <Title headingLevel="h1">{props.text}</Title>
      {props.children}
    </div>
  );
}
